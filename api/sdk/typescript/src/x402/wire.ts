/** x402 v2 over HTTP: what stands in its headers. */
import { parseAmount } from "../amounts.js";
import { base64ToJson, jsonToBase64 } from "../base64.js";
import type { ChannelState } from "../channel_state.js";
import type { Deposit, TransferMethod } from "../deposit.js";
import { type Hex, isMembers, type Members } from "../reading.js";
import type { ChannelConfig, Voucher } from "../typed_data.js";

export const kScheme = "batch-settlement";
const kReasons = "invalid_batch_settlement_evm_";
export const kCumulativeMismatch = `${kReasons}cumulative_amount_mismatch`;
export const kBelowClaimed = `${kReasons}cumulative_below_claimed`;
export const kChannelBusy = `${kReasons}channel_busy`;

/** An entry of `accepts` of this scheme, read and as it came. */
export interface Requirements {
  network: string;
  amount: bigint;
  asset: Hex;
  payTo: Hex;
  maxTimeoutSeconds: number;
  tokenName: string;
  tokenVersion: string;
  receiverAuthorizer: Hex;
  withdrawDelay: number;
  minDeposit: bigint | undefined;
  method: TransferMethod;
  extra: Members;
  raw: Members;
}

export interface PaymentRequired {
  error: string | undefined;
  accepts: readonly Requirements[];
  resource: unknown;
  extensions: unknown;
}

const isAddress = (value: unknown): value is Hex =>
  typeof value === "string" && /^0x[0-9a-fA-F]{40}$/.test(value);
const isCount = (value: unknown): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

function readRequirements(entry: unknown): Requirements | undefined {
  if (!isMembers(entry) || entry.scheme !== kScheme || !isMembers(entry.extra)) return undefined;
  const { network, asset, payTo, maxTimeoutSeconds, extra } = entry;
  const amount = parseAmount(entry.amount);
  const { receiverAuthorizer, withdrawDelay } = extra;
  const isWhole =
    amount !== undefined && isAddress(asset) && isAddress(payTo) && isAddress(receiverAuthorizer);
  if (!isWhole || typeof network !== "string" || !isCount(withdrawDelay)) return undefined;
  const method = extra.assetTransferMethod ?? "eip3009";
  if (method !== "eip3009" && method !== "permit2") return undefined;
  return {
    network,
    amount,
    asset,
    payTo,
    receiverAuthorizer,
    withdrawDelay,
    method,
    extra,
    maxTimeoutSeconds: isCount(maxTimeoutSeconds) ? maxTimeoutSeconds : 60,
    tokenName: textOf(extra.name) ?? "",
    tokenVersion: textOf(extra.version) ?? "",
    minDeposit: parseAmount(extra.minDeposit),
    raw: entry,
  };
}

/** What a 402 asks for; undefined when it is not x402 v2. */
export function readPaymentRequired(headers: Headers, body: unknown): PaymentRequired | undefined {
  const header = headers.get("PAYMENT-REQUIRED");
  const value = header === null ? body : base64ToJson(header);
  if (!isMembers(value) || value.x402Version !== 2 || !Array.isArray(value.accepts)) return undefined;
  const accepts = (value.accepts as unknown[]).map(readRequirements).filter((one) => one !== undefined);
  return { error: textOf(value.error), accepts, resource: value.resource, extensions: value.extensions };
}

export type Payload = { channelConfig: ChannelConfig; channelId: Hex; voucher: Voucher } & (
  | { type: "voucher" }
  | { type: "deposit"; deposit: Deposit }
  | { type: "refund"; amount?: bigint | undefined }
);

/** The value of PAYMENT-SIGNATURE. */
export function paymentHeader(required: PaymentRequired, accepted: Requirements, payload: Payload): string {
  const { type, channelConfig, channelId, voucher } = payload;
  return jsonToBase64({
    x402Version: 2,
    accepted: accepted.raw,
    resource: required.resource,
    extensions: required.extensions,
    payload: {
      type,
      channelConfig,
      voucher: {
        channelId,
        maxClaimableAmount: String(voucher.maxClaimableAmount),
        signature: voucher.signature,
      },
      ...(type === "deposit" ? { deposit: payload.deposit } : {}),
      ...(type === "refund" && payload.amount !== undefined ? { amount: String(payload.amount) } : {}),
    },
  });
}

/** What the server says that a channel is. */
export interface ToldChannel {
  channelId: string | undefined;
  balance: bigint | undefined;
  charged: bigint | undefined;
}

export function readToldChannel(value: unknown): ToldChannel {
  const members: Members = isMembers(value) ? value : {};
  return {
    channelId: textOf(members.channelId)?.toLowerCase(),
    balance: parseAmount(members.balance),
    charged: parseAmount(members.chargedCumulativeAmount),
  };
}

/** The voucher that a corrective 402 shows; undefined where the server has none. */
export function readToldVoucher(
  value: unknown,
): (Pick<ChannelState, "signedMax"> & { signature: Hex }) | undefined {
  const members: Members = isMembers(value) ? value : {};
  const signedMax = parseAmount(members.signedMaxClaimable);
  const signature = textOf(members.signature);
  if (signedMax === undefined || !signature || !/^0x[0-9a-fA-F]{130}$/.test(signature)) return undefined;
  return { signedMax, signature: signature as Hex };
}

/** PAYMENT-RESPONSE. */
export interface PaymentResponse {
  success: boolean;
  errorReason: string | undefined;
  transaction: string;
  network: string | undefined;
  amount: bigint | undefined;
  /** null: it is there, and no amount. */
  chargedAmount: bigint | undefined | null;
  channel: ToldChannel;
}

export function readPaymentResponse(value: unknown): PaymentResponse | undefined {
  const members = typeof value === "string" ? base64ToJson(value) : value;
  if (!isMembers(members) || typeof members.success !== "boolean") return undefined;
  const extra: Members = isMembers(members.extra) ? members.extra : {};
  return {
    success: members.success,
    errorReason: textOf(members.errorReason),
    transaction: textOf(members.transaction) ?? "",
    network: textOf(members.network),
    amount: parseAmount(members.amount),
    chargedAmount: extra.chargedAmount === undefined ? undefined : (parseAmount(extra.chargedAmount) ?? null),
    channel: readToldChannel(extra.channelState),
  };
}
