/** Values in a Storage as JSON, with bigints as decimal text. What cannot be read is never taken for nothing. */
import { parseAmount } from "./amounts.js";
import type { Deposit } from "./deposit.js";
import { isMembers, type Members, readMembers, readNumber, readText } from "./reading.js";
import type { Storage } from "./storage.js";

/** Signed, and not seen to have arrived. */
export interface SentDeposit {
  deposit: Deposit;
  /** Unix seconds: from then on it cannot be carried out any more. */
  validBefore: number;
}

export async function load(storage: Storage, key: string): Promise<Members | undefined> {
  const text = await storage.get(key);
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw damaged(key, error);
  }
  if (!isMembers(value)) throw damaged(key);
  return value;
}

export function save(storage: Storage, key: string, value: object): Promise<void> {
  return storage.set(
    key,
    JSON.stringify(value, (_, one: unknown) => (typeof one === "bigint" ? String(one) : one)),
  );
}

export function storedAmount(members: Members, field: string, key: string): bigint {
  const amount = parseAmount(members[field]);
  if (amount === undefined) throw damaged(`${key}, ${field}`);
  return amount;
}

export function readSentDeposit(members: Members): SentDeposit {
  const deposit = readMembers(members.deposit, "deposit");
  if (!isMembers(deposit.authorization)) throw new Error("no authorization");
  return {
    deposit: { amount: readText(deposit, "amount"), authorization: deposit.authorization },
    validBefore: readNumber(members, "validBefore"),
  };
}

export function damaged(key: string, cause?: unknown): Error {
  return new Error(
    `what the storage has under ${key} is damaged: restore it, or move it away if all channels in it are settled`,
    { cause },
  );
}
