/** The receiving side: serves what is authorized, charges what it came to, and claims. */
import { checkAmount } from "./amounts.js";
import { type ChannelState, type Payment, readChannel, readPayment } from "./channel_state.js";
import { MillraceError, ServerMismatch } from "./errors.js";
import {
  type Hex,
  type Members,
  readAmount,
  readHash,
  readList,
  readMembers,
  readNumber,
  readText,
} from "./reading.js";
import type { Session } from "./session.js";
import type { Storage } from "./storage.js";
import { load, save, storedAmount } from "./stored.js";
import type { Event } from "./subscription.js";
import { type Patience, sleep, Turns } from "./waiting.js";

export interface ChargeOptions extends Patience {
  /** false: more may be charged for it; the amount is the total so far. */
  final?: boolean;
  usage?: { inputTokens?: number; outputTokens?: number };
  /** Kept with the payment as it is, for the payer. */
  receipt?: unknown;
}

/** An inference that a payer has authorized, and that waits for its work. */
export interface Job {
  readonly seq: bigint;
  readonly channelId: Hex;
  readonly inferenceId: string;
  readonly maxAmount: bigint;
  readonly model: string;
  readonly app: string | undefined;
  readonly units: string | number | undefined;
  readonly requestHash: Hex | undefined;
  /** `amount` is the total for this inference, at most `maxAmount`. */
  charge(amount: bigint, options?: ChargeOptions): Promise<Payment>;
  /** Charges nothing more, and frees the rest. */
  release(reason?: string): Promise<Payment>;
}

/** Gives what to charge; nothing, when it has charged or released by itself. One that throws releases. */
export type JobHandler = (job: Job) => Promise<bigint | Payment | void>;

export interface ListenOptions {
  /** How many jobs are worked on at once. */
  concurrency?: number;
  /** Only what came behind this number. By default: behind what is done by the storage's account, or everything that is open. */
  fromSeq?: bigint;
  /** Hears of handlers that threw, and of jobs that could not be concluded. */
  onError?: (error: unknown, job: Job) => void;
}

export interface Listening {
  /** Takes no more jobs, and resolves when those at work are concluded. */
  close(): Promise<void>;
}

export interface Claim {
  claimId: string;
  status: "queued" | "sent" | "confirmed" | "failed";
  transactions: readonly Hex[];
  /** How many channels are in it. */
  channels: number;
  amount: bigint;
  error: string | undefined;
}

const kConcurrency = 16;
const kClaimPollMs = 250;
const kConcluded: readonly string[] = ["reservation_unknown", "channel_unknown"];

function readClaim(value: unknown): Claim {
  const members = readMembers(value, "claim");
  const status = readText(members, "status");
  if (status !== "queued" && status !== "sent" && status !== "confirmed" && status !== "failed")
    throw new ServerMismatch("status", `${JSON.stringify(status)} is no status of a claim`);
  return {
    claimId: readText(members, "claimId"),
    status,
    transactions: readList(members, "transactions").map((hash) =>
      readHash({ transactions: hash }, "transactions"),
    ),
    channels: readNumber(members, "channels"),
    amount: readAmount(members, "amount"),
    error: typeof members.error === "string" ? members.error : undefined,
  };
}

export class Provider {
  readonly #session: Session;
  readonly #storage: Storage;
  readonly #cursorKey: string;
  readonly #timeoutMs: number;

  constructor(session: Session, storage: Storage, address: Hex, timeoutMs: number) {
    this.#session = session;
    this.#storage = storage;
    this.#cursorKey = `provider:${address.toLowerCase()}`;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Calls the handler for each inference that is authorized, also for those that were while nobody listened: at least once each, and
   * not again once it is charged or released. `charge` and `release` are safe to repeat.
   */
  async onAuthorized(handler: JobHandler, options: ListenOptions = {}): Promise<Listening> {
    const stored = await load(this.#storage, this.#cursorKey);
    const from = options.fromSeq ?? (stored ? storedAmount(stored, "seq", this.#cursorKey) : 0n);
    const worker = new Worker(this, handler, options, from, (seq) =>
      save(this.#storage, this.#cursorKey, { seq }),
    );
    const subscription = await this.#session.subscribe(["payment"], (event) => worker.take(event), from);
    worker.begin(subscription.historyEnd);
    return {
      close: async () => {
        this.#session.unsubscribe(subscription);
        await worker.close();
      },
    };
  }

  /** Charges a reservation; `amount` is the total for the inference. */
  async charge(
    channelId: Hex,
    inferenceId: string,
    amount: bigint,
    options: ChargeOptions = {},
  ): Promise<Payment> {
    const { final, usage, receipt, ...patience } = options;
    const params = {
      channelId,
      inferenceId,
      amount: String(checkAmount(amount, "amount")),
      final,
      usage,
      receipt,
    };
    const payment = readPayment(await this.#call("payment.charge", params, patience));
    if (
      payment.channelId !== channelId.toLowerCase() ||
      payment.inferenceId !== inferenceId ||
      payment.amount !== amount
    )
      throw new ServerMismatch(
        "amount",
        `${payment.amount} for ${payment.inferenceId} is the answer to ${amount} for ${inferenceId}`,
      );
    return payment;
  }

  async release(
    channelId: Hex,
    inferenceId: string,
    reason?: string,
    patience: Patience = {},
  ): Promise<Payment> {
    return readPayment(await this.#call("payment.release", { channelId, inferenceId, reason }, patience));
  }

  /** Claims all that is due, in one transfer for each token, and waits until the chain has confirmed it. */
  async claim({
    network,
    token,
    wait = true,
    timeoutMs = 120_000,
    signal,
  }: { network?: string; token?: Hex; wait?: boolean } & Patience = {}): Promise<Claim> {
    const deadline = Date.now() + timeoutMs;
    let claim = readClaim(await this.#call("settlement.claim", { network, token }, { timeoutMs, signal }));
    while (wait && (claim.status === "queued" || claim.status === "sent")) {
      if (Date.now() > deadline)
        throw new MillraceError("timeout", `claim ${claim.claimId} is not confirmed yet; ask for it again`, {
          field: "claimId",
        });
      await sleep(kClaimPollMs, signal);
      claim = await this.getClaim(claim.claimId, { signal });
    }
    if (claim.status === "failed")
      throw new MillraceError("claim_failed", claim.error ?? "the claim failed; its amounts stay due", {
        field: claim.claimId,
      });
    return claim;
  }

  async getClaim(claimId: string, patience: Patience = {}): Promise<Claim> {
    return readClaim(await this.#call("settlement.get", { claimId }, patience));
  }

  /** All channels of this account, on either side. */
  async *channels(patience: Patience = {}): AsyncGenerator<ChannelState> {
    let cursor: string | undefined;
    do {
      const page = readMembers(await this.#call("channel.list", { cursor }, patience), "channels");
      for (const channel of readList(page, "channels")) yield readChannel(channel);
      cursor = page.nextCursor === undefined ? undefined : readText(page, "nextCursor");
    } while (cursor);
  }

  /** The inferences of a channel that are open; undefined where the service does not list them. */
  async openInferences(channelId: Hex): Promise<ReadonlySet<string> | undefined> {
    const { reservations } = readChannel(await this.#call("channel.get", { channelId }, {}));
    return reservations && new Set(reservations.map(({ inferenceId }) => inferenceId));
  }

  #call(method: string, params: object, patience: Patience): Promise<unknown> {
    return this.#session.call(method, params, { timeoutMs: this.#timeoutMs, ...patience });
  }
}

interface Unfinished {
  seq: bigint;
  job: Job;
  isDone: boolean;
}

/** Works on jobs a few at a time, and remembers up to where all are concluded. */
class Worker {
  readonly #provider: Provider;
  readonly #handler: JobHandler;
  readonly #options: ListenOptions;
  readonly #saveCursor: (seq: bigint) => Promise<void>;
  readonly #saves = new Turns();
  readonly #waiting: Unfinished[] = [];
  /** In the order of the ledger; what is done is taken from the front. */
  readonly #unfinished = new Set<Unfinished>();
  readonly #working = new Set<Promise<void>>();
  readonly #openInHistory = new Map<Hex, Promise<ReadonlySet<string> | undefined>>();
  #seen: bigint;
  #saved: bigint;
  #historyEnd: bigint | undefined;
  #isClosed = false;

  constructor(
    provider: Provider,
    handler: JobHandler,
    options: ListenOptions,
    from: bigint,
    saveCursor: (seq: bigint) => Promise<void>,
  ) {
    this.#provider = provider;
    this.#handler = handler;
    this.#options = options;
    this.#seen = from;
    this.#saved = from;
    this.#saveCursor = saveCursor;
  }

  begin(historyEnd: bigint): void {
    this.#historyEnd = historyEnd;
    this.#work();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#working);
    await this.#remember();
  }

  take({ seq, data }: Event): void {
    if (this.#isClosed) return;
    this.#seen = seq;
    if (data.name !== "authorized") return;
    const one = { seq, job: this.#jobOf(seq, data), isDone: false };
    this.#unfinished.add(one);
    this.#waiting.push(one);
    this.#work();
  }

  #work(): void {
    const most = this.#options.concurrency ?? kConcurrency;
    while (this.#historyEnd !== undefined && !this.#isClosed && this.#working.size < most) {
      const next = this.#waiting.shift();
      if (!next) return;
      const work = this.#conclude(next).finally(() => {
        this.#working.delete(work);
        this.#work();
      });
      this.#working.add(work);
    }
  }

  async #conclude(one: Unfinished): Promise<void> {
    const { job } = one;
    try {
      if (one.seq > (this.#historyEnd ?? 0n) || (await this.#isOpen(job))) await this.#serve(job);
      one.isDone = true;
    } catch (error) {
      one.isDone = error instanceof MillraceError && kConcluded.includes(error.reason);
      this.#options.onError?.(error, job);
    }
    await this.#remember().catch((error: unknown) => this.#options.onError?.(error, job));
  }

  async #serve(job: Job & { isConcluded?: boolean }): Promise<void> {
    let due: bigint | Payment | void;
    try {
      due = await this.#handler(job);
    } catch (error) {
      this.#options.onError?.(error, job);
      if (!job.isConcluded) await job.release("the provider failed");
      return;
    }
    if (typeof due === "bigint") await job.charge(due);
    else if (!job.isConcluded) await job.release("nothing was charged");
  }

  /** What is in the history may be concluded since; one look at its channel tells of all of them. */
  async #isOpen({ channelId, inferenceId }: Job): Promise<boolean> {
    let open = this.#openInHistory.get(channelId);
    if (!open) this.#openInHistory.set(channelId, (open = this.#provider.openInferences(channelId)));
    return (await open)?.has(inferenceId) ?? true;
  }

  /** Up to before the first job that is not done. */
  #remember(): Promise<void> {
    return this.#saves.take(async () => {
      let done = this.#seen;
      for (const one of this.#unfinished) {
        if (!one.isDone) {
          done = one.seq - 1n;
          break;
        }
        this.#unfinished.delete(one);
      }
      if (done <= this.#saved) return;
      await this.#saveCursor(done);
      this.#saved = done;
    });
  }

  #jobOf(seq: bigint, data: Members): Job & { isConcluded: boolean } {
    const { channelId, inferenceId, amount } = readPayment(data);
    const provider = this.#provider;
    const text = (value: unknown) => (typeof value === "string" ? value : undefined);
    return {
      seq,
      channelId,
      inferenceId,
      maxAmount: amount,
      model: text(data.model) ?? "",
      app: text(data.app),
      units: typeof data.units === "number" ? data.units : text(data.units),
      requestHash: text(data.requestHash) as Hex | undefined,
      isConcluded: false,
      async charge(due, options = {}) {
        const payment = await provider.charge(channelId, inferenceId, due, options);
        if (options.final !== false) this.isConcluded = true;
        return payment;
      },
      async release(reason) {
        const payment = await provider.release(channelId, inferenceId, reason);
        this.isConcluded = true;
        return payment;
      },
    };
  }
}
