/** The client of one account at one Millrace service. */
import { findWebSocket } from "#websocket";
import type { Account } from "./account.js";
import { checkAmount, larger } from "./amounts.js";
import { Channel } from "./channel.js";
import { demandOwnVoucher, demandSameChannel } from "./channel_checks.js";
import { type ChannelRecord, loadChannel, loadChannels, saveChannel } from "./channel_record.js";
import { type ChannelState, readChannel } from "./channel_state.js";
import { unreachable, type WebSocketClass } from "./connection.js";
import { signDeposit, type TransferMethod } from "./deposit.js";
import { MillraceError, ServerMismatch } from "./errors.js";
import type { TopUpPolicy } from "./inference.js";
import { Log } from "./log/log.js";
import type { PayerContext } from "./payer_context.js";
import { Provider } from "./provider.js";
import { randomHash } from "./random.js";
import { type Hex, isSameAddress, readAmount, readHash, readMembers } from "./reading.js";
import type { Network, ServerInfo, Token } from "./server_info.js";
import { Session } from "./session.js";
import { Spending, type SpendingCap } from "./spending.js";
import { MemoryStorage, type Storage } from "./storage.js";
import type { Event } from "./subscription.js";
import { channelIdOf, type ChannelConfig, kEscrow, voucherSignerOf } from "./typed_data.js";
import { type Patience, sleep, Turns, within } from "./waiting.js";
import type { ChainReader } from "./withdraw.js";
import type { PaidStream } from "./x402/paid_stream.js";
import { type PaidRequestOptions, ResourcePayer } from "./x402/resource_payer.js";
import type { Settlement } from "./x402/resource_channel.js";

export interface MillraceOptions {
  /** Of the stream: wss://millrace.example/v1/stream. */
  url: string;
  account: Account;
  /** Signs vouchers in place of the account, such as a key that needs no confirmation. */
  voucherAccount?: Account;
  /** Checked before each signature. Without one, nothing but deposits limits what is paid. */
  spendingCap?: SpendingCap;
  /** So that caps and checks hold over a restart; by default they end with the process. */
  storage?: Storage;
  /** Of a service behind another name: what its logins are for. By default the URL's host. */
  domain?: string;
  /** The escrow, where it is not the canonical one. */
  contract?: Hex;
  /**
   * Which payments are proven to be in the service's transparency log, where it keeps one: all, none, or the first of a
   * channel and each one that is so many later (100). A proof that does not hold halts the channel.
   */
  verifyProofs?: boolean | number;
  /** The log's key as its operator publishes it; by default what the service says first, which it is held to. */
  logKey?: string;
  /** Chains that x402 payments may look at. */
  clients?: readonly ChainReader[];
  WebSocket?: WebSocketClass;
  fetch?: typeof globalThis.fetch;
  /** How long answers are waited for, unless a call says otherwise. */
  timeoutMs?: number;
  connectTimeoutMs?: number;
  heartbeatMs?: number;
}

export interface OpenOptions extends Patience {
  /** Who is paid. */
  receiver: Hex;
  /** How much to put into the channel. Without one it has to be funded on chain already. */
  deposit?: bigint;
  /** Has to be given where the service takes several. */
  token?: Hex;
  network?: string;
  app?: string;
  /** Seconds that unspent money takes to come back without the service; by default the least that it takes. */
  withdrawDelay?: number;
  /** Claims for the receiver; by default the service. */
  receiverAuthorizer?: Hex;
  method?: TransferMethod;
  topUp?: TopUpPolicy;
  salt?: Hex;
}

export interface ResumeOptions extends Patience {
  topUp?: TopUpPolicy;
  method?: TransferMethod;
}

const kTimeoutMs = 30_000;
const kOpenTimeoutMs = 120_000;
const kConnectTimeoutMs = 15_000;
const kHeartbeatMs = 20_000;
const kDepositSeconds = 3600;
const kProveEvery = 100;
const kPollFirstMs = 50;
const kPollLongestMs = 1_000;

export class Millrace {
  readonly #options: MillraceOptions;
  readonly #session: Session;
  readonly #context: PayerContext;
  readonly #listeners = new Map<Hex, (event: Event) => void>();
  readonly #channels = new Map<Hex, Promise<Channel>>();
  readonly #openings = new Turns();
  #listening: Promise<unknown> | undefined;
  #payer: ResourcePayer | undefined;

  private constructor(
    options: MillraceOptions,
    session: Session,
    storage: Storage,
    spending: Spending,
    proveEvery: number,
  ) {
    this.#options = options;
    this.#session = session;
    const { account, voucherAccount, timeoutMs = kTimeoutMs } = options;
    const fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
    this.#context = {
      session,
      account,
      signer: voucherAccount ?? account,
      spending,
      storage,
      log: new Log({
        origin: originOf(options.url),
        token: () => session.token,
        storage,
        fetch,
        key: options.logKey,
      }),
      proveEvery,
      timeoutMs,
    };
  }

  /** Connects and logs in. From then on the connection is kept until `close`. */
  static async connect(options: MillraceOptions): Promise<Millrace> {
    const { url, account, domain, contract = kEscrow, storage = new MemoryStorage() } = options;
    const spending = new Spending(options.spendingCap ?? {}, storage, account.address);
    const proveEvery = proveEveryOf(options.verifyProofs);
    const session = await Session.open({
      url,
      account,
      domain: domain ?? hostOf(url),
      contract,
      WebSocket: options.WebSocket ?? (await findWebSocket()),
      connectTimeoutMs: options.connectTimeoutMs ?? kConnectTimeoutMs,
      heartbeatMs: options.heartbeatMs ?? kHeartbeatMs,
    });
    return new Millrace(options, session, storage, spending, proveEvery);
  }

  get address(): Hex {
    return this.#context.account.address;
  }

  /** What the service says of itself. */
  get info(): ServerInfo {
    return this.#session.info;
  }

  /** Opens a new channel by a gasless deposit; resolves when it can be paid from. */
  async openChannel(options: OpenOptions): Promise<Channel> {
    const { timeoutMs = kOpenTimeoutMs, signal } = options;
    return within(this.#open(options), "openChannel", { timeoutMs, signal });
  }

  /** The channel to this receiver that the storage knows, if it is open; else a new one. */
  async channel(options: OpenOptions): Promise<Channel> {
    const { timeoutMs = kOpenTimeoutMs, signal } = options;
    return within(
      this.#openings.take(() => this.#known(options)),
      "channel",
      { timeoutMs, signal },
    );
  }

  /** Goes on with a channel that was opened before, with or without anything remembered of it. */
  async resumeChannel(channelId: Hex, options: ResumeOptions = {}): Promise<Channel> {
    const { timeoutMs = kOpenTimeoutMs, signal } = options;
    const id = channelId.toLowerCase() as Hex;
    return within(this.#resume(id, options), "resumeChannel", { timeoutMs, signal });
  }

  /** What the storage knows of channels, also of those that cannot be reached: enough to withdraw from them. */
  async storedChannels(): Promise<ChannelRecord[]> {
    const records = await loadChannels(this.#context.storage);
    return records.filter(({ config }) => isSameAddress(config.payer, this.address));
  }

  /** The receiving side of this account. */
  provider(): Provider {
    return new Provider(this.#session, this.#context.storage, this.address, this.#context.timeoutMs);
  }

  /** As the global fetch, for resources that are paid by x402: see `ResourcePayer.fetch`. In the tokens of this service. */
  fetch(input: string | URL | Request, init?: RequestInit, options?: PaidRequestOptions): Promise<Response> {
    return this.resources.fetch(input, init, options);
  }

  /** A stream of server-sent events that is paid by x402. */
  stream(
    input: string | URL | Request,
    init?: RequestInit,
    options?: PaidRequestOptions,
  ): Promise<PaidStream> {
    return this.resources.stream(input, init, options);
  }

  /** What a response of `fetch` came to. */
  settlement(response: Response): Promise<Settlement | undefined> {
    return this.resources.settlement(response);
  }

  /** Pays x402 resources under the same spending cap. */
  get resources(): ResourcePayer {
    const { account, voucherAccount, clients, contract, fetch } = this.#options;
    this.#payer ??= new ResourcePayer(
      {
        account,
        storage: this.#context.storage,
        tokens: this.info.networks.flatMap(({ network, tokens }) =>
          tokens.map(({ address }) => ({ network, address })),
        ),
        ...(voucherAccount && { voucherAccount }),
        ...(clients && { clients }),
        ...(contract && { contract }),
        ...(fetch && { fetch }),
      },
      this.#context.spending,
    );
    return this.#payer;
  }

  /** Ends the connection. What is unanswered is rejected; what was signed is remembered. */
  close(): void {
    this.#session.close();
  }

  // --- opening ----------------------------------------------------------------------------------------------------

  async #open(options: OpenOptions): Promise<Channel> {
    const { network, token } = this.#terms(options);
    const config: ChannelConfig = {
      payer: this.address,
      payerAuthorizer: this.#context.signer.address,
      receiver: options.receiver,
      receiverAuthorizer: options.receiverAuthorizer ?? network.receiverAuthorizer,
      token: token.address,
      withdrawDelay: options.withdrawDelay ?? network.withdrawDelay.min,
      salt: options.salt ?? randomHash(),
    };
    const escrow = { network: network.network, contract: network.contract };
    const channelId = channelIdOf(escrow, config);
    const record: ChannelRecord = { channelId, escrow, config, signed: 0n, deposit: undefined };
    if (options.deposit !== undefined)
      await this.#signOpening(record, token, checkAmount(options.deposit, "deposit"), options.method);
    else await saveChannel(this.#context.storage, record);
    return this.#enter(
      channelId,
      async () => {
        await this.#askToOpen(record, options.app);
        return record;
      },
      options,
    );
  }

  async #signOpening(
    record: ChannelRecord,
    token: Token,
    amount: bigint,
    method: TransferMethod | undefined,
  ): Promise<void> {
    const { spending, account, storage } = this.#context;
    const {
      channelId,
      escrow: { network },
    } = record;
    await spending.update({ network, token: token.address }, (one) => one.deposit(amount));
    const validBefore = Math.floor(Date.now() / 1000) + kDepositSeconds;
    const deposit = await signDeposit(account, {
      network,
      token,
      channelId,
      amount,
      validBefore,
      method: method ?? preferredOf(token),
    });
    record.deposit = { deposit, validBefore, balanceBefore: 0n };
    await saveChannel(storage, record);
  }

  async #askToOpen({ channelId, escrow, config, deposit }: ChannelRecord, app?: string): Promise<void> {
    const result = readMembers(
      await this.#session.call("channel.open", {
        network: escrow.network,
        channelConfig: config,
        app,
        deposit: deposit?.deposit,
      }),
      "channel.open",
    );
    if (readHash(result, "channelId") !== channelId)
      throw new ServerMismatch(
        "channelId",
        `the service opened ${String(result.channelId)}, the configuration is ${channelId}`,
      );
  }

  async #known(options: OpenOptions): Promise<Channel> {
    const { network, token } = this.#terms(options);
    for (const { channelId, escrow, config } of await this.storedChannels()) {
      const isMeant =
        isSameAddress(config.receiver, options.receiver) &&
        escrow.network === network.network &&
        isSameAddress(config.token, token.address) &&
        isSameAddress(voucherSignerOf(config), this.#context.signer.address);
      if (!isMeant) continue;
      const channel = await this.#resume(channelId, options).catch((error: unknown) => {
        if (error instanceof MillraceError && error.reason === "channel_unknown") return undefined;
        throw error;
      });
      if (channel?.status === "open") return channel;
    }
    return this.#open(options);
  }

  #resume(channelId: Hex, options: ResumeOptions): Promise<Channel> {
    return this.#enter(
      channelId,
      async () => {
        const record = await loadChannel(this.#context.storage, channelId);
        // Where it ended before the service was asked, the same deposit is sent now.
        if (record?.deposit && record.deposit.balanceBefore === 0n && !(await this.#isThere(channelId)))
          await this.#askToOpen(record);
        return record;
      },
      options,
    );
  }

  async #isThere(channelId: Hex): Promise<boolean> {
    try {
      await this.#session.call("channel.get", { channelId });
      return true;
    } catch (error) {
      if (error instanceof MillraceError && error.reason === "channel_unknown") return false;
      throw error;
    }
  }

  /** One object for each channel: its books are kept in it alone. */
  #enter(
    channelId: Hex,
    begin: () => Promise<ChannelRecord | undefined>,
    options: ResumeOptions,
  ): Promise<Channel> {
    const known = this.#channels.get(channelId);
    if (known) return known;
    const entered = this.#adopt(channelId, begin, options);
    this.#channels.set(channelId, entered);
    entered.catch(() => {
      this.#channels.delete(channelId);
      this.#listeners.delete(channelId);
    });
    return entered;
  }

  async #adopt(
    channelId: Hex,
    begin: () => Promise<ChannelRecord | undefined>,
    options: ResumeOptions,
  ): Promise<Channel> {
    this.#listening ??= this.#session.subscribe(["payment", "channel"], (event) => this.#dispatch(event));
    await this.#listening;
    const early: Event[] = [];
    this.#listeners.set(channelId, (event) => early.push(event));
    const stored = await begin();
    const { state, seq } = await this.#whenOpen(channelId);
    const token = await this.#checkAdoption(channelId, state);
    const record = await this.#adoptRecord(stored, state);
    const { topUp, method = preferredOf(token) } = options;
    const channel = new Channel(this.#context, record, token, state, seq, { topUp, method });
    for (const event of early) channel.take(event);
    this.#listeners.set(channelId, (event) => channel.take(event));
    await channel.finishDeposit();
    return channel;
  }

  async #whenOpen(channelId: Hex): Promise<{ state: ChannelState; seq: bigint }> {
    for (let wait = kPollFirstMs; ; wait = Math.min(2 * wait, kPollLongestMs)) {
      const found = readMembers(await this.#session.call("channel.get", { channelId }), "channel");
      const state = readChannel(found);
      if (state.status !== "pending") return { state, seq: readAmount(found, "seq") };
      await sleep(wait);
    }
  }

  /** The channel is this account's, on the known escrow, and its voucher signed by this account. */
  async #checkAdoption(channelId: Hex, state: ChannelState): Promise<Token> {
    const { config, escrow } = state;
    const network = this.info.networks.find((one) => one.network === escrow.network);
    if (!network || !isSameAddress(network.contract, escrow.contract))
      throw new ServerMismatch("contract", `${escrow.contract} on ${escrow.network} is not the known escrow`);
    demandSameChannel(channelId, escrow, state);
    if (
      !isSameAddress(config.payer, this.address) ||
      !isSameAddress(voucherSignerOf(config), this.#context.signer.address)
    )
      throw new MillraceError(
        "forbidden",
        `channel ${channelId} is paid by ${config.payer}, with vouchers of ${voucherSignerOf(config)}`,
        { field: "channelId" },
      );
    await demandOwnVoucher(state);
    const token = network.tokens.find(({ address }) => isSameAddress(address, config.token));
    if (!token)
      throw new MillraceError("invalid_params", `the service does not take ${config.token} any more`, {
        field: "token",
      });
    return token;
  }

  /** What a voucher proves is counted, also where nothing is remembered of it. */
  async #adoptRecord(
    stored: ChannelRecord | undefined,
    { channelId, escrow, config, charged, signedMax }: ChannelState,
  ): Promise<ChannelRecord> {
    const { spending, storage } = this.#context;
    const record = stored ?? { channelId, escrow, config, signed: charged, deposit: undefined };
    const signed = larger(record.signed, signedMax);
    if (signed > record.signed || !stored) {
      await spending.update({ network: escrow.network, token: config.token }, (account) =>
        account.adopt(signed - record.signed),
      );
      record.signed = signed;
      await saveChannel(storage, record);
    }
    return record;
  }

  #terms({ network: name, token: address }: OpenOptions): { network: Network; token: Token } {
    const { networks } = this.info;
    const network =
      name === undefined && networks.length === 1
        ? networks[0]
        : networks.find((one) => one.network === name);
    if (!network)
      throw new TypeError(`network has to be one of ${networks.map((one) => one.network).join(", ")}`);
    const { tokens } = network;
    const token =
      address === undefined && tokens.length === 1
        ? tokens[0]
        : tokens.find((one) => isSameAddress(one.address, address ?? ""));
    if (!token)
      throw new TypeError(
        `token has to be one of ${tokens.map((one) => `${one.address} (${one.symbol})`).join(", ")}`,
      );
    return { network, token };
  }

  #dispatch(event: Event): void {
    const { channelId } = event.data;
    if (typeof channelId === "string") this.#listeners.get(channelId.toLowerCase() as Hex)?.(event);
  }
}

const preferredOf = ({ assetTransferMethods }: Token): TransferMethod => assetTransferMethods[0] ?? "eip3009";

function proveEveryOf(option: boolean | number = kProveEvery): number {
  const every = Number(option);
  if (!Number.isSafeInteger(every) || every < 0)
    throw new TypeError("verifyProofs has to be true, false, or of how many payments one is proven");
  return every;
}

function hostOf(url: string): string {
  try {
    return new URL(url).host;
  } catch (error) {
    throw unreachable(url, "this is no URL", error);
  }
}

/** Of REST, from the URL of the stream. */
function originOf(url: string): string {
  const { protocol, host } = new URL(url);
  return `${protocol === "wss:" ? "https:" : "http:"}//${host}`;
}
