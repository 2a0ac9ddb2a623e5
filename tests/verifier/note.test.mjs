import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import "./typescript.mjs";

const { isSignedBy, openHead, parseHead, parseKey, parseNote } = await import("./src/note.ts");
const vectors = JSON.parse(readFileSync(new URL("../vectors/transparency-log.json", import.meta.url)));
const [example] = vectors.notes;

test("the published note is signed by the published key, and any change spoils it", () => {
  const key = parseKey(example.key);
  const note = `${example.text}\n${example.signature}`;
  assert.equal(isSignedBy(parseNote(note), key), true);
  assert.equal(isSignedBy(parseNote(note.replace("problem,", "problem;")), key), false);
  assert.equal(isSignedBy(parseNote(note.replace("x08go/ZJ", "x08go/ZK")), key), false);
  assert.equal(isSignedBy(parseNote(note), parseKey(example.otherKey)), false);
  const both = `${note}${example.otherSignature}`;
  assert.equal(isSignedBy(parseNote(both), key), true);
  assert.equal(isSignedBy(parseNote(both), parseKey(example.otherKey)), true);
});

test("what is no note is refused", () => {
  const { text, signature } = example;
  const bad = [
    text, `${text}\n`, `${text}\n${signature.slice(0, -1)}`, `\u0001${text}\n${signature}`,
    `${text}\n${signature}Unexpected line.\n`, `${text}\n${signature.replace("PeterNeumann", "Peter Neumann")}`,
    `${text}\n${signature.repeat(101)}`,
  ];
  for (const note of bad) assert.equal(parseNote(note), undefined, JSON.stringify(note.slice(0, 200)));
});

test("what is no verifier key is refused", () => {
  for (const key of vectors.badKeys.keys) assert.equal(parseKey(key), undefined);
  for (let i = 0; i < example.key.length; i += 1) {
    const byte = String.fromCharCode(example.key.charCodeAt(i) + 1);
    assert.equal(parseKey(example.key.slice(0, i) + byte + example.key.slice(i + 1)), undefined, `at ${i}`);
    assert.equal(parseKey(example.key.slice(0, i)), undefined);
  }
});

test("published tree heads of sum.golang.org are signed by its published key", () => {
  const key = parseKey(vectors.heads.key);
  for (const { size, root, signature } of vectors.heads.notes) {
    const note = `${vectors.heads.origin}\n${size}\n${root}\n\n${signature}`;
    const parsed = parseNote(note);
    assert.equal(isSignedBy(parsed, key), true);
    const head = parseHead(parsed.text);
    assert.deepEqual([head.origin, String(head.size), head.root.toString("base64")],
      [vectors.heads.origin, size, root]);
    // Its origin is not its key's name, which a log of ours has to have.
    assert.match(openHead(note, key), /origin/);
    assert.equal(isSignedBy(parseNote(note.replace(size, String(Number(size) + 1))), key), false);
  }
});

test("what is no tree head is refused", () => {
  const root = "BoMMe1wd25Tco0mYGROkyqxHZWx+hcSCtMV315Lu6Lg=";
  assert.ok(parseHead(`log\n7\n${root}\n`));
  assert.ok(parseHead(`log\n7\n${root}\nan extension\n`));
  const previous = (line) => parseHead(`log\n7\n${root}\n${line}\n`).previous;
  assert.deepEqual(["previous 5", "previous 0", "previous", "previous 05", "previous x", "Previous 5"].map(previous),
    [5, 0, undefined, undefined, undefined, undefined]);
  for (const text of ["", "log\n", "log\n7\n", `\n7\n${root}\n`, `log\n07\n${root}\n`, `log\n-7\n${root}\n`,
    `log\n7\n${root.slice(4)}\n`, `log\n7\n ${root}\n`, `log\n99999999999999999\n${root}\n`]) {
    assert.equal(parseHead(text), undefined, text);
  }
});
