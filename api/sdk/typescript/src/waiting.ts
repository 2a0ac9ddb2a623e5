import { TimedOut } from "./errors.js";

export interface Patience {
  /** How long to wait for the answer, in milliseconds. */
  timeoutMs?: number | undefined;
  signal?: AbortSignal | undefined;
}

export interface Deferred<T> {
  promise: Promise<T>;
  resolve(value: T): void;
  reject(error: unknown): void;
}

export function deferred<T>(): Deferred<T> {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((onValue, onError) => {
    resolve = onValue;
    reject = onError;
  });
  // Whoever waits hears of it; where nobody does, it is no unhandled rejection.
  promise.catch(() => {});
  return { promise, resolve, reject };
}

export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const aborted = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", aborted);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", aborted, { once: true });
  });
}

/** Half to all of a delay that doubles with each attempt: so that many clients do not come at once. */
export function backoff(attempt: number, firstMs: number, longestMs: number): number {
  const delay = Math.min(longestMs, firstMs * 2 ** Math.min(attempt, 20));
  return delay * (0.5 + Math.random() / 2);
}

/** The promise, unless the time is up or the signal comes first. The work itself goes on. */
export function within<T>(promise: Promise<T>, what: string, { timeoutMs, signal }: Patience): Promise<T> {
  if (timeoutMs === undefined && !signal) return promise;
  return new Promise<T>((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", aborted);
    };
    const aborted = () => {
      end();
      reject(signal?.reason);
    };
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            end();
            reject(new TimedOut(what, timeoutMs));
          }, timeoutMs);
    signal?.addEventListener("abort", aborted, { once: true });
    promise.then(
      (value) => {
        end();
        resolve(value);
      },
      (error: unknown) => {
        end();
        reject(error);
      },
    );
  });
}

/** Runs tasks one after the other, in the order in which they were given. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  take<T>(task: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(task, task);
    this.#last = turn.catch(() => {});
    return turn;
  }
}
