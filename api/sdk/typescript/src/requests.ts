/** The requests of a channel by their inference ids, so that one that is made again is the same one. */
import type { Kind } from "./books.js";
import type { Payment } from "./channel_state.js";
import type { Voucher } from "./typed_data.js";
import { type Deferred, deferred } from "./waiting.js";

export interface Request {
  kind: Kind;
  amount: bigint;
  inference: Readonly<Record<string, unknown>> & { id: string };
  /** Equal for the same request. */
  content: string;
  mayRepeat: boolean;
  voucher: Voucher | undefined;
  /** It counts as promised, and is about to be signed. */
  isDecided: boolean;
  isSent: boolean;
  /** A top-up was made for it. */
  isToppedUp: boolean;
  answer: Deferred<Payment>;
}

/** Answers that are remembered. */
const kKept = 4096;

export class Requests {
  readonly #byId = new Map<string, Request>();
  /** What authorizations came to in the end. */
  readonly #settled = new Map<string, Deferred<bigint>>();

  get(inferenceId: string): Request | undefined {
    return this.#byId.get(inferenceId);
  }

  /** It was neither refused nor given up. */
  has(request: Request): boolean {
    return this.#byId.get(request.inference.id) === request;
  }

  add(request: Request): void {
    this.#byId.set(request.inference.id, request);
    for (const [id, { isSent }] of this.#byId) {
      if (this.#byId.size <= kKept || !isSent) return;
      this.#byId.delete(id);
    }
  }

  refuse(request: Request, error: unknown): void {
    if (this.has(request)) this.#byId.delete(request.inference.id);
    request.answer.reject(error);
  }

  settled(inferenceId: string): Deferred<bigint> {
    let settled = this.#settled.get(inferenceId);
    if (!settled) this.#settled.set(inferenceId, (settled = deferred()));
    for (const [oldest] of this.#settled) {
      if (this.#settled.size <= kKept) break;
      this.#settled.delete(oldest);
    }
    return settled;
  }

  /** No settlement will be believed any more. */
  rejectSettlements(error: Error): void {
    for (const settled of this.#settled.values()) settled.reject(error);
  }
}
