/** Amounts are bigints of a token's base units; on the wire they are decimal text. */

export const kAmountMax = (1n << 128n) - 1n;

/** An amount from the caller: a TypeError names the argument. */
export function checkAmount(amount: bigint, name: string): bigint {
  if (typeof amount !== "bigint") throw new TypeError(`${name} has to be a bigint of base units`);
  if (amount < 0n || amount > kAmountMax) throw new RangeError(`${name} has to be 0 to 2^128 - 1`);
  return amount;
}

/** An amount from the wire; undefined for anything but canonical decimal text within 128 bits. */
export function parseAmount(text: unknown): bigint | undefined {
  if (typeof text !== "string" || !/^(0|[1-9][0-9]{0,38})$/.test(text)) return undefined;
  const amount = BigInt(text);
  return amount <= kAmountMax ? amount : undefined;
}

export const larger = (a: bigint, b: bigint): bigint => (a > b ? a : b);
export const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b);

export function sum(amounts: Iterable<bigint>): bigint {
  let total = 0n;
  for (const amount of amounts) total += amount;
  return total;
}
