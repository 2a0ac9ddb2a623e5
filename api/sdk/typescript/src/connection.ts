/** JSON-RPC 2.0 over one WebSocket: requests out, answers and events in, until it closes. */
import { ConnectionClosed, MillraceError } from "./errors.js";
import { isMembers, type Members } from "./reading.js";
import { deferred } from "./waiting.js";

/** What of the WHATWG WebSocket is used; `ws` has it, too. */
export interface WebSocketLike {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  send(text: string): void;
  close(code?: number, reason?: string): void;
}
export type WebSocketClass = new (url: string, protocols: string[]) => WebSocketLike;

/** An answer of the service that is an error. */
export function errorOf(error: unknown): MillraceError {
  const { message, data } = isMembers(error) ? error : ({} as Members);
  const { reason, field, limit } = isMembers(data) ? data : ({} as Members);
  const text = (value: unknown) => (typeof value === "string" ? value : undefined);
  return new MillraceError(text(reason) ?? "internal_error", text(message) ?? "an error without a message", {
    field: text(field),
    limit: text(limit),
  });
}

export interface Receiver {
  /** The answer to the request with this id. */
  answered(id: number, result: unknown, error: MillraceError | undefined): void;
  event(params: Members): void;
  closed(why: string): void;
}

/** Why there is no connection, where it is, and what to look at. */
export function unreachable(url: string, why: string, cause?: unknown): ConnectionClosed {
  return new ConnectionClosed(
    `cannot connect to ${url}: ${why}. Does the service run, and is this the URL of its stream, ` +
      "such as wss://millrace.example/v1/stream?",
    cause,
  );
}

/** How the package `ws` tells that a server has answered without opening a stream; browsers do not tell. */
const kStatus = /^Unexpected server response: (\d{3})$/;
/** Below 500 and yet about the moment: too early, too much. */
const kPassing: readonly number[] = [408, 425, 429];

function refused(url: string, message: string | undefined): Error {
  const status = Number(kStatus.exec(message ?? "")?.[1] ?? 0);
  if (status === 0 || status >= 500 || kPassing.includes(status)) return new Error(message ?? "no connection");
  return unreachable(url, `it answers with status ${status} and opens no stream`);
}

function dial(Socket: WebSocketClass, url: string): WebSocketLike {
  try {
    return new Socket(url, ["millrace.v1"]);
  } catch (error) {
    throw unreachable(url, error instanceof Error ? error.message : String(error), error);
  }
}

export class Connection {
  readonly #socket: WebSocketLike;
  #receiver: Receiver | undefined;
  #closed: string | undefined;
  /** When something was heard last, by `performance.now()`. */
  heardAt = performance.now();

  private constructor(socket: WebSocketLike) {
    this.#socket = socket;
    socket.onerror = () => {};
    socket.onmessage = (event: { data: unknown }) => this.#receive(event.data);
    socket.onclose = (event: { code?: number }) => this.#end(`the connection closed (${event.code ?? 1006})`);
  }

  /** Rejects with a ConnectionClosed where it is of no use to try again. */
  static async open(Socket: WebSocketClass, url: string, timeoutMs: number): Promise<Connection> {
    const opened = deferred<Connection>();
    const socket = dial(Socket, url);
    const giveUp = (why: string) => {
      opened.reject(new Error(why));
      socket.close();
    };
    const timer = setTimeout(() => giveUp(`no connection within ${timeoutMs} ms`), timeoutMs);
    socket.onopen = () => {
      clearTimeout(timer);
      opened.resolve(new Connection(socket));
    };
    socket.onerror = (event: { message?: string; error?: { code?: string } }) => {
      clearTimeout(timer);
      opened.reject(refused(url, event.message || event.error?.code));
    };
    socket.onclose = () => {
      clearTimeout(timer);
      opened.reject(new Error("closed before it was open"));
    };
    return opened.promise;
  }

  get isClosed(): boolean {
    return this.#closed !== undefined;
  }

  /** From now on everything goes there. */
  attach(receiver: Receiver): void {
    this.#receiver = receiver;
    if (this.#closed !== undefined) receiver.closed(this.#closed);
  }

  send(id: number, method: string, params: object): void {
    if (!this.isClosed) this.#socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
  }

  close(why: string): void {
    this.#socket.close(1000);
    // A peer that is gone never answers the close.
    this.#end(why);
  }

  #receive(data: unknown): void {
    this.heardAt = performance.now();
    let message: unknown;
    try {
      message = JSON.parse(String(data));
    } catch {
      return this.close("the service sent what is no JSON");
    }
    for (const one of Array.isArray(message) ? (message as unknown[]) : [message]) {
      if (!isMembers(one)) continue;
      if (one.method === "event" && isMembers(one.params)) this.#receiver?.event(one.params);
      else if (typeof one.id === "number")
        this.#receiver?.answered(one.id, one.result, "error" in one ? errorOf(one.error) : undefined);
    }
  }

  #end(why: string): void {
    if (this.isClosed) return;
    this.#closed = why;
    this.#receiver?.closed(why);
  }
}
