/** A payer's channel to one provider. */
import { checkAmount, larger, sum } from "./amounts.js";
import { Books, type Kind } from "./books.js";
import { Changes } from "./changes.js";
import { demandOwnVoucher, demandSameChannel } from "./channel_checks.js";
import { type ChannelRecord, saveChannel } from "./channel_record.js";
import {
  type ChannelState,
  type ChannelStatus,
  type Payment,
  readChannel,
  readPayment,
} from "./channel_state.js";
import type { TransferMethod } from "./deposit.js";
import { Deposits } from "./deposits.js";
import { BalanceExceeded, MillraceError, ServerMismatch } from "./errors.js";
import type { Authorization, AuthorizeRequest, Inference, PayRequest, TopUpPolicy } from "./inference.js";
import type { ProvenUpdate } from "./log/log.js";
import type { PayerContext } from "./payer_context.js";
import { Proofs, type ProofStatus } from "./proofs.js";
import { type Refund, Refunds } from "./refunds.js";
import { type Request, Requests } from "./requests.js";
import { randomInferenceId } from "./random.js";
import { type Hex, readAmount, readMembers, readText } from "./reading.js";
import type { Token } from "./server_info.js";
import type { Asset } from "./spending.js";
import type { Event } from "./subscription.js";
import { type ChannelConfig, type Escrow, signVoucher, type Voucher, wireVoucher } from "./typed_data.js";
import { deferred, type Patience, Turns, within } from "./waiting.js";

const kBatch = 64;
const kInferenceId = /^[A-Za-z0-9._:-]{1,64}$/;

export class Channel {
  readonly #context: PayerContext;
  readonly #record: ChannelRecord;
  readonly #books: Books;
  readonly #topUpPolicy: TopUpPolicy | undefined;
  readonly #money: Deposits;
  readonly #refunds: Refunds;
  readonly #proofs: Proofs;
  readonly #queue: Request[] = [];
  readonly #requests = new Requests();
  readonly #deposits = new Turns();
  readonly #changes = new Changes(() => this.#halted);
  #status: ChannelStatus;
  #best: Voucher | undefined;
  #isDraining = false;
  #isClosed = false;
  #halted: ServerMismatch | undefined;

  /** Called by `Millrace`, with a channel object that `checkAdoption` has found good. */
  constructor(
    context: PayerContext,
    record: ChannelRecord,
    token: Token,
    found: ChannelState,
    seq: bigint,
    { topUp, method }: { topUp?: TopUpPolicy | undefined; method: TransferMethod },
  ) {
    this.#context = context;
    this.#record = record;
    this.#topUpPolicy = topUp;
    this.#status = found.status;
    if (found.signature) this.#best = { maxClaimableAmount: found.signedMax, signature: found.signature };
    this.#proofs = new Proofs(context, record.channelId, (error) => this.#halt(error));
    this.#books = new Books(found, seq, record.signed, {
      ended: (inferenceId, amount) => {
        this.#requests.settled(inferenceId).resolve(amount);
        this.#proofs.ended(inferenceId, amount);
      },
    });
    this.#money = new Deposits({
      context,
      record,
      token,
      method,
      books: this.#books,
      changes: this.#changes,
    });
    this.#refunds = new Refunds({
      context,
      channelId: record.channelId,
      escrow: record.escrow,
      books: this.#books,
      changes: this.#changes,
      best: () => this.#best,
      idle: () => this.#idle(),
    });
  }

  get id(): Hex {
    return this.#record.channelId;
  }
  get config(): ChannelConfig {
    return this.#record.config;
  }
  get escrow(): Escrow {
    return this.#record.escrow;
  }
  get status(): ChannelStatus {
    return this.#status;
  }
  get balance(): bigint {
    return this.#books.balance;
  }
  get charged(): bigint {
    return this.#books.charged;
  }
  get reserved(): bigint {
    return this.#books.reserved;
  }
  /** The highest total that was ever signed for: no more than this can be claimed. */
  get signed(): bigint {
    return this.#record.signed;
  }
  /** What became of the proofs that `verifyProofs` asks for. */
  get proofs(): ProofStatus {
    return this.#proofs.status;
  }
  /** Why nothing is signed for this channel any more; undefined while all is well. */
  get halted(): ServerMismatch | undefined {
    return this.#halted;
  }

  /** Pays a known price at once. Any number may be in flight. Resolves when it is committed. */
  async pay(request: PayRequest): Promise<Payment> {
    return this.#request("pay", checkAmount(request.amount, "amount"), request);
  }

  /** Reserves up to `maxAmount`, of which the provider charges what it comes to. */
  async authorize(request: AuthorizeRequest): Promise<Authorization> {
    const payment = await this.#request("authorize", checkAmount(request.maxAmount, "maxAmount"), request);
    return { ...payment, settled: this.#requests.settled(payment.inferenceId).promise };
  }

  /** Deposits more, by a signature and without gas; resolves when it can be paid from. */
  async topUp(amount: bigint, patience: Patience = {}): Promise<void> {
    checkAmount(amount, "amount");
    this.#demandUsable();
    const done = this.#deposits.take(() => this.#deposit(amount));
    await within(done, "topUp", { timeoutMs: this.#context.timeoutMs, ...patience });
  }

  /**
   * Gets unspent money back, by default all of it. What is charged is claimed in the same transaction. Resolves when
   * the chain has confirmed it.
   */
  async refund({ amount, ...patience }: { amount?: bigint } & Patience = {}): Promise<{
    amount: bigint;
    transaction: Hex;
  }> {
    if (amount !== undefined) checkAmount(amount, "amount");
    this.#demandUsable();
    const done = this.#deposits.take(() => this.#guardedAsync(() => this.#refunds.make(amount)));
    return within(done, "refund", { timeoutMs: this.#context.timeoutMs, ...patience });
  }

  /** Ends the channel together with the provider: takes no more payments, waits for those in flight, refunds the rest. */
  async close(patience: Patience = {}): Promise<Refund | undefined> {
    this.#isClosed = true;
    await within(this.#idle(), "close", { timeoutMs: this.#context.timeoutMs, ...patience });
    if (this.balance === this.charged + this.reserved) return undefined;
    const done = this.#deposits.take(() => this.#guardedAsync(() => this.#refunds.make(undefined)));
    return within(done, "close", { timeoutMs: this.#context.timeoutMs, ...patience });
  }

  /** Asks the service for its state of the channel and holds it against the own books. */
  async check(patience: Patience = {}): Promise<ChannelState> {
    const found = await this.#found(patience);
    return this.#guarded(() => {
      this.#books.compare(found.state, found.seq);
      return found.state;
    });
  }

  /** Proves that the service's transparency log has an inference, as it was answered and charged: `Log.verifyPayment`. */
  verifyPayment(inferenceId: string, options: { key?: string } & Patience = {}): Promise<ProvenUpdate[]> {
    return this.#proofs.verify(inferenceId, options);
  }

  /** An event of this channel. */
  take(event: Event): void {
    if (this.#halted) return;
    try {
      if (event.topic === "payment")
        this.#books.payment(readText(event.data, "name"), readPayment(event.data));
      else if (event.topic === "channel") this.#takeChannel(event);
    } catch (error) {
      this.#halt(
        error instanceof ServerMismatch
          ? error
          : new ServerMismatch("event", "an event makes no sense", { cause: error }),
      );
    }
    this.#changes.notify();
  }

  #takeChannel({ seq, data }: Event): void {
    const after = readChannel(data);
    demandSameChannel(this.id, this.escrow, after);
    const name = readText(data, "name");
    this.#books.channel(name, readAmount(data, "amount"), after, seq);
    this.#status = after.status;
    if (name === "refund_failed") this.#refunds.failed();
  }

  // --- paying -----------------------------------------------------------------------------------------------------

  async #request(
    kind: Kind,
    amount: bigint,
    { id, model, app, units, requestHash, timeoutMs, signal }: Inference,
  ): Promise<Payment> {
    this.#demandUsable();
    if (id !== undefined && !kInferenceId.test(id))
      throw new MillraceError("invalid_params", "an inference id is 1 to 64 of A-Z a-z 0-9 . _ : -", {
        field: "id",
      });
    const inference = { id: id ?? randomInferenceId(), model, app, units, requestHash };
    const content = JSON.stringify([kind, String(amount), inference]);
    let request = this.#requests.get(inference.id);
    if (request && request.content !== content)
      throw new MillraceError("idempotency_conflict", `${inference.id} was used for something else`, {
        field: "id",
      });
    if (!request) {
      this.#context.spending.checkPayment(amount);
      const mayRepeat = id !== undefined;
      request = {
        kind,
        amount,
        inference,
        content,
        mayRepeat,
        voucher: undefined,
        isDecided: false,
        isSent: false,
        isToppedUp: false,
        answer: deferred(),
      };
      this.#requests.add(request);
      this.#queue.push(request);
      void this.#drain();
    }
    try {
      return await within(request.answer.promise, `payment.${kind}`, {
        timeoutMs: timeoutMs ?? this.#context.timeoutMs,
        signal,
      });
    } catch (error) {
      // What is not on its way to be signed yet is not signed any more.
      if (!request.isDecided) this.#requests.refuse(request, error);
      throw error;
    }
  }

  /** Signs and sends what waits, in its order: vouchers are cumulative, so that none may overtake another. */
  async #drain(): Promise<void> {
    if (this.#isDraining) return;
    this.#isDraining = true;
    try {
      while (this.#queue.length > 0) await this.#drainSome(this.#queue.splice(0, kBatch));
    } finally {
      this.#isDraining = false;
    }
  }

  async #drainSome(batch: Request[]): Promise<void> {
    try {
      const { vouchers, beyond } = await this.#decide(batch);
      if (beyond.length > 0) void this.#fill(beyond);
      if (vouchers.size === 0) return;
      await saveChannel(this.#context.storage, this.#record);
      await Promise.all([...vouchers].map(([request, amount]) => this.#sign(request, amount)));
      if (this.#halted) throw this.#halted;
      for (const request of vouchers.keys()) if (request.voucher) this.#send(request);
    } catch (error) {
      for (const request of batch) {
        if (request.isSent) continue;
        this.#books.drop(request.inference.id);
        this.#refuse(request, error);
      }
    }
  }

  /**
   * The vouchers of the requests that fit into balance and caps; the others are refused, or are beyond the
   * balance and wait for a top-up. Nothing is signed yet.
   */
  #decide(batch: Request[]): Promise<{ vouchers: Map<Request, bigint>; beyond: Request[] }> {
    return this.#context.spending.update(this.#asset, (account) => {
      if (this.#halted) throw this.#halted;
      const vouchers = new Map<Request, bigint>();
      const beyond: Request[] = [];
      for (const request of batch) {
        const { id } = request.inference;
        if (!this.#requests.has(request)) continue;
        const voucher = this.#books.promised + request.amount;
        if (voucher > this.#books.available) {
          if (this.#topUpPolicy && !request.isToppedUp) beyond.push(request);
          else this.#refuse(request, this.#beyondBalance(voucher));
          continue;
        }
        try {
          if (voucher > this.#record.signed) account.sign(voucher - this.#record.signed);
        } catch (error) {
          this.#refuse(request, error);
          continue;
        }
        this.#record.signed = larger(this.#record.signed, voucher);
        this.#books.ask(id, request.kind, request.amount, voucher, request.mayRepeat);
        request.isDecided = true;
        vouchers.set(request, voucher);
      }
      return { vouchers, beyond };
    });
  }

  #beyondBalance(voucher: bigint): BalanceExceeded {
    const { available } = this.#books;
    return new BalanceExceeded(
      available,
      `the channel holds ${available}, and ${voucher} would be promised with this; top it up`,
    );
  }

  /** Tops up what the requests lack, and lets them try again. Others go on meanwhile. */
  async #fill(requests: Request[]): Promise<void> {
    try {
      await this.#deposits.take(async () => {
        const missing =
          this.#books.promised + sum(requests.map(({ amount }) => amount)) - this.#books.available;
        if (missing > 0n) await this.#deposit(larger(this.#topUpPolicy?.amount ?? 0n, missing));
      });
      for (const request of requests) request.isToppedUp = true;
      this.#queue.push(...requests);
      void this.#drain();
    } catch (error) {
      for (const request of requests) this.#refuse(request, error);
    }
  }

  async #sign(request: Request, amount: bigint): Promise<void> {
    const best = this.#best;
    const covers =
      best && best.maxClaimableAmount >= amount && best.maxClaimableAmount <= this.#books.available;
    try {
      const { signer } = this.#context;
      const voucher = covers ? best : await signVoucher(signer, this.escrow, this.id, amount);
      this.#books.signed(voucher.maxClaimableAmount);
      request.voucher = voucher;
      if (!this.#best || voucher.maxClaimableAmount > this.#best.maxClaimableAmount) this.#best = voucher;
    } catch (error) {
      this.#books.drop(request.inference.id);
      this.#refuse(request, error);
    }
  }

  #send(request: Request): void {
    const { kind, amount, inference, answer } = request;
    request.isSent = true;
    const named = kind === "pay" ? { amount: String(amount) } : { maxAmount: String(amount) };
    let isFirst = true;
    const params = () => {
      // When it is sent again, others may have gone before it.
      const voucher = isFirst ? request.voucher : this.#covering(request);
      isFirst = false;
      return { channelId: this.id, inference, ...named, voucher: voucher && wireVoucher(voucher) };
    };
    this.#context.session.call(`payment.${kind}`, params).then(
      (result) => {
        try {
          answer.resolve(this.#answered(request, result));
        } catch (error) {
          this.#halt(error as Error);
          answer.reject(error);
        }
        this.#changes.notify();
      },
      (error: unknown) => {
        try {
          this.#books.drop(inference.id);
          this.#refuse(request, error);
        } catch (mismatch) {
          this.#halt(mismatch as Error);
          answer.reject(mismatch);
        }
        this.#changes.notify();
      },
    );
  }

  #covering({ voucher }: Request): Voucher | undefined {
    const best = this.#best;
    if (!best || !voucher || best.maxClaimableAmount > this.#books.available) return voucher;
    return best.maxClaimableAmount > voucher.maxClaimableAmount ? best : voucher;
  }

  #answered(request: Request, result: unknown): Payment {
    if (this.#halted) throw this.#halted;
    const payment = readPayment(result);
    if (payment.channelId !== this.id)
      throw new ServerMismatch("channelId", `${payment.channelId} answers for ${this.id}`);
    const isNew = this.#books.answer(request.inference.id, payment);
    if (isNew) this.#proofs.opened(request.kind, payment);
    if (!isNew && request.kind === "authorize" && !this.#books.isOpen(payment.inferenceId))
      this.#requests
        .settled(payment.inferenceId)
        .reject(
          new MillraceError(
            "reservation_unknown",
            `${payment.inferenceId} is settled since long; ask for its payments`,
          ),
        );
    return payment;
  }

  #refuse(request: Request, error: unknown): void {
    this.#requests.refuse(request, error);
    this.#changes.notify();
  }

  // --- money in and out -------------------------------------------------------------------------------------------

  async #deposit(amount: bigint): Promise<void> {
    this.#demandUsable();
    await this.#guardedAsync(() => this.#money.make(amount));
  }

  /** What an earlier life of this client has begun. */
  async finishDeposit(): Promise<void> {
    await this.#guardedAsync(() => this.#money.finish());
  }

  // --- state ------------------------------------------------------------------------------------------------------

  get #asset(): Asset {
    return { network: this.escrow.network, token: this.config.token };
  }

  #demandUsable(): void {
    if (this.#halted) throw this.#halted;
    if (this.#isClosed) throw new MillraceError("channel_not_open", "close was called");
    if (this.#status === "closing") throw new MillraceError("channel_closing", "a withdrawal is under way");
    if (this.#status === "closed") throw new MillraceError("channel_not_open", "the channel is closed");
  }

  async #found(patience: Patience): Promise<{ state: ChannelState; seq: bigint }> {
    const result = readMembers(
      await this.#context.session.call(
        "channel.get",
        { channelId: this.id },
        { timeoutMs: this.#context.timeoutMs, ...patience },
      ),
      "channel",
    );
    try {
      const state = readChannel(result);
      demandSameChannel(this.id, this.escrow, state);
      await demandOwnVoucher(state);
      return { state, seq: readAmount(result, "seq") };
    } catch (error) {
      throw this.#halt(error as Error);
    }
  }

  async #guardedAsync<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw this.#halt(error as Error);
    }
  }

  #guarded<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw this.#halt(error as Error);
    }
  }

  /** From now on nothing is signed. */
  #halt(error: Error): Error {
    if (!(error instanceof ServerMismatch)) return error;
    this.#halted ??= error;
    for (const request of this.#queue.splice(0)) this.#requests.refuse(request, this.#halted);
    this.#requests.rejectSettlements(this.#halted);
    this.#proofs.stop();
    this.#changes.notify();
    return error;
  }

  /** When everything that was asked for is answered and in the ledger. */
  #idle(): Promise<void> {
    return this.#changes.until(() => this.#books.isIdle && this.#queue.length === 0 && !this.#isDraining);
  }
}
