import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import "./typescript.mjs";

const { CompactTree, consistencyHolds, inclusionHolds, leafHash, subtreeLevels } = await import("./src/tree.ts");
const { verifyProofs } = await import("./src/proofs.ts");

const vectors = JSON.parse(readFileSync(new URL("../vectors/transparency-log.json", import.meta.url)));
const bytes = (hex) => Buffer.from(hex.slice(2), "hex");
const hex = (buffer) => `0x${buffer.toString("hex")}`;
const sha256 = (...parts) => createHash("sha256").update(Buffer.concat(parts)).digest();

/** The definition of RFC 6962, 2.1, as it stands there: nothing is kept, everything is split again. */
function rootOf(leaves) {
  if (leaves.length === 0) return sha256();
  if (leaves.length === 1) return sha256(Buffer.of(0), leaves[0]);
  const k = splitOf(leaves.length);
  return sha256(Buffer.of(1), rootOf(leaves.slice(0, k)), rootOf(leaves.slice(k)));
}

/** The largest power of two below n. */
function splitOf(n) {
  let k = 1;
  while (2 * k < n) k *= 2;
  return k;
}

function pathOf(index, leaves) {
  if (leaves.length <= 1) return [];
  const k = splitOf(leaves.length);
  if (index < k) return [...pathOf(index, leaves.slice(0, k)), rootOf(leaves.slice(k))];
  return [...pathOf(index - k, leaves.slice(k)), rootOf(leaves.slice(0, k))];
}

function consistencyOf(m, leaves, isWhole = true) {
  if (m === leaves.length) return isWhole ? [] : [rootOf(leaves)];
  const k = splitOf(leaves.length);
  if (m <= k) return [...consistencyOf(m, leaves.slice(0, k), isWhole), rootOf(leaves.slice(k))];
  return [...consistencyOf(m - k, leaves.slice(k), false), rootOf(leaves.slice(0, k))];
}

const leaves = vectors.tree.leaves.map(bytes);
const roots = vectors.tree.roots.map(bytes);
const replaced = (list, at, value) => list.map((one, i) => (i === at ? value : one));
const flipped = (buffer) => Buffer.from(buffer.map((byte, i) => (i === 3 ? byte ^ 1 : byte)));

test("the published tree of eight leaves has the published roots", () => {
  const tree = new CompactTree();
  assert.equal(hex(tree.root()), vectors.tree.emptyRoot);
  leaves.forEach((leaf, i) => {
    tree.append(0, leafHash(leaf));
    assert.equal(hex(tree.root()), vectors.tree.roots[i]);
    assert.equal(hex(rootOf(leaves.slice(0, i + 1))), vectors.tree.roots[i]);
  });
});

test("the published inclusion paths hold, and nothing near them does", () => {
  for (const { index, size, path } of vectors.tree.inclusion) {
    const [number, count, steps] = [BigInt(index), BigInt(size), path.map(bytes)];
    const leaf = leafHash(leaves[Number(index)]);
    const root = roots[Number(size) - 1];
    const holds = (changes) => {
      const c = { number, count, leaf, steps, root, ...changes };
      return inclusionHolds(c.number, c.count, c.leaf, c.steps, c.root);
    };
    assert.equal(holds({}), true);
    assert.deepEqual(steps, pathOf(Number(index), leaves.slice(0, Number(size))));
    assert.equal(holds({ number: number + 1n }), false);
    assert.equal(holds({ number: count }), false);
    assert.equal(holds({ count: count * 2n }), false);
    assert.equal(holds({ leaf: flipped(leaf) }), false);
    assert.equal(holds({ root: flipped(root) }), false);
    assert.equal(holds({ steps: [...steps, root] }), false);
    if (steps.length) assert.equal(holds({ steps: steps.slice(1) }), false);
    steps.forEach((step, i) => assert.equal(holds({ steps: replaced(steps, i, flipped(step)) }), false));
  }
});

test("the published consistency paths hold, and nothing near them does", () => {
  for (const { from, to, path } of vectors.tree.consistency) {
    const [m, n, steps] = [BigInt(from), BigInt(to), path.map(bytes)];
    const [fromRoot, toRoot] = [roots[Number(from) - 1], roots[Number(to) - 1]];
    const holds = (changes) => {
      const c = { m, n, fromRoot, toRoot, steps, ...changes };
      return consistencyHolds(c.m, c.n, c.fromRoot, c.toRoot, c.steps);
    };
    assert.equal(holds({}), true);
    assert.deepEqual(steps, consistencyOf(Number(from), leaves.slice(0, Number(to))));
    assert.equal(holds({ m: n + 1n }), false);
    assert.equal(holds({ fromRoot: flipped(fromRoot) }), false);
    assert.equal(holds({ toRoot: flipped(toRoot) }), false);
    assert.equal(holds({ steps: [...steps, toRoot] }), false);
    if (m !== n) assert.equal(holds({ steps: steps.slice(0, -1) }), false);
    steps.forEach((step, i) => assert.equal(holds({ steps: replaced(steps, i, flipped(step)) }), false));
  }
  assert.equal(consistencyHolds(0n, 3n, bytes(vectors.tree.emptyRoot), roots[2], []), true);
  assert.equal(consistencyHolds(0n, 3n, roots[0], roots[2], []), false);
});

test("a record of a log with 58 million leaves is in it by its published path", () => {
  const { leaf, leafHash: hash, index, size, path, root } = vectors.inclusionInLargeTree;
  assert.equal(hex(leafHash(Buffer.from(leaf))), hash);
  assert.equal(inclusionHolds(BigInt(index), BigInt(size), bytes(hash), path.map(bytes), bytes(root)), true);
  assert.equal(inclusionHolds(BigInt(index) ^ 1n, BigInt(size), bytes(hash), path.map(bytes), bytes(root)), false);
});

test("trees of up to 40 leaves: roots, paths and subtrees agree with the recursive definition", () => {
  const many = Array.from({ length: 40 }, (_, i) => Buffer.from(`leaf ${i}`));
  for (let n = 1; n <= many.length; n += 1) {
    const some = many.slice(0, n);
    const root = rootOf(some);
    for (let i = 0; i < n; i += 1) {
      assert.ok(inclusionHolds(BigInt(i), BigInt(n), leafHash(some[i]), pathOf(i, some), root));
    }
    for (let m = 1; m <= n; m += 1) {
      assert.ok(consistencyHolds(BigInt(m), BigInt(n), rootOf(some.slice(0, m)), root, consistencyOf(m, some)));
    }
    for (let begin = 0; begin <= n; begin += 3) {
      const tree = new CompactTree();
      let at = 0;
      for (const level of [...subtreeLevels(0, begin), ...subtreeLevels(begin, n)]) {
        assert.ok(tree.append(level, rootOf(some.slice(at, at + 2 ** level))));
        at += 2 ** level;
      }
      assert.deepEqual(tree.root(), root);
    }
  }
});

test("proofs of a file: each is verified, and what is malformed is said", () => {
  const { tree } = vectors;
  const inclusion = tree.inclusion.map(({ index, size, path }) => ({
    index, size, leaf: hex(leafHash(leaves[Number(index)])), root: tree.roots[Number(size) - 1], path,
  }));
  const consistency = tree.consistency.map(({ from, to, path }) => ({
    from, to, fromRoot: tree.roots[Number(from) - 1], toRoot: tree.roots[Number(to) - 1], path,
  }));
  const good = verifyProofs(JSON.stringify({ inclusion, consistency }));
  assert.deepEqual(good, { inclusion: 5, consistency: 5, findings: [] });
  const bad = verifyProofs(JSON.stringify({
    inclusion: [{ ...inclusion[1], index: "3" }, { ...inclusion[0], root: "0x12" }], consistency: [7],
  }));
  assert.deepEqual(bad.findings.map(({ rule, key }) => [rule, key]),
    [["tree", "inclusion[0]"], ["format", "inclusion[1]"], ["format", "consistency[0]"]]);
  assert.equal(verifyProofs("{").findings[0].rule, "format");
});
