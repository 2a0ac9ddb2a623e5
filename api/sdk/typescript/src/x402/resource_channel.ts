/**
 * The payer's own books of a channel to a resource server, by x402's strict rule: one request at a time, each voucher for
 * exactly what is charged and this request. What the server says is held against them.
 */
import type { Account } from "../account.js";
import { larger, smaller } from "../amounts.js";
import { signDeposit } from "../deposit.js";
import { ServerMismatch } from "../errors.js";
import { type Hex, isSameAddress } from "../reading.js";
import type { Asset, Spending } from "../spending.js";
import type { Storage } from "../storage.js";
import {
  type ChannelConfig,
  channelIdOf,
  type Escrow,
  isVoucherOf,
  signVoucher,
  type Voucher,
} from "../typed_data.js";
import { Turns } from "../waiting.js";
import { type ChainReader, readEscrow } from "../withdraw.js";
import { loadResource, type ResourceRecord, saveResource } from "./resource_record.js";
import {
  type Payload,
  type PaymentResponse,
  readToldChannel,
  readToldVoucher,
  type Requirements,
} from "./wire.js";

export interface ResourceContext {
  account: Account;
  signer: Account;
  spending: Spending;
  storage: Storage;
  contract: Hex;
  salt: Hex;
  /** Reads the chain, where the caller gave one. */
  clientOf: (network: string) => ChainReader | undefined;
}

/** What a request came to. */
export interface Settlement {
  channelId: Hex;
  charged: bigint;
  /** All that was ever charged of the channel. */
  chargedInAll: bigint;
  /** What the channel holds, charged or not. */
  balance: bigint;
}

/** Where neither the server nor the caller says how much to deposit. */
const kRequestsPerDeposit = 5n;
/** A deposit that the server wishes for is at most so many requests, unless the caller says otherwise. */
const kRequestsPerDepositMax = 100n;
/** It has to be mined within this. */
const kDepositSecondsMin = 60;
const nowSeconds = (): number => Math.floor(Date.now() / 1000);

export class ResourceChannel {
  readonly config: ChannelConfig;
  readonly escrow: Escrow;
  readonly turns = new Turns();
  readonly #context: ResourceContext;
  readonly #record: ResourceRecord;
  /** What may have been charged before the request at hand. */
  #maybeBefore: bigint;
  /** The deposit that was sent before is taken to have arrived. */
  #hasArrived = false;
  #newest: Voucher | undefined;
  #halted: ServerMismatch | undefined;

  private constructor(
    context: ResourceContext,
    escrow: Escrow,
    config: ChannelConfig,
    record: ResourceRecord,
  ) {
    this.#context = context;
    this.escrow = escrow;
    this.config = config;
    this.#record = record;
    this.#maybeBefore = record.maybeCharged;
  }

  static configFor({ account, signer, salt }: ResourceContext, asked: Requirements): ChannelConfig {
    return {
      payer: account.address,
      payerAuthorizer: signer.address,
      receiver: asked.payTo,
      receiverAuthorizer: asked.receiverAuthorizer,
      token: asked.asset,
      withdrawDelay: asked.withdrawDelay,
      salt,
    };
  }

  static async open(context: ResourceContext, asked: Requirements): Promise<ResourceChannel> {
    const escrow = { network: asked.network, contract: context.contract };
    const config = ResourceChannel.configFor(context, asked);
    const channelId = channelIdOf(escrow, config);
    const stored = await loadResource(context.storage, channelId);
    if (stored) return new ResourceChannel(context, escrow, config, stored);
    const record: ResourceRecord = {
      channelId,
      isKnown: false,
      charged: 0n,
      maybeCharged: 0n,
      balance: 0n,
      signed: 0n,
      base: 0n,
      deposit: undefined,
    };
    const client = context.clientOf(asked.network);
    if (client) {
      // Nothing of it is remembered, but it may be there.
      const { balance, totalClaimed } = await readEscrow(client, { escrow, config });
      record.balance = balance;
      record.charged = record.maybeCharged = record.signed = record.base = totalClaimed;
    }
    return new ResourceChannel(context, escrow, config, record);
  }

  get id(): Hex {
    return this.#record.channelId;
  }
  get charged(): bigint {
    return this.#record.charged;
  }
  get balance(): bigint {
    return this.#record.balance;
  }

  /** Signs for a request, and for a deposit where the channel does not hold enough. Everything is remembered before it leaves. */
  async prepare(
    asked: Requirements,
    { deposit: wished, maxAmount }: { deposit?: bigint | undefined; maxAmount: bigint },
  ): Promise<Payload> {
    if (this.#halted) throw this.#halted;
    const record = this.#record;
    await this.#endDeposit();
    const voucherAmount = record.charged + asked.amount;
    const holds = record.balance + (this.#hasArrived ? this.#pending : 0n);
    const missing = voucherAmount - holds;
    // One that was sent before is sent again: it is the same deposit.
    const sent = missing > 0n && !this.#hasArrived ? record.deposit : undefined;
    const amount = missing > 0n && !sent ? this.#depositFor(asked, missing, wished, maxAmount) : undefined;
    this.#maybeBefore = record.maybeCharged;
    await this.#context.spending.update(this.#asset, (account) => {
      if (amount !== undefined) account.deposit(amount);
      try {
        if (voucherAmount > record.signed) account.sign(voucherAmount - record.signed);
      } catch (error) {
        if (amount !== undefined) account.takeBack(amount);
        throw error;
      }
    });
    record.signed = larger(record.signed, voucherAmount);
    record.maybeCharged = larger(record.maybeCharged, voucherAmount);
    if (amount !== undefined) record.deposit = await this.#signDeposit(asked, amount);
    await saveResource(this.#context.storage, record);
    const voucher = await this.#voucher(voucherAmount);
    const base = { channelConfig: this.config, channelId: this.id, voucher };
    const deposit = amount !== undefined ? record.deposit : sent;
    return deposit ? { ...base, type: "deposit", deposit: deposit.deposit } : { ...base, type: "voucher" };
  }

  /** A deposit that was sent before, and is refused now, may have arrived the first time. */
  takeAsArrived(): boolean {
    if (this.#hasArrived || !this.#record.deposit) return false;
    this.#hasArrived = true;
    return true;
  }

  /**
   * What the server says that the request came to; undefined when it was not charged, or does not say. `isFinal`: nothing more will
   * be charged for it.
   */
  async settle(
    asked: Requirements,
    type: Payload["type"],
    response: PaymentResponse,
    isFinal: boolean,
  ): Promise<Settlement | undefined> {
    const { success, network, chargedAmount, channel } = response;
    if (!success) return undefined;
    const record = this.#record;
    this.#demand(
      network === undefined || network === asked.network,
      "network",
      `${network} for a payment on ${asked.network}`,
    );
    this.#demand(channelIsOr(channel.channelId, this.id), "channelId", `${channel.channelId} for ${this.id}`);
    this.#demand(chargedAmount !== null, "chargedAmount", "it is no amount");
    if (chargedAmount === undefined || chargedAmount === null) return undefined;
    this.#demand(
      chargedAmount <= asked.amount,
      "chargedAmount",
      `${chargedAmount} is charged of at most ${asked.amount}`,
    );
    const charged = record.charged + chargedAmount;
    this.#demand(
      channel.charged === undefined || channel.charged === charged,
      "chargedCumulativeAmount",
      `${channel.charged} after ${chargedAmount}, and ${record.charged} was charged before`,
    );
    const isDeposited =
      this.#hasArrived || type === "deposit" || channel.balance === record.balance + this.#pending;
    const balance = record.balance + (isDeposited ? this.#pending : 0n);
    this.#demand(
      channel.balance === undefined || channel.balance === balance,
      "balance",
      `${channel.balance}, and ${balance} was deposited`,
    );
    const maybeCharged = isFinal ? charged : larger(record.maybeCharged, charged);
    Object.assign(record, { charged, maybeCharged, balance });
    if (isDeposited) record.deposit = undefined;
    this.#hasArrived = false;
    record.isKnown = true;
    await saveResource(this.#context.storage, record);
    return { channelId: this.id, charged: chargedAmount, chargedInAll: charged, balance };
  }

  /**
   * Adopts what a corrective 402 shows, if it is proven by this client's own signature, and possible by what is remembered: the
   * server may know of requests whose answers were lost, but of none that was never signed.
   */
  async correct(told: Requirements): Promise<void> {
    const record = this.#record;
    const channel = readToldChannel(told.extra.channelState);
    const voucher = readToldVoucher(told.extra.voucherState);
    this.#demand(channelIsOr(channel.channelId, this.id), "channelId", `${channel.channelId} for ${this.id}`);
    const client = this.#context.clientOf(this.escrow.network);
    const chain = client && (await readEscrow(client, this));
    const charged = voucher ? channel.charged : chain?.totalClaimed;
    if (charged === undefined)
      throw this.#mismatch(
        "voucherState",
        "the server shows no voucher of this client, and there is no chain to ask (give `clients`)",
      );
    if (voucher)
      await this.#demandOwn({ maxClaimableAmount: voucher.signedMax, signature: voucher.signature }, charged);
    this.#demand(
      !chain || charged >= chain.totalClaimed,
      "chargedCumulativeAmount",
      `${charged}, and more is claimed on the chain`,
    );
    this.#demand(
      !this.#record.isKnown || charged <= this.#maybeBefore,
      "chargedCumulativeAmount",
      `${charged}, and at most ${this.#maybeBefore} can have been charged; has another program, or one with another storage, ` +
        "paid with this key?",
    );
    const balance = this.#adoptableBalance(channel.balance, chain?.balance);
    const signed = larger(record.signed, voucher?.signedMax ?? 0n);
    // What this client's own unanswered requests cannot account for was charged before its time.
    const base = record.isKnown
      ? record.base
      : larger(record.base, charged - (this.#maybeBefore - record.base));
    const more = signed - base - (record.signed - record.base);
    if (more !== 0n) await this.#context.spending.update(this.#asset, (account) => account.adopt(more));
    Object.assign(record, { charged, maybeCharged: charged, balance, signed, base });
    record.isKnown = true;
    await saveResource(this.#context.storage, record);
  }

  /** For exactly what is charged: nothing new is promised. */
  async prepareRefund(amount: bigint | undefined): Promise<Payload> {
    if (this.#halted) throw this.#halted;
    this.#maybeBefore = this.#record.maybeCharged;
    const voucher = await this.#voucher(this.#record.charged);
    return { channelConfig: this.config, channelId: this.id, voucher, type: "refund", amount };
  }

  async refunded(asked: bigint | undefined, { amount, network, channel }: PaymentResponse): Promise<bigint> {
    const record = this.#record;
    const most = record.balance - record.charged;
    this.#demand(
      network === undefined || network === this.escrow.network,
      "network",
      `${network} for a refund on ${this.escrow.network}`,
    );
    this.#demand(channelIsOr(channel.channelId, this.id), "channelId", `${channel.channelId} for ${this.id}`);
    const refund = amount ?? asked ?? most;
    this.#demand(
      asked === undefined ? refund <= most : refund === smaller(asked, most),
      "amount",
      `${refund} is refunded of ${most}`,
    );
    record.balance -= refund;
    await saveResource(this.#context.storage, record);
    return refund;
  }

  /** What was sent and is not known to have arrived. */
  get #pending(): bigint {
    return BigInt(this.#record.deposit?.deposit.amount ?? 0);
  }

  get #asset(): Asset {
    return { network: this.escrow.network, token: this.config.token };
  }

  #depositFor(asked: Requirements, missing: bigint, wished: bigint | undefined, maxAmount: bigint): bigint {
    if (wished !== undefined) return larger(wished, missing);
    const { perDeposit } = this.#context.spending.cap;
    const most = perDeposit ?? maxAmount * kRequestsPerDepositMax;
    return larger(missing, smaller(asked.minDeposit ?? asked.amount * kRequestsPerDeposit, most));
  }

  async #signDeposit(asked: Requirements, amount: bigint): Promise<ResourceRecord["deposit"]> {
    const validBefore = nowSeconds() + Math.max(kDepositSecondsMin, asked.maxTimeoutSeconds);
    const token = { address: asked.asset, name: asked.tokenName, version: asked.tokenVersion };
    const { network, method } = asked;
    const deposit = await signDeposit(this.#context.account, {
      network,
      token,
      channelId: this.id,
      amount,
      validBefore,
      method,
    });
    this.#hasArrived = false;
    return { deposit, validBefore };
  }

  /** A deposit that cannot be carried out any more has arrived, or never will. */
  async #endDeposit(): Promise<void> {
    const { deposit } = this.#record;
    if (!deposit || nowSeconds() <= deposit.validBefore) return;
    const client = this.#context.clientOf(this.escrow.network);
    // Without a look at the chain it stays counted, and is not counted upon.
    if (client) {
      const { balance } = await readEscrow(client, this);
      if (balance < this.#record.balance + BigInt(deposit.deposit.amount))
        await this.#context.spending.update(this.#asset, (account) =>
          account.takeBack(BigInt(deposit.deposit.amount)),
        );
      this.#record.balance = balance;
    }
    this.#record.deposit = undefined;
    this.#hasArrived = false;
    await saveResource(this.#context.storage, this.#record);
  }

  /** The same voucher again is the same signature again. */
  async #voucher(amount: bigint): Promise<Voucher> {
    if (this.#newest?.maxClaimableAmount !== amount)
      this.#newest = await signVoucher(this.#context.signer, this.escrow, this.id, amount);
    return this.#newest;
  }

  async #demandOwn(voucher: Voucher, charged: bigint): Promise<void> {
    const { signer } = this.#context;
    if (!(await isVoucherOf(signer.address, this.escrow, this.id, voucher)))
      throw this.#mismatch(
        "signature",
        `the voucher over ${voucher.maxClaimableAmount} is not signed by this client`,
      );
    this.#demand(
      charged <= voucher.maxClaimableAmount,
      "chargedCumulativeAmount",
      `${charged} is charged, and ${voucher.maxClaimableAmount} signed`,
    );
    this.#demand(
      !this.#record.isKnown || voucher.maxClaimableAmount <= this.#record.signed,
      "signedMaxClaimable",
      `${voucher.maxClaimableAmount}, and at most ${this.#record.signed} was signed`,
    );
  }

  #adoptableBalance(told: bigint | undefined, onChain: bigint | undefined): bigint {
    const { balance } = this.#record;
    const possible = [balance, balance + this.#pending];
    if (onChain !== undefined) {
      this.#demand(
        told === undefined || told === onChain || possible.includes(told),
        "balance",
        `${told}, and ${onChain} on the chain`,
      );
      return onChain;
    }
    if (told === undefined) return balance;
    this.#demand(
      !this.#record.isKnown || possible.includes(told),
      "balance",
      `${told}, and ${balance} is known`,
    );
    if (told === balance + this.#pending) this.#record.deposit = undefined;
    return told;
  }

  #demand(holds: boolean, field: string, message: string): void {
    if (!holds) throw this.#mismatch(field, message);
  }

  /** From now on nothing is signed for this channel. */
  #mismatch(field: string, message: string): ServerMismatch {
    this.#halted ??= new ServerMismatch(field, `${field}: ${message}`);
    return this.#halted;
  }
}

const channelIsOr = (told: string | undefined, id: Hex): boolean =>
  told === undefined || isSameAddress(told, id);
