/** The service's channel objects, payment results and events, typed. */
import { ServerMismatch } from "./errors.js";
import {
  type Hex,
  isMembers,
  type Members,
  readAddress,
  readAmount,
  readHash,
  readMembers,
  readNumber,
  readSignature,
  readText,
} from "./reading.js";
import type { ChannelConfig, Escrow } from "./typed_data.js";

export type ChannelStatus = "pending" | "open" | "closing" | "closed";

/** Amounts of a channel after one update. */
export interface Figures {
  charged: bigint;
  reserved: bigint;
  /** The highest voucher that the service has accepted. */
  signedMax: bigint;
  balance: bigint;
}

export interface ChannelState extends Figures {
  channelId: Hex;
  escrow: Escrow;
  config: ChannelConfig;
  status: ChannelStatus;
  signature: Hex | null;
  refunding: bigint;
  totalClaimed: bigint;
  /** Unix seconds of a pending withdrawal; 0: none. */
  withdrawRequestedAt: number;
  /** The reservations that are open, where the service lists them. */
  reservations: readonly { inferenceId: string; amount: bigint; charged: bigint }[] | undefined;
}

/** What a payment came to, committed. */
export interface Payment extends Figures {
  seq: bigint;
  channelId: Hex;
  inferenceId: string;
  amount: bigint;
}

export function readFigures(members: Members): Figures {
  return {
    charged: readAmount(members, "chargedCumulativeAmount"),
    reserved: readAmount(members, "reservedAmount"),
    signedMax: readAmount(members, "signedMaxClaimable"),
    balance: readAmount(members, "balance"),
  };
}

export function readConfig(value: unknown): ChannelConfig {
  const members = readMembers(value, "config");
  return {
    payer: readAddress(members, "payer"),
    payerAuthorizer: readAddress(members, "payerAuthorizer"),
    receiver: readAddress(members, "receiver"),
    receiverAuthorizer: readAddress(members, "receiverAuthorizer"),
    token: readAddress(members, "token"),
    withdrawDelay: readNumber(members, "withdrawDelay"),
    salt: readHash(members, "salt"),
  };
}

function readStatus(members: Members): ChannelStatus {
  const status = readText(members, "status");
  if (status === "pending" || status === "open" || status === "closing" || status === "closed") return status;
  throw new ServerMismatch("status", `${JSON.stringify(status)} is no status of a channel`);
}

function readReservations(members: Members): ChannelState["reservations"] {
  const { reservations } = members;
  if (!Array.isArray(reservations)) return undefined;
  return reservations.filter(isMembers).map((one) => ({
    inferenceId: readText(one, "inferenceId"),
    amount: readAmount(one, "amount"),
    charged: readAmount(one, "charged"),
  }));
}

/** A channel object, or the data of an event of topic `channel`. */
export function readChannel(value: unknown): ChannelState {
  const members = readMembers(value, "channel");
  return {
    ...readFigures(members),
    channelId: readHash(members, "channelId"),
    escrow: { network: readText(members, "network"), contract: readAddress(members, "contract") },
    config: readConfig(members.config),
    status: readStatus(members),
    signature: readSignature(members, "signature"),
    refunding: readAmount(members, "refundingAmount"),
    totalClaimed: readAmount(members, "totalClaimed"),
    withdrawRequestedAt: readNumber(members, "withdrawRequestedAt"),
    reservations: readReservations(members),
  };
}

/** A payment result, or the data of an event of topic `payment`. */
export function readPayment(value: unknown): Payment {
  const members = readMembers(value, "payment");
  return {
    ...readFigures(members),
    seq: readAmount(members, "seq"),
    channelId: readHash(members, "channelId"),
    inferenceId: readText(members, "inferenceId"),
    amount: readAmount(members, "amount"),
  };
}
