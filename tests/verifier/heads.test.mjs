/** Heads: the tree between them, those that an auditor kept, and the parts around an export. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { at, history, relog, set } from "./history.mjs";
import { filled } from "./ledger.mjs";
import { verifyLedger, verifyLines } from "./verifying.mjs";

test("tree: it says between which heads the change is", async () => {
  const h = history();
  set(at.fee, "chainEvents", { blockNumber: "1" })(h);
  relog(h, at.fee);
  const [{ explanation }] = (await verifyLedger(h.ledger)).findings;
  assert.match(explanation, new RegExp(`one of the numbers ${at.head1 + 1} to ${at.head2} `));
});

const kept = (ledger, i) => ({ ...ledger.heads[i], source: "kept" });

test("tree: with a head that was kept, whoever has the log's key cannot go back behind it", async () => {
  const { ledger } = history();
  const heads = [kept(ledger, 1)];
  assert.deepEqual((await verifyLedger(ledger, { heads })).findings, []);
  const h = history();
  set(at.fee, "chainEvents", { blockNumber: "1" })(h);
  h.ledger.reseal();
  assert.deepEqual((await verifyLedger(h.ledger)).findings, []);
  const [found] = (await verifyLedger(h.ledger, { heads })).findings;
  assert.deepEqual([found.rule, found.seq], ["tree", String(at.head2)]);
});

test("tree: with a head that was kept, a log cut short is found, also when no head is left", async () => {
  const { ledger } = history();
  const heads = [kept(ledger, 2)];
  const lines = ledger.lines({ to: at.head2 });
  assert.deepEqual((await verifyLines(lines, { heads })).findings, []);
  for (const left of [2, 0]) {
    const cut = history();
    cut.ledger.heads.length = left;
    // That a number without a row is not sealed any more is found as well.
    const { findings } = await verifyLedger(cut.ledger, { heads, limit: 100 });
    const found = findings.find(({ rule }) => rule === "tree");
    assert.equal(found?.seq, String(at.head3));
  }
});

test("tree: with a key there has to be a log, and numbers are sealed soon", async () => {
  const { ledger } = history();
  ledger.clock += 9 * 60_000;
  assert.deepEqual((await verifyLedger(ledger)).findings, []);
  ledger.clock += 2 * 60_000;
  const [late] = (await verifyLedger(ledger)).findings;
  assert.deepEqual([late.rule, late.key], ["tree", `numbers ${at.unsealed} to ${at.unsealed}`]);
  assert.deepEqual((await verifyLines(ledger.lines({ to: at.head3 }))).findings, []);
  assert.deepEqual((await verifyLedger(ledger, { key: undefined })).findings, []);
  ledger.heads = [];
  const [none] = (await verifyLines(ledger.lines({ from: at.payA, to: at.payC }))).findings;
  assert.deepEqual([none.rule, none.key], ["tree", `numbers ${at.payA} to ${at.payC}`]);
  const { findings } = await verifyLedger(ledger, { key: undefined, limit: 100 });
  assert.deepEqual(findings.map(({ rule, seq }) => [rule, seq]), [["number", String(at.empty)]]);
});

test("tree: a head before, within or behind an export that is gone is found where another names it", async () => {
  for (const i of [0, 1]) {
    for (const [from, to] of [[1, at.head1], [1, at.payC], [at.payC, at.fee], [1, at.head2], [at.head1, at.head3]]) {
      const whole = await verifyLines(history().ledger.lines({ from, to }));
      assert.deepEqual(whole.findings, [], `${from}…${to}`);
      const { ledger } = history();
      const { size } = ledger.heads[i];
      const next = ledger.heads[i + 1].size;
      ledger.heads.splice(i, 1);
      const { findings } = await verifyLines(ledger.lines({ from, to }));
      // Of one outside an export, only a head that is in it, or the newest, could tell.
      const canTell = size >= from && size <= to && (next <= to || next === at.head3);
      assert.deepEqual(findings.map(({ rule, seq }) => [rule, seq]), canTell ? [["tree", String(next)]] : [],
        `${from}…${to} without ${size}`);
    }
  }
});

test("tree: the parts around an export lead to the newest head, or are found", async () => {
  const { ledger } = history();
  const lines = ledger.lines({ from: at.claimA, to: at.fee });
  assert.deepEqual((await verifyLines(lines)).findings, []);
  for (const side of ["left", "right"]) {
    const proof = JSON.parse(lines.at(-1));
    proof[side][0] = filled(9, 32);
    const [found] = (await verifyLines([...lines.slice(0, -1), JSON.stringify(proof)])).findings;
    assert.equal(found.rule, "tree", side);
    proof[side].shift();
    const [shorter] = (await verifyLines([...lines.slice(0, -1), JSON.stringify(proof)])).findings;
    assert.equal(shorter.rule, "tree", side);
  }
});
