/** The file itself: whatever is wrong with it is a finding with its line, and nothing is thrown. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { at, history } from "./history.mjs";
import { fileOf, kToken } from "./ledger.mjs";
import { verifyBytes, verifyLedger, verifyLines } from "./verifying.mjs";

const edited = (change) => {
  const lines = history().ledger.lines();
  return change(lines) ?? lines;
};
const indexOf = (lines, type, i = 0) =>
  lines.map((line, n) => [line, n]).filter(([line]) => line.startsWith(`{"type":"${type}"`))[i][1];
/** Replaces in the i-th line of a type. */
const replaced = (type, from, to, i = 0) => (lines) => {
  const n = indexOf(lines, type, i);
  assert.ok(lines[n].includes(from), `${from} is not in ${lines[n]}`);
  lines[n] = lines[n].replace(from, to);
};

const formats = [
  ["no header", (lines) => lines.slice(1)],
  ["two headers", (lines) => [lines[0], ...lines]],
  ["another format", replaced("header", "millrace-export/2", "millrace-export/1")],
  ["a range that is none", replaced("header", '"from":"1"', '"from":"0"')],
  ["a number more than there is", replaced("header", /"to":"\d+"/.exec(edited(() => {})[0])[0], '"to":"99"')],
  ["an entry left out", (lines) => { lines.splice(indexOf(lines, "entry", 4), 1); }],
  ["an entry twice", (lines) => { lines.splice(indexOf(lines, "entry", 4), 0, lines[indexOf(lines, "entry", 4)]); }],
  ["an entry behind the accounts", (lines) => { lines.push(...lines.splice(indexOf(lines, "entry", 4), 1)); }],
  ["the last entry left out", (lines) => { lines.splice(indexOf(lines, "entry", 28), 1); }],
  ["a channel twice", (lines) => { lines.splice(indexOf(lines, "channel"), 0, lines[indexOf(lines, "channel")]); }],
  ["a line of an unknown type", (lines) => { lines.splice(3, 0, '{"type":"gift"}'); }],
  ["a line without a type", (lines) => { lines.splice(3, 0, "{}"); }],
  ["a line that is no object", (lines) => { lines.splice(3, 0, "7"); }],
  ["a line that is no JSON", (lines) => { lines.splice(3, 0, "{"); }],
  ["an empty line", (lines) => { lines.splice(3, 0, ""); }],
  ["a line that nests without end", (lines) => { lines.splice(3, 0, `{"type":${"[".repeat(200_000)}`); }],
  ["a field that nobody knows", replaced("entry", '"seq":"1"', '"seq":"1","note":"x"')],
  ["a field that is missing", replaced("asset", '"symbol":"USDC",', "")],
  ["a name twice", replaced("entry", '"amount":"10000"', '"amount":"1","amount":"10000"')],
  ["an amount as a number", replaced("entry", '"amount":"10000"', '"amount":10000')],
  ["an amount with a zero in front", replaced("entry", '"amount":"10000"', '"amount":"010000"')],
  ["bytes in upper case", replaced("entry", '"debitOwner":"0x"', '"debitOwner":"0xAA"')],
  ["bytes of another length", replaced("entry", `"token":"${kToken}"`, '"token":"0x5f"')],
  ["a day that is not", replaced("entry", "2026-01-01T", "2026-02-30T")],
  ["a time without microseconds", replaced("entry", "123Z", "Z")],
  ["an empty list", replaced("entry", '"seq":"1"', '"seq":"1","reversals":[]')],
  ["null instead of nothing", replaced("asset", '"symbol":"USDC"', '"symbol":null')],
  ["half a character", replaced("entry", '"debitKind":"escrow"', '"debitKind":"\\ud800"')],
  ["a checkpoint elsewhere", (lines) => {
    const [head] = lines.splice(indexOf(lines, "checkpoint"), 1);
    lines.splice(indexOf(lines, "entry", 3), 0, head);
  }],
  ["no proof", (lines) => { lines.splice(indexOf(lines, "proof"), 1); }],
  ["an account twice", (lines) => { lines.splice(indexOf(lines, "account"), 0, lines[indexOf(lines, "account")]); }],
];
for (const [name, change] of formats) {
  test(`format: ${name}`, async () => {
    const { findings } = await verifyLines(edited(change));
    assert.equal(findings[0]?.rule, "format", JSON.stringify(findings));
    assert.ok(findings[0].line > 0);
  });
}

test("format: rows of a number that are not in the order of their keys", async () => {
  const { ledger } = history();
  const { transfers } = ledger.entries[at.depositA - 1];
  transfers.unshift({ ...transfers[0], leg: "1" });
  const [found] = (await verifyLedger(ledger)).findings;
  assert.equal(found.rule, "format");
});

test("format: the trailer counts and hashes everything before it, and is the end", async () => {
  const file = fileOf(history().ledger.lines());
  const text = file.toString();
  const bad = {
    "a byte changed": text.replace('"symbol":"ETH"', '"symbol":"ETX"'),
    "another count": text.replace(/"lines":\d+/, '"lines":7'),
    "cut within a line": text.slice(0, -20),
    "without its last newline": text.slice(0, -1),
    "cut after a line": text.slice(0, text.lastIndexOf("\n", text.length - 2) + 1),
    "more behind it": `${text}{}\n`,
    "with other line ends": text.replaceAll("\n", "\r\n"),
    "empty": "",
  };
  for (const [name, changed] of Object.entries(bad)) {
    const [found] = (await verifyBytes(Buffer.from(changed))).findings;
    assert.equal(found?.rule, "format", name);
  }
  const broken = Buffer.from(file);
  broken[file.indexOf("USD Coin")] = 0xff;
  assert.equal((await verifyBytes(broken)).findings[0].rule, "format");
});

test("garbage of all sorts is found, and never thrown", async () => {
  const file = fileOf(history().ledger.lines());
  let seed = 42;
  const random = (below) => (seed = (seed * 1103515245 + 12345) % 2 ** 31) % below;
  for (let i = 0; i < 60; i += 1) {
    const bytes = Buffer.from(file);
    const begin = random(bytes.length);
    if (i % 3 === 0) bytes[begin] = random(256);
    else if (i % 3 === 1) bytes.copy(bytes, begin, random(bytes.length), bytes.length);
    else bytes.fill(random(256), begin, begin + 1 + random(200));
    const { findings } = await verifyBytes(bytes, { limit: 100 });
    assert.ok(bytes.equals(file) || findings.length > 0);
  }
});
