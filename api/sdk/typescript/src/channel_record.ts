/** What is remembered of a channel: enough to go on, to resume, and to withdraw without the service. */
import type { Deposit } from "./deposit.js";
import {
  type Hex,
  isMembers,
  readAddress,
  readAmount,
  readHash,
  readMembers,
  readNumber,
  readText,
} from "./reading.js";
import type { Storage } from "./storage.js";
import { damaged, load, save, storedAmount } from "./stored.js";
import type { ChannelConfig, Escrow } from "./typed_data.js";

export interface PendingDeposit {
  deposit: Deposit;
  /** Unix seconds: from then on it cannot be carried out any more. */
  validBefore: number;
  balanceBefore: bigint;
}

export interface ChannelRecord {
  channelId: Hex;
  escrow: Escrow;
  config: ChannelConfig;
  /** The highest voucher ever signed. */
  signed: bigint;
  /** Signed, and not seen to have arrived. */
  deposit: PendingDeposit | undefined;
}

const keyOf = (channelId: Hex): string => `channel:${channelId.toLowerCase()}`;

export function saveChannel(storage: Storage, record: ChannelRecord): Promise<void> {
  return save(storage, keyOf(record.channelId), record);
}

export async function loadChannel(storage: Storage, channelId: Hex): Promise<ChannelRecord | undefined> {
  const key = keyOf(channelId);
  const stored = await load(storage, key);
  if (!stored) return undefined;
  try {
    const escrow = readMembers(stored.escrow, "escrow");
    const config = readMembers(stored.config, "config");
    return {
      channelId: readHash(stored, "channelId"),
      escrow: { network: readText(escrow, "network"), contract: readAddress(escrow, "contract") },
      config: {
        payer: readAddress(config, "payer"),
        payerAuthorizer: readAddress(config, "payerAuthorizer"),
        receiver: readAddress(config, "receiver"),
        receiverAuthorizer: readAddress(config, "receiverAuthorizer"),
        token: readAddress(config, "token"),
        withdrawDelay: readNumber(config, "withdrawDelay"),
        salt: readHash(config, "salt"),
      },
      signed: storedAmount(stored, "signed", key),
      deposit: stored.deposit === undefined ? undefined : readDeposit(stored.deposit),
    };
  } catch (error) {
    throw damaged(key, error);
  }
}

function readDeposit(value: unknown): PendingDeposit {
  const members = readMembers(value, "deposit");
  const deposit = readMembers(members.deposit, "deposit");
  if (!isMembers(deposit.authorization)) throw new Error("no authorization");
  return {
    deposit: { amount: readText(deposit, "amount"), authorization: deposit.authorization },
    validBefore: readNumber(members, "validBefore"),
    balanceBefore: readAmount(members, "balanceBefore"),
  };
}

export async function loadChannels(storage: Storage): Promise<ChannelRecord[]> {
  const keys = await storage.keys("channel:");
  const records = await Promise.all(
    keys.map((key) => loadChannel(storage, key.slice("channel:".length) as Hex)),
  );
  return records.filter((record) => record !== undefined);
}
