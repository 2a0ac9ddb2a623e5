/** JSON-RPC 2.0 over one WebSocket: requests out, answers and events in, until it closes. */
import { MillraceError } from "./errors.js";
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

  static open(Socket: WebSocketClass, url: string, timeoutMs: number): Promise<Connection> {
    const opened = deferred<Connection>();
    const socket = new Socket(url, ["millrace.v1"]);
    const giveUp = (why: string) => {
      opened.reject(new Error(`${url}: ${why}`));
      socket.close();
    };
    const timer = setTimeout(() => giveUp(`no connection within ${timeoutMs} ms`), timeoutMs);
    socket.onopen = () => {
      clearTimeout(timer);
      opened.resolve(new Connection(socket));
    };
    socket.onerror = (event: { message?: string }) => {
      clearTimeout(timer);
      opened.reject(new Error(`${url}: ${event.message ?? "cannot connect"}`));
    };
    socket.onclose = () => {
      clearTimeout(timer);
      opened.reject(new Error(`${url}: closed before it was open`));
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
