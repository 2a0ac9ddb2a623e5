/** The Merkle tree of RFC 6962, section 2.1, and its proofs by RFC 9162, sections 2.1.3 and 2.1.4. */
import * as crypto from "node:crypto";

type OneShot = (algorithm: string, data: Uint8Array, encoding: "buffer") => Buffer;
// Newer versions of Node hash at once, without an object for it.
const oneShot = (crypto as unknown as { hash?: OneShot }).hash;

export const sha256: (data: Uint8Array) => Buffer = oneShot
  ? (data) => oneShot("sha256", data, "buffer")
  : (data) => crypto.createHash("sha256").update(data).digest();

export function leafHash(leaf: Uint8Array): Buffer {
  return sha256(Buffer.concat([Buffer.of(0), leaf]));
}

const pair = Buffer.alloc(65, 1);

export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  pair.set(left, 1);
  pair.set(right, 33);
  return sha256(pair);
}

/** A perfect subtree of 2^level leaves. */
interface Subtree {
  level: number;
  root: Buffer;
}

/** The tree of all leaves so far as the roots of its largest perfect subtrees, left to right. */
export class CompactTree {
  private readonly subtrees: Subtree[] = [];
  size = 0;

  /** Appends a perfect subtree; false if it would not begin at a multiple of its size. */
  append(level: number, root: Buffer): boolean {
    const leaves = 2 ** level;
    if (this.size % leaves !== 0) return false;
    this.size += leaves;
    let node = { level, root };
    while (this.subtrees.at(-1)?.level === node.level) {
      const left = this.subtrees.pop()!;
      node = { level: node.level + 1, root: nodeHash(left.root, node.root) };
    }
    this.subtrees.push(node);
    return true;
  }

  root(): Buffer {
    let root: Buffer | undefined;
    for (let i = this.subtrees.length - 1; i >= 0; i -= 1) {
      const left = this.subtrees[i]!.root;
      root = root ? nodeHash(left, root) : left;
    }
    return root ?? sha256(new Uint8Array());
  }
}

/** Levels of the subtrees that `begin … end − 1` is cut into: from the left, the largest that fits. */
export function subtreeLevels(begin: number, end: number): number[] {
  const levels: number[] = [];
  for (let at = begin; at < end; at += 2 ** levels.at(-1)!) {
    let level = 0;
    while (at % 2 ** (level + 1) === 0 && at + 2 ** (level + 1) <= end) level += 1;
    levels.push(level);
  }
  return levels;
}

/** RFC 9162, 2.1.3.2. */
export function inclusionHolds(
  index: bigint, size: bigint, leaf: Buffer, path: readonly Buffer[], root: Buffer,
): boolean {
  if (index >= size) return false;
  let number = index;
  let last = size - 1n;
  let hash = leaf;
  for (const step of path) {
    if (last === 0n) return false;
    if ((number & 1n) === 1n || number === last) {
      hash = nodeHash(step, hash);
      while ((number & 1n) === 0n && number !== 0n) {
        number >>= 1n;
        last >>= 1n;
      }
    } else {
      hash = nodeHash(hash, step);
    }
    number >>= 1n;
    last >>= 1n;
  }
  return last === 0n && hash.equals(root);
}

/** RFC 9162, 2.1.4.2. An empty tree is a part of every tree, and that needs no path. */
export function consistencyHolds(
  from: bigint, to: bigint, fromRoot: Buffer, toRoot: Buffer, path: readonly Buffer[],
): boolean {
  if (from > to) return false;
  if (from === to) return path.length === 0 && fromRoot.equals(toRoot);
  if (from === 0n) return path.length === 0 && fromRoot.equals(sha256(new Uint8Array()));
  const isPerfect = (from & (from - 1n)) === 0n;
  const steps = isPerfect ? [fromRoot, ...path] : path;
  if (steps.length === 0) return false;
  let number = from - 1n;
  let last = to - 1n;
  while ((number & 1n) === 1n) {
    number >>= 1n;
    last >>= 1n;
  }
  let fromHash = steps[0]!;
  let toHash = steps[0]!;
  for (const step of steps.slice(1)) {
    if (last === 0n) return false;
    if ((number & 1n) === 1n || number === last) {
      fromHash = nodeHash(step, fromHash);
      toHash = nodeHash(step, toHash);
      while ((number & 1n) === 0n && number !== 0n) {
        number >>= 1n;
        last >>= 1n;
      }
    } else {
      toHash = nodeHash(toHash, step);
    }
    number >>= 1n;
    last >>= 1n;
  }
  return last === 0n && fromHash.equals(fromRoot) && toHash.equals(toRoot);
}
