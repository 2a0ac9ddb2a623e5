/** What is remembered of a channel to a resource server. */
import { type Hex, readAmount, readHash, readMembers } from "../reading.js";
import type { Storage } from "../storage.js";
import { damaged, load, readSentDeposit, save, type SentDeposit } from "../stored.js";

export interface ResourceRecord {
  channelId: Hex;
  /** Its figures are known from the beginning, or proven since: the server can have no others. */
  isKnown: boolean;
  /** What was charged, as settled. */
  charged: bigint;
  /** What may be charged by now: a request may have been paid without its answer arriving. */
  maybeCharged: bigint;
  balance: bigint;
  /** The highest voucher ever signed. */
  signed: bigint;
  /** What was charged before anything of it was remembered: what is signed beyond counts for the spending cap. */
  base: bigint;
  /** Sent, and not known to have arrived. */
  deposit: SentDeposit | undefined;
}

const keyOf = (channelId: Hex): string => `resource:${channelId.toLowerCase()}`;

export const saveResource = (storage: Storage, record: ResourceRecord): Promise<void> =>
  save(storage, keyOf(record.channelId), record);

export async function loadResource(storage: Storage, channelId: Hex): Promise<ResourceRecord | undefined> {
  const key = keyOf(channelId);
  const stored = await load(storage, key);
  if (!stored) return undefined;
  try {
    return {
      channelId: readHash(stored, "channelId"),
      isKnown: stored.isKnown === true,
      charged: readAmount(stored, "charged"),
      maybeCharged: readAmount(stored, "maybeCharged"),
      balance: readAmount(stored, "balance"),
      signed: readAmount(stored, "signed"),
      base: readAmount(stored, "base"),
      deposit: stored.deposit === undefined ? undefined : readSentDeposit(readMembers(stored.deposit, "deposit")),
    };
  } catch (error) {
    throw damaged(key, error);
  }
}
