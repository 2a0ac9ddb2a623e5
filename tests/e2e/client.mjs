import { randomBytes } from "node:crypto";
import { recoverAddress } from "viem";
import { channelIdOf, kZeroAddress, signDeposit, signVoucher, voucherDigest } from "./chain.mjs";
import { Connection } from "./connection.mjs";

const kHexSalt = () => `0x${randomBytes(32).toString("hex")}`;
const kPollMilliseconds = 50;

export const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

/** Asks until the answer will do; the last answer is in the error when it never does. */
export async function until(ask, suits, { what, milliseconds = 30_000 }) {
  const deadline = Date.now() + milliseconds;
  for (;;) {
    const answer = await ask();
    if (suits(answer)) return answer;
    if (Date.now() > deadline) throw new Error(`${what}: still ${JSON.stringify(answer)}`);
    await wait(kPollMilliseconds);
  }
}

/**
 * One party on the stream: a payer, a provider, or both. What a payer has to remember of a channel
 * is in the channel objects that `open` and `resume` give: config, and what was promised so far.
 */
export class Client {
  constructor(connection, account, network) {
    this.connection = connection;
    this.account = account;
    this.network = network;
  }

  /** Connects and logs in by ERC-4361, in the name of another address with its `delegation`. */
  static async login(url, account, { delegation } = {}) {
    const connection = await Connection.open(url);
    const { networks } = await connection.call("server.info");
    const client = new Client(connection, account, networks[0]);
    const { message } = await connection.call("auth.challenge", { address: account.address });
    const signature = await account.signMessage({ message });
    client.session = await connection.call("auth.login", { message, signature, delegation });
    return client;
  }

  /** Connects with the token of an earlier login. */
  static async withToken(url, account, token) {
    const connection = await Connection.open(url, { token });
    const { networks } = await connection.call("server.info");
    return new Client(connection, account, networks[0]);
  }

  call(method, params) {
    return this.connection.call(method, params);
  }

  get token() {
    return this.network.tokens[0];
  }

  configFor(receiver, overrides = {}) {
    return {
      payer: this.account.address,
      payerAuthorizer: kZeroAddress,
      receiver,
      receiverAuthorizer: this.network.receiverAuthorizer,
      token: this.token.address,
      withdrawDelay: this.network.withdrawDelay.min,
      salt: kHexSalt(),
      ...overrides,
    };
  }

  idOf(config) {
    const { network, contract } = this.network;
    return channelIdOf({ network, contract, config });
  }

  deposit(channelId, amount, overrides) {
    const { network } = this.network;
    return signDeposit(this.account, { network, token: this.token, channelId, amount, overrides });
  }

  /** Opens a channel by a gasless deposit and waits until it is open. */
  async open(receiver, { deposit, app, config = this.configFor(receiver) }) {
    const channelId = this.idOf(config);
    const opened = await this.call("channel.open", {
      network: this.network.network,
      channelConfig: config,
      app,
      deposit: await this.deposit(channelId, deposit),
    });
    if (opened.channelId !== channelId)
      throw new Error(`the service says ${opened.channelId}, the configuration ${channelId}`);
    await this.waitForBalance(channelId, deposit);
    return { id: channelId, config, promised: 0n, opened };
  }

  async topUp(channel, amount) {
    const before = await this.get(channel.id);
    const deposit = await this.deposit(channel.id, amount);
    const result = await this.call("channel.topUp", { channelId: channel.id, deposit });
    await this.waitForBalance(channel.id, BigInt(before.balance) + BigInt(amount));
    return result;
  }

  waitForBalance(channelId, balance) {
    return until(
      () => this.get(channelId),
      (channel) => channel.status === "open" && channel.balance === String(balance),
      { what: `waiting for a balance of ${balance}` },
    );
  }

  get(channelId) {
    return this.call("channel.get", { channelId });
  }

  /** All channels of this party, page by page. */
  async list({ limit } = {}) {
    const channels = [];
    let cursor;
    do {
      const page = await this.call("channel.list", { cursor, limit });
      channels.push(...page.channels);
      cursor = page.nextCursor;
    } while (cursor);
    return channels;
  }

  /** For a client that has lost its state: takes it from the service if the signature is its own. */
  async resume(channelId) {
    const found = await this.get(channelId);
    const { network, contract } = this.network;
    if (channelIdOf({ network, contract, config: found.config }) !== channelId)
      throw new Error("the configuration is not this channel's");
    if (found.signedMaxClaimable !== "0") {
      const hash = voucherDigest({
        network,
        contract,
        channelId,
        maxClaimableAmount: found.signedMaxClaimable,
      });
      const signer = await recoverAddress({ hash, signature: found.signature });
      if (signer !== this.account.address) throw new Error(`the voucher is signed by ${signer}`);
    }
    const promised = BigInt(found.chargedCumulativeAmount) + BigInt(found.reservedAmount);
    return { id: channelId, config: found.config, promised, opened: found };
  }

  /** A voucher for exactly `maxClaimableAmount`. */
  async voucher(channelId, maxClaimableAmount) {
    const { network, contract } = this.network;
    const signature = await signVoucher(this.account, {
      network,
      contract,
      channelId,
      maxClaimableAmount,
    });
    return { maxClaimableAmount: String(maxClaimableAmount), signature };
  }

  /** Signs for what is promised so far and `amount` more. */
  async promise(channel, amount) {
    channel.promised += BigInt(amount);
    return this.voucher(channel.id, channel.promised);
  }

  async pay(channel, inference, amount) {
    return this.call("payment.pay", {
      channelId: channel.id,
      inference: { model: "model-a", ...inference },
      amount: String(amount),
      voucher: await this.promise(channel, amount),
    });
  }

  async authorize(channel, inference, maxAmount) {
    return this.call("payment.authorize", {
      channelId: channel.id,
      inference: { model: "model-a", ...inference },
      maxAmount: String(maxAmount),
      voucher: await this.promise(channel, maxAmount),
    });
  }

  /** As a provider: hands in what a payer gave it over HTTP. */
  accept({ channelConfig, voucher, deposit, ...more }, inference, maxAmount) {
    return this.call("payment.accept", {
      channelConfig,
      inference: { model: "model-a", ...inference },
      maxAmount: String(maxAmount),
      voucher,
      deposit,
      ...more,
    });
  }

  charge(channelId, inferenceId, amount, more = {}) {
    return this.call("payment.charge", {
      channelId,
      inferenceId,
      amount: String(amount),
      ...more,
    });
  }

  release(channelId, inferenceId, reason) {
    return this.call("payment.release", { channelId, inferenceId, reason });
  }

  /** Asks for unspent money back; without an amount, for all of it. */
  async refund(channel, amount) {
    const { chargedCumulativeAmount } = await this.get(channel.id);
    return this.call("channel.refund", {
      channelId: channel.id,
      amount: amount === undefined ? undefined : String(amount),
      voucher: await this.voucher(channel.id, chargedCumulativeAmount),
    });
  }

  /** Claims all that is due and waits until the chain has confirmed it. */
  async claim(params = {}) {
    const { claimId } = await this.call("settlement.claim", params);
    const claim = await until(
      () => this.call("settlement.get", { claimId }),
      ({ status }) => status === "confirmed" || status === "failed",
      { what: `claim ${claimId}` },
    );
    if (claim.status !== "confirmed") throw new Error(`the claim failed: ${JSON.stringify(claim)}`);
    return claim;
  }

  /** @returns {Promise<{seq: string, subscription: string}>}; events go to `onEvent` */
  subscribe(params, onEvent) {
    this.connection.onEvent = onEvent;
    return this.call("events.subscribe", params);
  }

  close() {
    return this.connection.close();
  }
}
