/** The deposits of a channel: one at a time, each remembered before it leaves and until it has arrived. */
import type { Books } from "./books.js";
import type { Changes } from "./changes.js";
import { type ChannelRecord, saveChannel } from "./channel_record.js";
import { signDeposit, type TransferMethod } from "./deposit.js";
import { ServerMismatch } from "./errors.js";
import type { PayerContext } from "./payer_context.js";
import { readHash, readMembers } from "./reading.js";
import type { Token } from "./server_info.js";

const kDepositSeconds = 3600;

export interface DepositTarget {
  context: PayerContext;
  record: ChannelRecord;
  token: Token;
  method: TransferMethod;
  books: Books;
  changes: Changes;
}

const nowSeconds = (): number => Math.floor(Date.now() / 1000);

export class Deposits {
  readonly #target: DepositTarget;

  constructor(target: DepositTarget) {
    this.#target = target;
  }

  /** Resolves when it can be paid from. */
  async make(amount: bigint): Promise<void> {
    const { context, record, token, method, books } = this.#target;
    await this.finish();
    const { network } = record.escrow;
    await context.spending.update({ network, token: token.address }, (account) => account.deposit(amount));
    const validBefore = nowSeconds() + kDepositSeconds;
    const { channelId } = record;
    const deposit = await signDeposit(context.account, {
      network,
      token,
      channelId,
      amount,
      validBefore,
      method,
    });
    record.deposit = { deposit, validBefore, balanceBefore: books.balance };
    await saveChannel(context.storage, record);
    await this.#relay();
  }

  /** One that was signed before is the same deposit when it is sent again; one that has ended is none. */
  async finish(): Promise<void> {
    const { context, record, token, books } = this.#target;
    const pending = record.deposit;
    if (!pending) return;
    const amount = BigInt(pending.deposit.amount);
    if (books.balance >= pending.balanceBefore + amount) return this.#isDone();
    if (nowSeconds() <= pending.validBefore) return this.#relay();
    books.expectDeposit(0n);
    const asset = { network: record.escrow.network, token: token.address };
    await context.spending.update(asset, (account) => account.takeBack(amount));
    await this.#isDone();
  }

  async #relay(): Promise<void> {
    const { context, record, books, changes } = this.#target;
    const pending = record.deposit;
    if (!pending) return;
    const amount = BigInt(pending.deposit.amount);
    books.expectDeposit(amount);
    const params = { channelId: record.channelId, deposit: pending.deposit };
    const result = readMembers(await context.session.call("channel.topUp", params), "channel.topUp");
    if (readHash(result, "channelId") !== record.channelId)
      throw new ServerMismatch("channelId", "the answer is for another channel");
    await changes.until(() => books.balance >= pending.balanceBefore + amount);
    await this.#isDone();
  }

  async #isDone(): Promise<void> {
    const { context, record } = this.#target;
    record.deposit = undefined;
    await saveChannel(context.storage, record);
  }
}
