/** What is remembered of a channel: enough to go on, to resume, and to withdraw without the service. */
import { readConfig } from "./channel_state.js";
import { type Hex, readAddress, readAmount, readHash, readMembers, readText } from "./reading.js";
import type { Storage } from "./storage.js";
import { damaged, load, readSentDeposit, save, type SentDeposit, storedAmount } from "./stored.js";
import type { ChannelConfig, Escrow } from "./typed_data.js";

export interface PendingDeposit extends SentDeposit {
  balanceBefore: bigint;
}

export interface ChannelRecord {
  channelId: Hex;
  escrow: Escrow;
  config: ChannelConfig;
  /** The highest voucher ever signed. */
  signed: bigint;
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
    return {
      channelId: readHash(stored, "channelId"),
      escrow: { network: readText(escrow, "network"), contract: readAddress(escrow, "contract") },
      config: readConfig(stored.config),
      signed: storedAmount(stored, "signed", key),
      deposit: stored.deposit === undefined ? undefined : readDeposit(stored.deposit),
    };
  } catch (error) {
    throw damaged(key, error);
  }
}

function readDeposit(value: unknown): PendingDeposit {
  const members = readMembers(value, "deposit");
  return { ...readSentDeposit(members), balanceBefore: readAmount(members, "balanceBefore") };
}

export async function loadChannels(storage: Storage): Promise<ChannelRecord[]> {
  const keys = await storage.keys("channel:");
  const records = await Promise.all(
    keys.map((key) => loadChannel(storage, key.slice("channel:".length) as Hex)),
  );
  return records.filter((record) => record !== undefined);
}
