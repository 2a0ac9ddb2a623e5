/** The Merkle tree of RFC 6962, and its proofs as RFC 9162 verifies them (2.1.3.2 and 2.1.4.2). */
import { sha256 } from "viem";

export type Bytes = Uint8Array;

const hash = (data: Bytes): Bytes => sha256(data, "bytes");

function joined(prefix: number, ...parts: readonly Bytes[]): Bytes {
  const whole = new Uint8Array(1 + parts.reduce((length, part) => length + part.length, 0));
  whole[0] = prefix;
  let at = 1;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export const leafHash = (leaf: Bytes): Bytes => hash(joined(0, leaf));
const nodeHash = (left: Bytes, right: Bytes): Bytes => hash(joined(1, left, right));

export function isEqual(a: Bytes, b: Bytes): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

/** Whether the leaf with this index is in the tree of `size` leaves with this root. */
export function isIncluded(
  index: bigint,
  size: bigint,
  leaf: Bytes,
  path: readonly Bytes[],
  root: Bytes,
): boolean {
  if (index < 0n || index >= size) return false;
  let at = index;
  let last = size - 1n;
  let computed = leaf;
  for (const sibling of path) {
    if (last === 0n) return false;
    const isRight = (at & 1n) === 1n;
    computed = isRight || at === last ? nodeHash(sibling, computed) : nodeHash(computed, sibling);
    // At the right edge a node may have no sibling for some levels.
    if (!isRight && at === last) {
      while (at !== 0n && (at & 1n) === 0n) {
        at >>= 1n;
        last >>= 1n;
      }
    }
    at >>= 1n;
    last >>= 1n;
  }
  return last === 0n && isEqual(computed, root);
}

/** Whether the tree of `to` leaves began with the tree of `from` leaves. */
export function isConsistent(
  from: bigint,
  to: bigint,
  fromRoot: Bytes,
  toRoot: Bytes,
  path: readonly Bytes[],
): boolean {
  if (from > to) return false;
  if (from === to) return path.length === 0 && isEqual(fromRoot, toRoot);
  if (from === 0n) return path.length === 0;
  const isWholeSubtree = (from & (from - 1n)) === 0n;
  const [first, ...rest] = isWholeSubtree ? [fromRoot, ...path] : path;
  if (!first) return false;
  let at = from - 1n;
  let last = to - 1n;
  while ((at & 1n) === 1n) {
    at >>= 1n;
    last >>= 1n;
  }
  let older = first;
  let newer = first;
  for (const step of rest) {
    if (last === 0n) return false;
    if ((at & 1n) === 1n || at === last) {
      older = nodeHash(step, older);
      newer = nodeHash(step, newer);
      while (at !== 0n && (at & 1n) === 0n) {
        at >>= 1n;
        last >>= 1n;
      }
    } else {
      newer = nodeHash(newer, step);
    }
    at >>= 1n;
    last >>= 1n;
  }
  return last === 0n && isEqual(older, fromRoot) && isEqual(newer, toRoot);
}
