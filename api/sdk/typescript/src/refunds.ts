/** Unspent money back, together with the service: for a voucher over exactly what is charged. */
import type { Books } from "./books.js";
import type { Changes } from "./changes.js";
import { MillraceError, ServerMismatch } from "./errors.js";
import type { PayerContext } from "./payer_context.js";
import { type Hex, readAmount, readHash, readMembers } from "./reading.js";
import { type Escrow, signVoucher, type Voucher, wireVoucher } from "./typed_data.js";
import { sleep } from "./waiting.js";

export interface Refund {
  amount: bigint;
  transaction: Hex;
}

export interface RefundSource {
  context: PayerContext;
  channelId: Hex;
  escrow: Escrow;
  books: Books;
  changes: Changes;
  /** The highest voucher that is at hand. */
  best: () => Voucher | undefined;
  /** When nothing is in flight. */
  idle: () => Promise<void>;
}

const kMismatch = "invalid_batch_settlement_evm_cumulative_amount_mismatch";
const kAttempts = 5;
const kAskAgainMs = 50;

export class Refunds {
  readonly #source: RefundSource;
  #failed = 0;

  constructor(source: RefundSource) {
    this.#source = source;
  }

  /** The service said that one was not carried out. */
  failed(): void {
    this.#failed += 1;
  }

  /** Resolves when the chain has confirmed it. Without an amount: all that is neither charged nor reserved. */
  async make(amount: bigint | undefined): Promise<Refund> {
    for (let attempt = 1; ; attempt += 1) {
      await this.#source.idle();
      try {
        return await this.#ask(amount);
      } catch (error) {
        // The provider charged meanwhile; its event is on its way.
        const isBehind = error instanceof MillraceError && error.reason === kMismatch;
        if (!isBehind || attempt === kAttempts) throw error;
        await sleep(attempt * kAskAgainMs);
      }
    }
  }

  async #ask(amount: bigint | undefined): Promise<Refund> {
    const { context, channelId, books, changes } = this.#source;
    const { charged, balance } = books;
    const failed = this.#failed;
    const voucher = wireVoucher(await this.#voucher(charged));
    const params = { channelId, voucher, ...(amount === undefined ? {} : { amount: String(amount) }) };
    const result = readMembers(await context.session.call("channel.refund", params), "channel.refund");
    const refunded = readAmount(result, "amount");
    if (readHash(result, "channelId") !== channelId)
      throw new ServerMismatch("channelId", "the answer is for another channel");
    if (amount === undefined ? refunded > balance - charged : refunded !== amount)
      throw new ServerMismatch("amount", `${refunded} is refunded of ${amount ?? balance - charged}`);
    await changes.until(() => books.balance !== balance || this.#failed !== failed);
    if (books.balance === balance)
      throw new MillraceError(
        "refund_failed",
        "it was not carried out, and the money is in the channel; ask again",
      );
    return { amount: refunded, transaction: readHash(result, "transaction") };
  }

  /** What is charged is covered by what was signed before: nothing new is promised. */
  async #voucher(charged: bigint): Promise<Voucher> {
    const { context, channelId, escrow, books, best } = this.#source;
    const newest = best();
    if (newest?.maxClaimableAmount === charged) return newest;
    const voucher = await signVoucher(context.signer, escrow, channelId, charged);
    books.signed(charged);
    return voucher;
  }
}
