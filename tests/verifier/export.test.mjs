/** Exports of a ledger that keeps the rules, whole and in parts, and the command that reads them. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { at, history } from "./history.mjs";
import { fileOf, kEscrow, kNetwork, Ledger } from "./ledger.mjs";
import { verifyLedger, verifyLines } from "./verifying.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "millrace-verifier-"));
after(() => rmSync(directory, { recursive: true, force: true }));

const { ledger } = history();

test("a ledger that keeps the rules holds, with the trusted key and with the export's own", async () => {
  const report = await verifyLedger(ledger);
  assert.deepEqual(report.findings, []);
  const { entries, heads, channels, head } = report;
  assert.deepEqual([entries, heads, channels, head.size], [ledger.seq, 3, 5, at.head3]);
  assert.ok(report.warnings.some((warning) => warning.includes(`above ${at.head3} are not sealed`)));
  const untrusted = await verifyLedger(ledger, { key: undefined });
  assert.deepEqual(untrusted.findings, []);
  assert.ok(untrusted.warnings.some((warning) => warning.includes("--key")));
});

test("every part of it holds", async () => {
  for (const from of [1, 2, at.coveredA2, at.partialA, at.releaseB, at.claimA, at.reversalB, ledger.seq]) {
    for (const to of [from, from + 1, at.head1, at.head2 - 1, at.head2, at.refundB, at.head3, ledger.seq]) {
      if (to < from || to > ledger.seq) continue;
      const { findings } = await verifyLines(ledger.lines({ from, to }));
      assert.deepEqual(findings, [], `${from}…${to}`);
    }
  }
});

test("a ledger without any number holds, and says that it proves nothing", async () => {
  const { findings, warnings } = await verifyLedger(new Ledger());
  assert.deepEqual(findings, []);
  assert.ok(warnings.some((warning) => warning.includes("no head")));
});

test("a contract that the auditor names goes before the export's", async () => {
  const contracts = (address) => ({ contracts: new Map([[kNetwork, address]]) });
  assert.deepEqual((await verifyLedger(ledger, contracts(kEscrow))).findings, []);
  const [found] = (await verifyLedger(ledger, contracts(`0x${"42".repeat(20)}`))).findings;
  assert.equal(found.rule, "channel_id");
});

// --- the command --------------------------------------------------------------------------------

/** Runs it. @returns {Promise<{code: number, out: string, err: string}>} */
const verify = (...args) => new Promise((resolve) => {
  execFile(process.execPath, [join(here, "verify.mjs"), ...args], (error, out, err) =>
    resolve({ code: error?.code ?? 0, out, err }));
});
const saved = (name, bytes) => {
  const path = join(directory, name);
  writeFileSync(path, bytes);
  return path;
};
const good = saved("good.ndjson", fileOf(ledger.lines()));
const changed = history();
changed.ledger.entries[at.payA - 1].payments[0].amount = "99";
changed.a.balance += 1n;
const bad = saved("bad.ndjson", fileOf(changed.ledger.lines()));

test("command: 0 and a summary for what holds", async () => {
  const head = saved("kept.note", ledger.heads[1].note);
  const { size, root } = ledger.heads[0];
  const anchor = `0x4d4c5231${size.toString(16).padStart(16, "0")}${root.toString("hex")}`;
  const { code, out, err } = await verify(good, "--key", ledger.key.text, "--head", head, "--anchor", anchor);
  assert.equal(code, 0, out + err);
  assert.match(out, new RegExp(`everything holds: ${ledger.seq} entries`));
});

test("command: 1 and the first finding for what does not, or all of them", async () => {
  const one = await verify(bad, "--key", ledger.key.text);
  assert.equal(one.code, 1);
  assert.match(one.out, new RegExp(`leaf: seq ${at.payA} `));
  const all = JSON.parse((await verify(bad, "--all", "--json")).out);
  assert.equal(all.ok, false);
  assert.ok(all.findings.length >= 3);
  assert.deepEqual(Object.keys(all.findings[0]), ["rule", "seq", "table", "key", "line", "explanation"]);
});

test("command: several files in one go, a line of JSON for each", async () => {
  const { code, out } = await verify(good, bad, join(directory, "missing"), good, "--json");
  assert.equal(code, 1);
  const reports = out.trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(reports.map(({ ok }) => ok), [true, false, false, true]);
  assert.match(reports[2].error, /ENOENT/);
});

test("command: 2 for what cannot be read or was not meant", async () => {
  const note = saved("foreign.note", "log\n1\nx\n\n— log AAAA\n");
  for (const args of [[], [join(directory, "missing")], [directory], ["--nonsense"], [good, "--key", "x"],
    [good, "--head", note], [good, "--anchor", "0x12"], [good, "--contract", "x"], ["proofs"]]) {
    const { code, err } = await verify(...args);
    assert.equal(code, 2, args.join(" "));
    assert.match(err, /^verify: /);
  }
});

test("command: proofs of a file", async () => {
  const proof = { index: "0", size: "1", leaf: `0x${"11".repeat(32)}`, root: `0x${"11".repeat(32)}`, path: [] };
  const file = saved("proofs.json", JSON.stringify({ inclusion: [proof] }));
  assert.deepEqual(await verify("proofs", file),
    { code: 0, out: `${file}: 1 inclusion and 0 consistency proofs, 0 do not hold\n`, err: "" });
  const wrong = saved("wrong.json", JSON.stringify({ inclusion: [proof, { ...proof, index: "1" }] }));
  assert.equal((await verify("proofs", wrong)).code, 1);
});

test("the types are right", async () => {
  const { code, out } = await new Promise((resolve) => {
    execFile(process.execPath, [join(here, "node_modules/typescript/bin/tsc"), "-p", here], (error, text) =>
      resolve({ code: error?.code ?? 0, out: text }));
  });
  assert.equal(code, 0, out);
});
