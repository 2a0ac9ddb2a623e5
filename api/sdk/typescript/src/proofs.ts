/**
 * Whether the service's transparency log has what this client was told: each inference as it was opened and
 * answered, and charged for by as much as the events said.
 */
import { sum } from "./amounts.js";
import type { Kind } from "./books.js";
import type { Payment } from "./channel_state.js";
import { MillraceError, ServerMismatch } from "./errors.js";
import type { ProvenUpdate } from "./log/log.js";
import type { PayerContext } from "./payer_context.js";
import type { Hex } from "./reading.js";
import { backoff, type Patience, sleep, Turns } from "./waiting.js";

/** What became of the proofs that are asked for by themselves. */
export interface ProofStatus {
  proven: number;
  /** Those that are still to be asked for. */
  waiting: number;
  /** Why the one that is asked for could not be had yet. */
  error: unknown;
}

/** What is known of an inference. Its end may be known before the answer to its opening. */
interface Known {
  opening: { kind: Kind; answer: Payment } | undefined;
  total: bigint | undefined;
}

/** Inferences that are remembered for `verify`. */
const kKept = 4096;
const kAskAgainFirstMs = 500;
const kAskAgainLongestMs = 60_000;

export class Proofs {
  readonly #context: PayerContext;
  readonly #channelId: Hex;
  readonly #halt: (error: ServerMismatch) => void;
  readonly #known = new Map<string, Known>();
  readonly #turns = new Turns();
  #ended = 0;
  #isStopped = false;
  #status: ProofStatus = { proven: 0, waiting: 0, error: undefined };

  /** `halt`: where a proof that was asked for by itself does not hold. */
  constructor(context: PayerContext, channelId: Hex, halt: (error: ServerMismatch) => void) {
    this.#context = context;
    this.#channelId = channelId;
    this.#halt = halt;
  }

  get status(): ProofStatus {
    return { ...this.#status };
  }

  /** A payment or an authorization was acknowledged. */
  opened(kind: Kind, answer: Payment): void {
    const known = this.#of(answer.inferenceId);
    known.opening = { kind, answer };
    if (kind === "pay") known.total = answer.amount;
    this.#look(answer.inferenceId, known);
  }

  /** No more will be charged for it. */
  ended(inferenceId: string, total: bigint): void {
    const known = this.#of(inferenceId);
    known.total = total;
    this.#look(inferenceId, known);
  }

  /** The channel is halted: there is nothing more to find out. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Everything that the log has of an inference, which is as it is known here. */
  verify(inferenceId: string, options: { key?: string } & Patience): Promise<ProvenUpdate[]> {
    return this.#verify(inferenceId, this.#known.get(inferenceId), options);
  }

  #of(inferenceId: string): Known {
    let known = this.#known.get(inferenceId);
    if (!known) this.#known.set(inferenceId, (known = { opening: undefined, total: undefined }));
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= kKept) break;
      this.#known.delete(oldest);
    }
    return known;
  }

  #look(inferenceId: string, known: Known): void {
    const { proveEvery } = this.#context;
    if (proveEvery === 0 || !known.opening || known.total === undefined) return;
    if (this.#ended++ % proveEvery !== 0) return;
    this.#status.waiting += 1;
    void this.#turns.take(() => this.#prove(inferenceId, known));
  }

  /** Asks until there is an answer. A log that cannot be had is no lie, and ends no channel. */
  async #prove(inferenceId: string, known: Known): Promise<void> {
    const { log, session } = this.#context;
    const signal = session.ending;
    for (let attempt = 0; !signal.aborted && !this.#isStopped; attempt += 1) {
      try {
        if (await log.isKept(signal)) {
          await this.#verify(inferenceId, known, { signal });
          this.#status.proven += 1;
        }
        this.#status.error = undefined;
        break;
      } catch (error) {
        this.#status.error = error;
        const lie = lieOf(error, inferenceId);
        if (lie) {
          this.#halt(lie);
          break;
        }
        await sleep(backoff(attempt, kAskAgainFirstMs, kAskAgainLongestMs), signal).catch(() => {});
      }
    }
    this.#status.waiting -= 1;
  }

  async #verify(
    inferenceId: string,
    known: Known | undefined,
    options: { key?: string } & Patience,
  ): Promise<ProvenUpdate[]> {
    // What is learnt while the log is asked may be newer than its answer.
    const { opening, total } = known ?? { opening: undefined, total: undefined };
    const updates = await this.#context.log.verifyPayment(this.#channelId, inferenceId, options);
    const [first] = updates;
    if (!first) return updates;
    if (opening) demandOpening(first, opening.kind, opening.answer);
    const charged = sum(updates.map(({ increment }) => increment));
    if (total === undefined ? charged > first.amount : charged !== total)
      throw new ServerMismatch(
        "increment",
        `the log has ${charged} charged for ${inferenceId}, of which ${total ?? `at most ${first.amount}`} is known`,
      );
    return updates;
  }
}

function demandOpening(first: ProvenUpdate, kind: Kind, answer: Payment): void {
  const pairs: readonly (readonly [string, unknown, unknown])[] = [
    ["step", first.step, 0],
    ["kind", first.kind, kind],
    ["amount", first.amount, answer.amount],
    ["seq", first.seq, answer.seq],
    ["chargedCumulativeAmount", first.charged, answer.charged],
    ["reservedAmount", first.reserved, answer.reserved],
    ["signedMaxClaimable", first.signedMax, answer.signedMax],
    ["balance", first.balance, answer.balance],
  ];
  for (const [field, logged, told] of pairs)
    if (logged !== told)
      throw new ServerMismatch(
        field,
        `${field} of ${answer.inferenceId} is ${String(logged)} in the log, and ${String(told)} was answered`,
      );
}

function lieOf(error: unknown, inferenceId: string): ServerMismatch | undefined {
  if (error instanceof ServerMismatch) return error;
  if (error instanceof MillraceError && error.reason === "not_found")
    return new ServerMismatch("updates", `the log does not have ${inferenceId}, which was acknowledged`, {
      cause: error,
    });
  return undefined;
}
