/** Pays for resources that ask for it by x402 (402 Payment Required), with channels of the batch-settlement scheme. */
import { zeroHash } from "viem";
import type { Account } from "../account.js";
import { checkAmount } from "../amounts.js";
import { MillraceError, SpendingCapExceeded } from "../errors.js";
import { type Hex, isSameAddress } from "../reading.js";
import { Spending, type SpendingCap } from "../spending.js";
import { MemoryStorage, type Storage } from "../storage.js";
import { chainIdOf, channelIdOf, kEscrow } from "../typed_data.js";
import { backoff, type Deferred, deferred, sleep } from "../waiting.js";
import type { ChainReader } from "../withdraw.js";
import { PaidStream } from "./paid_stream.js";
import { ResourceChannel, type ResourceContext, type Settlement } from "./resource_channel.js";
import { EventReader, kPaymentEvent } from "./sse.js";
import {
  kBelowClaimed,
  kChannelBusy,
  kCumulativeMismatch,
  type Payload,
  type PaymentRequired,
  paymentHeader,
  readPaymentRequired,
  readPaymentResponse,
  type Requirements,
} from "./wire.js";

export interface PayableToken {
  network: string;
  address: Hex;
}

export interface ResourcePayerOptions {
  account: Account;
  /** Signs vouchers in place of the account, such as a key that needs no confirmation. */
  voucherAccount?: Account;
  /** What may be paid in: amounts of a server are in base units of a token that it chooses. */
  tokens: readonly PayableToken[];
  spendingCap?: SpendingCap;
  storage?: Storage;
  /** Chains to look at, for channels of which the storage knows nothing. */
  clients?: readonly ChainReader[];
  /** Another salt is another channel to the same server. */
  salt?: Hex;
  /** Seconds that unspent money may take to come back without the server. */
  maxWithdrawDelay?: number;
  contract?: Hex;
  fetch?: typeof globalThis.fetch;
}

export interface PaidRequestOptions {
  /** What this request may cost at most; by default the cap's `perPayment`. */
  maxAmount?: bigint;
  /** How much to deposit when the channel does not hold enough; by default what the server wishes for, within limits. */
  deposit?: bigint;
}

const kMaxWithdrawDelay = 86_400;
const kBusyAttempts = 6;
const kIdleMs = 60_000;

export class ResourcePayer {
  readonly #options: ResourcePayerOptions;
  readonly #context: ResourceContext;
  readonly #fetch: typeof globalThis.fetch;
  readonly #channels = new Map<Hex, Promise<ResourceChannel>>();
  readonly #settlements = new WeakMap<Response, Promise<Settlement | undefined>>();

  /** `spending`: shared with other payers of the same account. */
  constructor(options: ResourcePayerOptions, spending?: Spending) {
    const {
      account,
      voucherAccount,
      spendingCap = {},
      storage = new MemoryStorage(),
      clients = [],
    } = options;
    this.#options = options;
    this.#fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
    this.#context = {
      account,
      signer: voucherAccount ?? account,
      spending: spending ?? new Spending(spendingCap, storage, account.address),
      storage,
      contract: options.contract ?? kEscrow,
      salt: options.salt ?? zeroHash,
      clientOf: (network) => clients.find(({ chain }) => chain?.id === chainIdOf(network)),
    };
  }

  /**
   * As the global fetch; where the server asks to be paid, the request is made again with a payment. Requests to the same server are
   * made one after the other, as the scheme has it. Throws what the server refuses a payment for.
   */
  async fetch(
    input: string | URL | Request,
    init?: RequestInit,
    options: PaidRequestOptions = {},
  ): Promise<Response> {
    const request = new Request(input, init);
    const first = await this.#fetch(request.clone());
    if (first.status !== 402) return first;
    const required = readPaymentRequired(first.headers, await bodyOf(first));
    if (!required)
      throw new MillraceError("payment_refused", `${request.url} asks for a payment, but not by x402 v2`, {
        field: "PAYMENT-REQUIRED",
      });
    const maxAmount = this.#maxAmount(options);
    const asked = this.#choose(required, maxAmount);
    const channel = await this.#channel(asked);
    const response = deferred<Response>();
    // The turn ends when the payment is settled, which for a stream is at its end.
    void channel.turns.take(async () => {
      const settled = deferred<void>();
      try {
        response.resolve(
          await this.#pay(request, required, asked, channel, { ...options, maxAmount }, settled),
        );
      } catch (error) {
        settled.resolve();
        response.reject(error);
      }
      await settled.promise;
    });
    return response.promise;
  }

  /** What a response of `fetch` came to, once it is known: with it, or at the end of its stream. */
  async settlement(response: Response): Promise<Settlement | undefined> {
    return this.#settlements.get(response);
  }

  /** Requests a stream of server-sent events and iterates over it; `settled` is what it came to. */
  async stream(
    input: string | URL | Request,
    init?: RequestInit,
    options: PaidRequestOptions = {},
  ): Promise<PaidStream> {
    const response = await this.fetch(input, init, options);
    return new PaidStream(response, this.settlement(response));
  }

  /** Gets back what the channel to this server holds unspent, or `amount` of it. Gives what comes back. */
  async refund(url: string | URL, { amount }: { amount?: bigint } = {}): Promise<bigint> {
    if (amount !== undefined) checkAmount(amount, "amount");
    const required = await this.#probe(url);
    const asked = this.#acceptable(required)[0];
    if (!asked) throw nothingToPayIn(required, this.#options.tokens);
    const channel = await this.#channel(asked);
    return channel.turns.take(() => this.#refund(url, required, asked, channel, amount));
  }

  async #pay(
    request: Request,
    required: PaymentRequired,
    asked: Requirements,
    channel: ResourceChannel,
    options: { deposit?: bigint | undefined; maxAmount: bigint },
    settled: Deferred<void>,
  ): Promise<Response> {
    let isCorrected = false;
    let whyNoDeposit: MillraceError | undefined;
    for (let busy = 0; ; ) {
      const payload = await channel.prepare(asked, options);
      const paid = request.clone();
      paid.headers.set("PAYMENT-SIGNATURE", paymentHeader(required, asked, payload));
      const response = await this.#fetch(paid);
      if (response.status !== 402) return this.#settle(response, asked, payload, channel, settled);
      const { reason, entry, message } = await refusalOf(response, asked);
      if (isCorrective(reason) && entry && !isCorrected) {
        await channel.correct(entry);
        isCorrected = true;
      } else if (reason === kChannelBusy && busy < kBusyAttempts) {
        await sleep(backoff(busy++, 100, 2_000), request.signal);
      } else {
        const refused = new MillraceError(reason, message, { field: request.url });
        if (payload.type !== "deposit" || !isAboutDeposit(reason) || !channel.takeAsArrived())
          throw whyNoDeposit ?? refused;
        // It may have arrived before; where it has not, this is why.
        whyNoDeposit = refused;
      }
    }
  }

  async #settle(
    response: Response,
    asked: Requirements,
    payload: Payload,
    channel: ResourceChannel,
    settled: Deferred<void>,
  ): Promise<Response> {
    const told = readPaymentResponse(response.headers.get("PAYMENT-RESPONSE") ?? undefined);
    const isStream = isEventStream(response) && response.body !== null;
    const first = told && (await channel.settle(asked, payload.type, told, !isStream));
    if (!isStream || !response.body) {
      this.#settlements.set(response, Promise.resolve(first));
      settled.resolve();
      return response;
    }
    // A stream may say at its end what it came to, beyond what it said at its beginning.
    const rest = { ...asked, amount: asked.amount - (first?.charged ?? 0n) };
    const type = first ? "voucher" : payload.type;
    const outcome = deferred<Settlement | undefined>();
    const body = watched(
      response.body,
      async (text) => {
        const event = text === undefined ? undefined : readPaymentResponse(parsed(text));
        const last = event && (await channel.settle(rest, type, event, true));
        const charged = (first?.charged ?? 0n) + (last?.charged ?? 0n);
        outcome.resolve(last ? { ...last, charged } : charged > 0n ? first : undefined);
      },
      (error) => {
        if (error) outcome.reject(error);
        else outcome.resolve(undefined);
        settled.resolve();
      },
    );
    const { status, statusText, headers } = response;
    const streaming = new Response(body, { status, statusText, headers });
    this.#settlements.set(streaming, outcome.promise);
    return streaming;
  }

  async #refund(
    url: string | URL,
    required: PaymentRequired,
    asked: Requirements,
    channel: ResourceChannel,
    amount: bigint | undefined,
  ): Promise<bigint> {
    for (let isCorrected = false; ; isCorrected = true) {
      const payload = await channel.prepareRefund(amount);
      const headers = { "PAYMENT-SIGNATURE": paymentHeader(required, asked, payload) };
      const response = await this.#fetch(url, { headers });
      const told = readPaymentResponse(response.headers.get("PAYMENT-RESPONSE") ?? undefined);
      if (response.ok && told?.success) return channel.refunded(amount, told);
      const { reason, entry, message } = await refusalOf(response, asked);
      if (!isCorrective(reason) || !entry || isCorrected)
        throw new MillraceError(reason, message, { field: String(url) });
      await channel.correct(entry);
    }
  }

  async #probe(url: string | URL): Promise<PaymentRequired> {
    const response = await this.#fetch(url);
    const required =
      response.status === 402 ? readPaymentRequired(response.headers, await bodyOf(response)) : undefined;
    if (!required)
      throw new MillraceError("payment_refused", `${String(url)} does not ask for a payment by x402 v2`, {
        field: "PAYMENT-REQUIRED",
      });
    return required;
  }

  #maxAmount({ maxAmount }: PaidRequestOptions): bigint {
    const most = maxAmount ?? this.#context.spending.cap.perPayment;
    if (most === undefined)
      throw new TypeError("how much may it cost? give maxAmount, or spendingCap.perPayment");
    return checkAmount(most, "maxAmount");
  }

  /** The cheapest entry in a token that may be paid in. */
  #choose(required: PaymentRequired, maxAmount: bigint): Requirements {
    const [cheapest] = this.#acceptable(required).sort((a, b) =>
      a.amount < b.amount ? -1 : a.amount > b.amount ? 1 : 0,
    );
    if (!cheapest) throw nothingToPayIn(required, this.#options.tokens);
    if (cheapest.amount > maxAmount)
      throw new SpendingCapExceeded(
        "maxAmount",
        maxAmount,
        `the server asks for up to ${cheapest.amount}, and ${maxAmount} may be paid`,
      );
    this.#context.spending.checkPayment(cheapest.amount);
    const longest = this.#options.maxWithdrawDelay ?? kMaxWithdrawDelay;
    if (cheapest.withdrawDelay > longest)
      throw new MillraceError(
        "payment_refused",
        `unspent money could be held for ${cheapest.withdrawDelay} seconds`,
        { field: "withdrawDelay", limit: String(longest) },
      );
    return cheapest;
  }

  #acceptable({ accepts }: PaymentRequired): Requirements[] {
    return accepts.filter(({ network, asset }) =>
      this.#options.tokens.some((token) => token.network === network && isSameAddress(token.address, asset)),
    );
  }

  #channel(asked: Requirements): Promise<ResourceChannel> {
    const escrow = { network: asked.network, contract: this.#context.contract };
    const id = channelIdOf(escrow, ResourceChannel.configFor(this.#context, asked));
    let channel = this.#channels.get(id);
    if (!channel) {
      channel = ResourceChannel.open(this.#context, asked);
      this.#channels.set(id, channel);
      channel.catch(() => this.#channels.delete(id));
    }
    return channel;
  }
}

const isCorrective = (reason: string): boolean => reason === kCumulativeMismatch || reason === kBelowClaimed;
const isAboutDeposit = (reason: string): boolean =>
  /deposit|authorization|permit2|insufficient_balance/.test(reason);
const isEventStream = (response: Response): boolean =>
  response.headers.get("content-type")?.toLowerCase().startsWith("text/event-stream") === true;

function nothingToPayIn({ accepts }: PaymentRequired, tokens: readonly PayableToken[]): MillraceError {
  const asked =
    accepts.map(({ network, asset }) => `${asset} on ${network}`).join(", ") ||
    "nothing of scheme batch-settlement";
  const known = tokens.map(({ network, address }) => `${address} on ${network}`).join(", ");
  return new MillraceError("payment_refused", `the server takes ${asked}; this client pays in ${known}`, {
    field: "accepts",
  });
}

async function bodyOf(response: Response): Promise<unknown> {
  return parsed(await response.text());
}

/** JSON; text that is none stays as it is. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

async function refusalOf(
  response: Response,
  asked: Requirements,
): Promise<{ reason: string; entry: Requirements | undefined; message: string }> {
  const body = await bodyOf(response);
  const required = readPaymentRequired(response.headers, body);
  const settle = readPaymentResponse(response.headers.get("PAYMENT-RESPONSE") ?? undefined);
  const reason = settle?.errorReason ?? required?.error ?? "payment_refused";
  const entry = required?.accepts.find(
    ({ network, asset, payTo }) =>
      network === asked.network && isSameAddress(asset, asked.asset) && isSameAddress(payTo, asked.payTo),
  );
  const meaning = kMeanings.find(([ending]) => reason.endsWith(ending))?.[1];
  const message = `the payment was refused (HTTP ${response.status}): ${meaning ? `${meaning} (${reason})` : reason}`;
  return { reason, entry, message };
}

const kMeanings: readonly (readonly [string, string])[] = [
  ["insufficient_balance", "the payer holds less of the token than the deposit asks for"],
  ["refund_no_balance", "nothing is left to refund"],
];

/**
 * The same stream; what its payment event says is told when it has ended. A reader that stops reading holds up the next payment
 * for a while, and no longer.
 */
function watched(
  body: ReadableStream<Uint8Array>,
  settle: (text: string | undefined) => Promise<void>,
  ended: (error?: unknown) => void,
): ReadableStream<Uint8Array> {
  const source = body.getReader();
  const events = new EventReader();
  let told: string | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const rest = () => {
    clearTimeout(timer);
    timer = setTimeout(() => ended(), kIdleMs);
  };
  const end = (error?: unknown) => {
    clearTimeout(timer);
    ended(error);
  };
  rest();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await source.read();
        if (!done) {
          rest();
          for (const { event, data } of events.push(value)) if (event === kPaymentEvent) told = data;
          return controller.enqueue(value);
        }
        await settle(told);
        end();
        controller.close();
      } catch (error) {
        end(error);
        controller.error(error);
      }
    },
    async cancel(reason) {
      end();
      await source.cancel(reason);
    },
  });
}
