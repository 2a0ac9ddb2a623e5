/** One subscription over many connections: it goes on behind the last event that was heard. */
import { type Members, readAmount, readMembers, readText } from "./reading.js";
import { deferred } from "./waiting.js";

export type Topic = "channel" | "payment" | "settlement";

export interface Event {
  seq: bigint;
  topic: string;
  data: Members;
}

/** Events that came before the answer which names their subscription. */
const kEarlyMax = 1024;

export class Subscription {
  readonly #topics: readonly Topic[];
  readonly #listener: (event: Event) => void;
  readonly #begun = deferred<void>();
  #early: { id: string; params: Members }[] = [];
  /** The newest event that was heard; where there was none yet, where it began. */
  #seq: bigint | undefined;
  /** Up to where the service had come when it began first: what is not above is history. */
  historyEnd = 0n;
  /** On this connection. */
  id: string | undefined;

  constructor(topics: readonly Topic[], listener: (event: Event) => void, fromSeq?: bigint) {
    this.#topics = topics;
    this.#listener = listener;
    this.#seq = fromSeq;
  }

  get begun(): Promise<void> {
    return this.#begun.promise;
  }

  params(): object {
    return { topics: this.#topics, ...(this.#seq === undefined ? {} : { fromSeq: String(this.#seq) }) };
  }

  started(id: string, seq: bigint): void {
    this.id = id;
    if (this.#seq === undefined) this.#seq = seq;
    if (this.historyEnd === 0n) this.historyEnd = seq;
    const early = this.#early.filter((one) => one.id === id);
    this.#early = [];
    for (const { params } of early) this.take(params);
    this.#begun.resolve();
  }

  /** There will be no more. */
  fail(why: Error): void {
    this.#begun.reject(why);
  }

  keep(id: string, params: Members): void {
    if (this.#early.length < kEarlyMax) this.#early.push({ id, params });
  }

  take(params: Members): void {
    const seq = readAmount(params, "seq");
    // At least once, says the protocol; once, says this client.
    if (this.#seq !== undefined && seq <= this.#seq) return;
    this.#seq = seq;
    this.#listener({ seq, topic: readText(params, "topic"), data: readMembers(params.data, "data") });
  }
}
