/**
 * A connection that is kept: it connects again when it breaks, logs in, takes up its subscriptions where
 * they were, and sends unanswered requests again, in their order. All requests are safe to repeat.
 */
import type { Account } from "./account.js";
import { Connection, unreachable, type WebSocketClass } from "./connection.js";
import { ConnectionClosed, MillraceError, ServerMismatch, TimedOut } from "./errors.js";
import { login } from "./login.js";
import { type Hex, type Members, readAmount, readMembers, readText } from "./reading.js";
import { checkContract, checkUnchanged, readServerInfo, type ServerInfo } from "./server_info.js";
import { type Event, Subscription, type Topic } from "./subscription.js";
import { backoff, deferred, type Deferred, type Patience, within } from "./waiting.js";

export interface SessionOptions {
  url: string;
  account: Account;
  /** What logins have to be for. */
  domain: string;
  contract: Hex;
  WebSocket: WebSocketClass;
  /** How long the first connection may take in all. */
  connectTimeoutMs: number;
  /** How long a single attempt, and a request without answer while nothing else is heard, may take. */
  heartbeatMs: number;
}

interface Call {
  id: number;
  method: string;
  params: () => object;
  answer: Deferred<unknown>;
  isSent: boolean;
  refusals: number;
}

/** The same request may succeed a little later; whether it has done something is not known. */
const kTransient: readonly string[] = ["unavailable", "overloaded", "too_many_in_flight", "rate_limited"];
const kRetryFirstMs = 50;
const kRetryLongestMs = 2_000;
const kReconnectFirstMs = 100;
const kReconnectLongestMs = 5_000;
/** Of the requests that may be in flight, kept free for heartbeats and subscriptions. */
const kSpare = 8;

export class Session {
  readonly #options: SessionOptions;
  readonly #calls = new Map<number, Call>();
  /** Refused for the moment; asked again soon. */
  readonly #delayed = new Set<Call>();
  readonly #subscriptions = new Set<Subscription>();
  readonly #setUp = deferred<void>();
  #nextId = 1;
  #inFlight = 0;
  #connection: Connection | undefined;
  /** Set while logged in. */
  #isReady = false;
  readonly #ending = new AbortController();
  #ended: Error | undefined;
  #failure: unknown;
  #info: ServerInfo | undefined;
  #token = "";
  #wakeUp: (() => void) | undefined;

  private constructor(options: SessionOptions) {
    this.#options = options;
  }

  static async open(options: SessionOptions): Promise<Session> {
    const session = new Session(options);
    void session.#run();
    try {
      await within(session.#setUp.promise, "connect", { timeoutMs: options.connectTimeoutMs });
      return session;
    } catch (error) {
      session.close();
      if (!(error instanceof TimedOut)) throw error;
      const last = session.#failure instanceof Error ? session.#failure.message : "no answer";
      throw unreachable(options.url, `${last}, for ${options.connectTimeoutMs} ms`, session.#failure);
    }
  }

  get info(): ServerInfo {
    if (!this.#info) throw new ConnectionClosed("not connected yet");
    return this.#info;
  }

  /** Aborted when nothing will be asked any more. */
  get ending(): AbortSignal {
    return this.#ending.signal;
  }

  /** For REST. */
  get token(): string {
    return this.#token;
  }

  /** Asks until there is an answer. `params` is asked for anew each time the request is sent. */
  call(method: string, params: object | (() => object), patience: Patience = {}): Promise<unknown> {
    if (this.#ended) return Promise.reject(this.#ended);
    const call: Call = {
      id: this.#nextId++,
      method,
      params: typeof params === "function" ? (params as () => object) : () => params,
      answer: deferred<unknown>(),
      isSent: false,
      refusals: 0,
    };
    this.#calls.set(call.id, call);
    this.#flush();
    return within(call.answer.promise, method, patience);
  }

  /** Events from now on, or behind `fromSeq`; each once and in order, over all connections. */
  async subscribe(
    topics: readonly Topic[],
    listener: (event: Event) => void,
    fromSeq?: bigint,
  ): Promise<Subscription> {
    if (this.#ended) throw this.#ended;
    const subscription = new Subscription(topics, listener, fromSeq);
    this.#subscriptions.add(subscription);
    if (this.#isReady && this.#connection) await this.#begin(subscription, this.#connection);
    await subscription.begun;
    return subscription;
  }

  unsubscribe(subscription: Subscription): void {
    this.#subscriptions.delete(subscription);
    const { id } = subscription;
    if (id !== undefined) this.call("events.unsubscribe", { subscription: id }).catch(() => {});
  }

  close(why: Error = new ConnectionClosed("the client was closed")): void {
    if (this.#ended) return;
    this.#ended = why;
    this.#ending.abort(why);
    this.#connection?.close(why.message);
    this.#wakeUp?.();
    this.#setUp.reject(why);
    for (const { answer } of [...this.#calls.values(), ...this.#delayed]) answer.reject(why);
    this.#calls.clear();
    for (const subscription of this.#subscriptions) subscription.fail(why);
  }

  async #run(): Promise<void> {
    for (let attempt = 0; !this.#ended; attempt += 1) {
      try {
        await this.#serve(() => {
          attempt = 0;
        });
      } catch (error) {
        this.#failure = error;
        if (this.#isHopeless(error)) return this.close(error as Error);
      }
      if (!this.#ended) await this.#pause(backoff(attempt, kReconnectFirstMs, kReconnectLongestMs));
    }
  }

  /** What the service is cannot be mended by asking again; nor what is refused from the beginning. */
  #isHopeless(error: unknown): boolean {
    if (error instanceof ServerMismatch) return true;
    return !this.#info && error instanceof MillraceError && !kTransient.includes(error.reason);
  }

  #pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** One connection from its beginning to its end. */
  async #serve(onReady: () => void): Promise<void> {
    const { WebSocket, url, heartbeatMs } = this.#options;
    const connection = await Connection.open(WebSocket, url, heartbeatMs);
    if (this.#ended) return connection.close("closed");
    this.#connection = connection;
    const ended = deferred<void>();
    const setUp = new Map<number, Deferred<unknown>>();
    connection.attach({
      answered: (id, result, error) => this.#answered(setUp, id, result, error),
      event: (params) => {
        try {
          this.#heard(params);
        } catch (error) {
          this.close(error as Error);
        }
      },
      closed: (why) => {
        for (const answer of setUp.values()) answer.reject(new Error(why));
        ended.resolve();
      },
    });
    const stopHeartbeat = this.#keepAlive(connection);
    try {
      await this.#enter(connection, setUp);
      onReady();
      await ended.promise;
    } finally {
      stopHeartbeat();
      connection.close("left");
      this.#isReady = false;
      this.#inFlight = 0;
      for (const call of this.#calls.values()) call.isSent = false;
    }
  }

  /** Who the service is, the login, the subscriptions, and then everything that waits. */
  async #enter(connection: Connection, setUp: Map<number, Deferred<unknown>>): Promise<void> {
    const ask = (method: string, params: object) => {
      const answer = deferred<unknown>();
      const id = this.#nextId++;
      if (connection.isClosed) answer.reject(new Error("the connection closed"));
      else setUp.set(id, answer);
      connection.send(id, method, params);
      return answer.promise;
    };
    const info = readServerInfo(await ask("server.info", {}));
    checkContract(info, this.#options.contract);
    if (this.#info) checkUnchanged(this.#info, info);
    this.#token = await login(ask, this.#options.account, this.#options.domain);
    this.#info = info;
    for (const subscription of this.#subscriptions) await this.#begin(subscription, connection, ask);
    this.#isReady = true;
    this.#setUp.resolve();
    this.#flush();
  }

  async #begin(
    subscription: Subscription,
    connection: Connection,
    ask: (method: string, params: object) => Promise<unknown> = (method, params) => this.call(method, params),
  ): Promise<void> {
    subscription.id = undefined;
    const result = readMembers(await ask("events.subscribe", subscription.params()), "subscription");
    // A call of its own may have been answered on a later connection, which began it already.
    if (connection !== this.#connection) return;
    subscription.started(readText(result, "subscription"), readAmount(result, "seq"));
  }

  #heard(params: Members): void {
    const id = readText(params, "subscription");
    for (const subscription of this.#subscriptions) {
      if (subscription.id === id) return subscription.take(params);
    }
    for (const subscription of this.#subscriptions) {
      if (subscription.id === undefined) subscription.keep(id, params);
    }
  }

  #answered(setUp: Map<number, Deferred<unknown>>, id: number, result: unknown, error?: MillraceError): void {
    const early = setUp.get(id);
    if (early) {
      setUp.delete(id);
      return error ? early.reject(error) : early.resolve(result);
    }
    const call = this.#calls.get(id);
    if (!call?.isSent) return;
    this.#inFlight -= 1;
    call.isSent = false;
    if (error && kTransient.includes(error.reason)) return this.#later(call);
    this.#calls.delete(id);
    if (error) call.answer.reject(error);
    else call.answer.resolve(result);
    this.#flush();
  }

  /** Asks again after a while; its place in the order of requests is lost, which its sender has to bear. */
  #later(call: Call): void {
    this.#calls.delete(call.id);
    const delay = backoff(call.refusals++, kRetryFirstMs, kRetryLongestMs);
    this.#delayed.add(call);
    setTimeout(() => {
      this.#delayed.delete(call);
      if (this.#ended) return;
      this.#calls.set(call.id, call);
      this.#flush();
    }, delay);
    this.#flush();
  }

  #flush(): void {
    if (!this.#isReady || !this.#connection || !this.#info) return;
    const most = Math.max(1, this.#info.limits.inFlightMax - kSpare);
    if (this.#inFlight >= most) return;
    for (const call of this.#calls.values()) {
      if (this.#inFlight >= most) return;
      if (call.isSent) continue;
      call.isSent = true;
      this.#inFlight += 1;
      this.#connection.send(call.id, call.method, call.params());
    }
  }

  /** A connection that says nothing is asked; one that does not answer is given up. */
  #keepAlive(connection: Connection): () => void {
    const { heartbeatMs } = this.#options;
    let askedAt: number | undefined;
    const timer = setInterval(() => {
      const quietMs = performance.now() - connection.heardAt;
      if (askedAt !== undefined && connection.heardAt < askedAt)
        return connection.close("no answer to a heartbeat");
      askedAt = undefined;
      if (quietMs < heartbeatMs) return;
      askedAt = performance.now();
      connection.send(0, "server.info", {});
    }, heartbeatMs);
    return () => clearInterval(timer);
  }
}
