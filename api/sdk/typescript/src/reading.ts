/** Reads JSON that the service sent. What is not as the protocol has it is a ServerMismatch. */
import { parseAmount } from "./amounts.js";
import { ServerMismatch } from "./errors.js";

export type Hex = `0x${string}`;
export type Members = Readonly<Record<string, unknown>>;

function malformed(field: string, expected: string): ServerMismatch {
  return new ServerMismatch(field, `${field} is not ${expected}`);
}

export function isMembers(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function readMembers(value: unknown, field: string): Members {
  if (!isMembers(value)) throw malformed(field, "an object");
  return value;
}

export function readList(members: Members, field: string): readonly unknown[] {
  const value = members[field];
  if (!Array.isArray(value)) throw malformed(field, "a list");
  return value;
}

export function readText(members: Members, field: string): string {
  const value = members[field];
  if (typeof value !== "string") throw malformed(field, "text");
  return value;
}

export function readNumber(members: Members, field: string): number {
  const value = members[field];
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0)
    throw malformed(field, "a whole number");
  return value;
}

/** An amount, or a seq: decimal text. */
export function readAmount(members: Members, field: string): bigint {
  const amount = parseAmount(members[field]);
  if (amount === undefined) throw malformed(field, "an amount in decimal text");
  return amount;
}

function readHex(members: Members, field: string, digits: number): Hex {
  const value = members[field];
  if (typeof value !== "string" || !/^0x[0-9a-fA-F]+$/.test(value) || value.length !== digits + 2)
    throw malformed(field, `${digits / 2} bytes in hex`);
  return value.toLowerCase() as Hex;
}

export const readAddress = (members: Members, field: string): Hex => readHex(members, field, 40);
export const readHash = (members: Members, field: string): Hex => readHex(members, field, 64);

export function readSignature(members: Members, field: string): Hex | null {
  const value = members[field];
  if (value === null) return null;
  if (typeof value !== "string" || !/^0x([0-9a-fA-F]{2})+$/.test(value))
    throw malformed(field, "a signature");
  return value as Hex;
}

export function isSameAddress(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
