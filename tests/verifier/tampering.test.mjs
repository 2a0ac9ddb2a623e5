/**
 * What somebody with the whole database could do, and what gives it away. Three kinds of them: who
 * changes rows; who changes the log's leaves and heads with them; and who has the log's key too
 * (`reseal`), so that only the rows among themselves, and the payers' signatures, tell.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { at, drop, history, kReceiver, relog, row, set } from "./history.mjs";
import { contentOf, filled, kFields, kToken, leafOf, logKey, noteOf, signVoucher, wallet } from "./ledger.mjs";
import { verifyLedger } from "./verifying.mjs";

/** Changes members of an event's data. */
const tell = (seq, changes) => (h) => {
  const event = row(h, seq, "events");
  event.data = JSON.stringify({ ...JSON.parse(event.data), ...changes });
};
/** Changes a payment's amount, and what a payment says of it by itself. */
const setAmount = (h, seq, amount) => {
  const payment = row(h, seq, "payments");
  const letter = { pay: "p", authorize: "a" }[payment.kind];
  const content = contentOf(letter, amount, payment.inferenceId, payment.detail);
  Object.assign(payment, { amount: String(amount), content });
};
/** A row for the number without any, which by itself is found where it is not sealed. */
const fill = ({ ledger }) => {
  ledger.entries[at.empty - 1] = { events: [ledger.settlementEvent(kReceiver, "settled")] };
};
const accounts = ({ ledger }) => {
  ledger.accounts = ledger.accountsTo(ledger.seq);
  return ledger.accounts;
};

async function expectFinding(name, rule, seq, change, { reseal = false, ...options } = {}) {
  await test(`${rule}: ${name}`, async () => {
    const h = history();
    change(h);
    if (reseal) h.ledger.reseal();
    const { findings } = await verifyLedger(h.ledger, options);
    assert.equal(findings.length, 1, "nothing was found");
    const [found] = findings;
    assert.deepEqual([found.rule, found.seq], [rule, seq === undefined ? undefined : String(seq)], found.explanation);
  });
}

/** Of somebody who changes rows, leaves and heads, but signs nothing. */
const expectAll = async (cases) => {
  for (const [name, rule, seq, change, options] of cases) await expectFinding(name, rule, seq, change, options);
};
/** Of somebody who has the log's key. */
const expectOfInsider = (cases) => expectAll(cases.map(([name, rule, seq, change]) =>
  [`${name}, log and heads made anew`, rule, seq, change, { reseal: true }]));

await expectAll([
  ["a payment's amount", "leaf", at.payA, set(at.payA, "payments", { amount: "101" })],
  ["a payment moved to another partition", "leaf", at.payA, set(at.payA, "payments", { channelMonth: "2026-02-01" })],
  ["a payment's time", "leaf", at.payA, set(at.payA, "payments", { at: "2026-01-01T00:00:00.000000Z" })],
  ["a payment deleted", "leaf", at.coveredA, drop(at.coveredA, "payments")],
  ["a transfer deleted", "leaf", at.claimA, drop(at.claimA, "transfers")],
  ["a row put into a number without any", "leaf", at.empty, ({ ledger }) => {
    ledger.entries[at.empty - 1] = structuredClone(ledger.entries[at.payA - 1]);
  }],
  ["two numbers exchanged", "leaf", at.payA, ({ ledger: { entries } }) => {
    [entries[at.payA - 1], entries[at.coveredA - 1]] = [entries[at.coveredA - 1], entries[at.payA - 1]];
  }],
  ["a number taken out and the rest renumbered", "leaf", at.coveredA, ({ ledger }) => {
    ledger.entries.splice(at.coveredA - 1, 1);
  }],
  ["a number taken out of the log too", "leaf", at.coveredA, ({ ledger }) => {
    ledger.entries.splice(at.coveredA - 1, 1);
    ledger.leaves.splice(at.coveredA - 1, 1);
  }],
  ["a number put in, the rest renumbered", "leaf", at.coveredA, ({ ledger }) => {
    ledger.entries.splice(at.coveredA - 1, 0, {});
  }],
  ["a leaf's hash", "leaf", at.fee, ({ ledger }) => ledger.leaves[at.fee - 1].fill(1)],
  ["a row and its leaf", "tree", at.head1, (h) => {
    set(at.depositA, "transfers", { at: "2026-01-01T00:00:00.000000Z" })(h);
    relog(h, at.depositA);
  }],
  ["a row and its leaf between two heads", "tree", at.head2, (h) => {
    set(at.fee, "chainEvents", { blockNumber: "1" })(h);
    relog(h, at.fee);
  }],
  ["all leaves, and the roots of the heads", "head_signature", at.head1, (h) => {
    const old = h.ledger.heads.map(({ note }) => note);
    set(at.depositA, "transfers", { at: "2026-01-01T00:00:00.000000Z" })(h);
    h.ledger.reseal();
    h.ledger.heads.forEach((head, i) => { head.note = old[i]; });
  }],
  ["everything, signed with another key of the same name", "head_signature", undefined, ({ ledger }) => {
    ledger.key = logKey(9);
    ledger.reseal();
  }],
  ["one head signed with another key", "head_signature", at.head2, ({ ledger }) => {
    const [, head] = ledger.heads;
    head.note = noteOf(logKey(9), head.size, head.root, at.head1);
  }],
  ["a head's root", "head_signature", at.head2, ({ ledger }) => ledger.heads[1].root.fill(3)],
  ["a head's note", "head_signature", at.head2, ({ ledger }) => { ledger.heads[1].note = ledger.heads[0].note; }],
  ["a head's note without its signature", "head_signature", at.head2, ({ ledger }) => {
    ledger.heads[1].note = ledger.heads[1].note.split("\n\n")[0];
  }],
  ["a head of another origin", "head_signature", at.head2, ({ ledger }) => {
    const [, head] = ledger.heads;
    head.note = noteOf(ledger.key, head.size, head.root, at.head1, "another.example");
  }],
  ["a head taken out", "tree", at.head3, ({ ledger }) => ledger.heads.splice(1, 1)],
  ["the first head taken out", "tree", at.head2, ({ ledger }) => ledger.heads.shift()],
  ["all heads taken out, and a row changed", "tree", 1, (h) => {
    fill(h);
    h.ledger.heads = [];
    h.ledger.clock += 11 * 60_000;
    set(at.payA, "payments", { at: "2026-01-01T00:00:00.000000Z" })(h);
  }],
  ["the newest head taken out, its leaves left", "tree", at.head2 + 1, ({ ledger }) => {
    ledger.heads.pop();
    ledger.leavesTo = at.head3;
  }],
  ["the newest head and its leaves taken out, long after", "tree", at.head2 + 1, (h) => {
    fill(h);
    h.ledger.heads.pop();
    h.ledger.clock += 11 * 60_000;
  }],
  ["a head that names another before it", "tree", at.head2, ({ ledger }) => {
    const [, head] = ledger.heads;
    head.note = noteOf(ledger.key, head.size, head.root, 3);
  }],
  ["a head that names none before it", "head_signature", at.head2, ({ ledger }) => {
    ledger.heads[1].note = ledger.heads[1].note.replace(/previous \d+\n/, "");
  }],
  ["the newest head's root", "head_signature", at.head3, ({ ledger }) => ledger.heads[2].root.fill(3)],
  ["a payment that is not sealed yet", "content", at.unsealed, set(at.unsealed, "payments", { amount: "4" })],
]);

await expectOfInsider([
  // number
  ["a row behind the newest number", "number", at.unsealed + 7, ({ ledger }) => {
    ledger.strays.push({ table: "payment", seq: String(at.unsealed + 7), key: "0x00" });
  }],
  ["a row below all numbers", "number", undefined, ({ ledger }) => {
    ledger.strays.push({ table: "transfer", seq: "-4", key: "leg 0" });
  }],
  ["a row of no number", "number", undefined, ({ ledger }) => ledger.strays.push({ table: "event", key: "opened" })],
  ["a number that was given out and has no row", "number", at.unsealed + 1, ({ ledger }) => {
    ledger.entries.push({});
    ledger.leaves.push(leafOf(ledger.seq, {}));
  }],
  // channel_id
  ["a channel's receiver", "channel_id", at.unsealed, ({ a }) => { a.config.receiver = filled(0xee, 20); }],
  ["a channel's payer", "channel_id", at.refundB, ({ b }) => { b.config.payer = wallet(9).address; }],
  ["a channel's withdraw delay", "channel_id", at.refundB, ({ b }) => { b.config.withdrawDelay = 901; }],
  ["the escrow's address", "channel_id", at.unsealed, ({ ledger }) => {
    for (const asset of ledger.assets) asset.contract = filled(0x41, 20);
  }],
  ["the escrow's address, left out", "channel_id", at.unsealed, ({ ledger }) => {
    for (const asset of ledger.assets) delete asset.contract;
  }],
  ["a channel's token", "channel_id", at.unsealed, ({ a }) => { a.config.token = filled(0x60, 20); }],
  // content
  ["a payment's amount", "content", at.payA, set(at.payA, "payments", { amount: "99" })],
  ["a payment's details", "content", at.payA, set(at.payA, "payments", { detail: '{"model":"x"}' })],
  ["a payment's inference id", "content", at.payA, set(at.payA, "payments", { inferenceId: "a-9" })],
  ["a final charge made a partial one", "payment", at.finalA, (h) => {
    const { inferenceId, detail } = row(h, at.finalA, "payments");
    row(h, at.finalA, "payments").content = contentOf("i", 350n, inferenceId, detail);
  }],
  // evidence
  ["a voucher signed by somebody else", "evidence", at.payA, (h) => {
    const signature = signVoucher(wallet(9).secret, h.a.channelId, 100n);
    row(h, at.payA, "payments").signature = signature;
  }],
  ["another voucher's signature", "evidence", at.payA, (h) => {
    row(h, at.payA, "payments").signature = row(h, at.coveringA, "payments").signature;
  }],
  ["a signature with the other v", "evidence", at.payA, (h) => {
    const payment = row(h, at.payA, "payments");
    payment.signature = payment.signature.slice(0, -2) + (payment.signature.endsWith("1b") ? "1c" : "1b");
  }],
  ["a signature cut short", "evidence", at.payA, (h) => {
    row(h, at.payA, "payments").signature = row(h, at.payA, "payments").signature.slice(0, -2);
  }],
  ["a voucher raised with all that follows from it", "evidence", at.payA, (h) => {
    for (let seq = at.payA; seq <= at.coveringA; seq += 1) {
      const payment = row(h, seq, "payments");
      Object.assign(payment, { signedMax: String(BigInt(payment.signedMax) + 1000n) });
      Object.assign(payment, { voucherMax: payment.signedMax });
    }
  }],
  ["a pay without a voucher", "evidence", at.payA, (h) => {
    delete row(h, at.payA, "payments").voucherMax;
    delete row(h, at.payA, "payments").signature;
  }],
  ["a pay without its signature", "evidence", at.payA, (h) => delete row(h, at.payA, "payments").signature],
  ["a signature and a covering payment", "evidence", at.payA, set(at.payA, "payments", { coveredBy: "7" })],
  ["a charge with a voucher", "evidence", at.partialA, (h) => {
    const { voucherMax, signature } = row(h, at.authorizeA, "payments");
    Object.assign(row(h, at.partialA, "payments"), { voucherMax, signature });
  }],
  ["covered by a payment of another channel", "evidence", at.coveredA,
    set(at.coveredA, "payments", { coveredBy: String(at.authorizeB) })],
  ["covered by a payment without a signature", "evidence", at.coveredA,
    set(at.coveredA, "payments", { coveredBy: String(at.coveredA2) })],
  ["covered by a lower voucher", "evidence", at.coveredA, set(at.coveredA, "payments", { coveredBy: String(at.payA) })],
  ["covered by itself", "evidence", at.coveredA, set(at.coveredA, "payments", { coveredBy: String(at.coveredA) })],
  ["a payer authorizer called a contract", "evidence", at.unsealed, ({ a }) => { a.voucherSigner = "contract"; }],
  // authorization
  ["a payment's signedMax", "authorization", at.payA, set(at.payA, "payments", { signedMax: "101" })],
  ["a pay above its voucher", "authorization", at.unsealed + 1, ({ ledger, a }) => {
    ledger.pay(a, "a-8", 100n, { voucher: { max: a.signedMax + 1n } });
  }],
  ["an authorization above its voucher", "authorization", at.unsealed + 1, ({ ledger, a }) => {
    ledger.authorize(a, "a-8", 5000n, { noVoucher: true });
  }],
  ["a pay above the balance", "authorization", at.unsealed + 1, ({ ledger, c }) => ledger.pay(c, "c-2", 1000n)],
  // payment
  ["a payment's step", "payment", at.payA, set(at.payA, "payments", { step: "1" })],
  ["a payment's charged", "payment", at.payA, set(at.payA, "payments", { charged: "99" })],
  ["a payment's increment", "payment", at.payA, set(at.payA, "payments", { increment: "99" })],
  ["a payment's balance", "payment", at.payA, set(at.payA, "payments", { balance: "10001" })],
  ["a payment's reserved", "payment", at.authorizeA, set(at.authorizeA, "payments", { reserved: "499" })],
  ["a payment with its amount and content", "payment", at.payA, (h) => setAmount(h, at.payA, 99n)],
  ["a reservation made smaller than its charge", "payment", at.authorizeA, (h) => setAmount(h, at.authorizeA, 300n)],
  ["a payment's kind", "content", at.payA, set(at.payA, "payments", { kind: "authorize" })],
  ["an unknown kind", "payment", at.payA, set(at.payA, "payments", { kind: "gift" })],
  ["a payment taken out", "payment", at.coveredA2, drop(at.coveredA, "payments")],
  ["an authorization taken out", "payment", at.partialA, drop(at.authorizeA, "payments")],
  ["a partial charge taken out", "posting", at.partialA, drop(at.partialA, "payments")],
  ["a partial charge taken out with its posting", "payment", at.finalA, ({ ledger }) => {
    ledger.entries[at.partialA - 1] = {};
  }],
  ["a charge's step", "payment", at.finalA, set(at.finalA, "payments", { step: "3" })],
  ["a release's amount", "content", at.releaseB, set(at.releaseB, "payments", { amount: "1" })],
  ["a payment twice", "inference", at.unsealed + 1, ({ ledger }) => {
    ledger.entries.push(structuredClone(ledger.entries[at.coveredA - 1]));
    ledger.leaves.push(leafOf(ledger.seq, ledger.entries.at(-1)));
  }],
  ["a payment moved to another partition", "payment", at.payA,
    set(at.payA, "payments", { channelMonth: "2026-02-01" })],
  // inference
  ["an inference paid twice", "inference", at.unsealed + 1, ({ ledger, a }) => ledger.pay(a, "a-1", 5n)],
  ["an inference authorized again", "inference", at.unsealed + 1, ({ ledger, a }) => ledger.authorize(a, "a-5", 5n)],
  // event
  ["an event's balance", "event", at.depositA, tell(at.depositA, { balance: "10001" })],
  ["an event's charged", "balance", at.claimA, tell(at.claimA, { chargedCumulativeAmount: "599" })],
  ["an event's reserved amount", "event", at.claimA, tell(at.claimA, { reservedAmount: "7" })],
  ["an event's signedMaxClaimable", "evidence", at.claimA, tell(at.claimA, { signedMaxClaimable: "5000" })],
  ["an event's lower signedMaxClaimable", "event", at.claimA, tell(at.claimA, { signedMaxClaimable: "5" })],
  ["an event's signature", "event", at.claimA, tell(at.claimA, { signature: `0x${"11".repeat(65)}` })],
  ["an event's totalClaimed", "event", at.claimA, tell(at.claimA, { totalClaimed: "249" })],
  ["an event's withdrawRequestedAt as text", "event", at.claimA, tell(at.claimA, { withdrawRequestedAt: "0" })],
  ["an event's unknown status", "event", at.claimA, tell(at.claimA, { status: "gone" })],
  ["an event's config", "event", at.claimA, tell(at.claimA, { config: { payer: filled(1, 20) } })],
  ["an event's data that is no JSON", "event", at.claimA, set(at.claimA, "events", { data: "{" })],
  ["an event's data without a figure", "event", at.claimA, tell(at.claimA, { refundNonce: undefined })],
  ["an event's receiver", "event", at.claimA, set(at.claimA, "events", { receiver: filled(0xee, 20) })],
  ["an event's unknown topic", "event", at.claimA, set(at.claimA, "events", { topic: "gift" })],
  ["a deposit's amount", "event", at.depositA, (h) => {
    set(at.depositA, "chainEvents", { amount: "9999" })(h);
    set(at.depositA, "transfers", { amount: "9999" })(h);
  }],
  ["an opening's balance", "event", at.openB, (h) => {
    set(at.openB, "openings", { balance: "4999" })(h);
    set(at.openB, "transfers", { amount: "4299" })(h);
  }],
  ["more balance out of nothing", "event", at.unsealed + 1, ({ ledger, a }) => {
    a.balance += 1n;
    ledger.entry({ events: [ledger.event(a, "reconciled")] });
  }],
  ["a deposit without its event", "balance", at.depositC, drop(at.depositC, "events")],
  ["a refund after which charges are not covered", "event", at.unsealed + 1, ({ ledger, a }) => {
    ledger.refund(a, a.balance - 1n);
  }],
  // posting
  ["a posting's amount", "posting", at.payA, set(at.payA, "transfers", { amount: "99" })],
  ["a posting taken out", "posting", at.coveringA, drop(at.payA, "transfers")],
  ["a channel's last posting taken out", "posting", at.unsealed, drop(at.unsealed, "transfers")],
  ["a posting that leaves one out", "posting", at.coveringA,
    set(at.coveringA, "transfers", { firstSeq: String(at.coveredA2) })],
  ["a posting that sums twice", "posting", at.coveringA,
    set(at.coveringA, "transfers", { firstSeq: String(at.payA) })],
  ["a posting for somebody else", "posting", at.payA, set(at.payA, "transfers", { creditOwner: filled(0xee, 20) })],
  ["a posting of another cause", "balance", at.payA, set(at.payA, "transfers", { cause: "recharged" })],
  ["an unknown cause", "posting", at.payA, set(at.payA, "transfers", { cause: "gift" })],
  ["a transfer of nothing", "posting", at.payA, set(at.payA, "transfers", { amount: "0" })],
  ["a transfer of an unknown asset", "posting", at.payA, set(at.payA, "transfers", { token: filled(0x61, 20) })],
  ["a deposit's transfer taken out", "posting", at.depositA, drop(at.depositA, "transfers")],
  ["a deposit's transfer without its log", "event", at.depositA, drop(at.depositA, "chainEvents")],
  ["a second transfer of a deposit", "posting", at.depositA, ({ ledger }) => {
    const { transfers } = ledger.entries[at.depositA - 1];
    transfers.push({ ...transfers[0], leg: "1" });
  }],
  ["a claim into another account", "posting", at.claimA,
    set(at.claimA, "transfers", { creditOwner: filled(0xee, 20) })],
  ["a settlement of more than the chain's", "posting", at.settle, set(at.settle, "transfers", { amount: "251" })],
  ["a settlement taken out", "posting", at.settle, drop(at.settle, "transfers")],
  ["a settlement of nothing on chain", "posting", at.settle, drop(at.settle, "chainEvents")],
  ["a fee's amount", "posting", at.fee, set(at.fee, "transfers", { amount: "20999" })],
  ["a fee taken out", "posting", at.fee, drop(at.fee, "transfers")],
  ["a fee paid in tokens", "posting", at.fee, set(at.fee, "transfers", { token: kToken })],
  ["a reversal of another amount", "posting", at.reversalB, set(at.reversalB, "transfers", { amount: "1999" })],
  ["a reversal of another leg", "posting", at.reversalB, set(at.reversalB, "transfers", { reversesLeg: "1" })],
  ["a reversal without its transfer", "posting", at.reversalB, drop(at.reversalB, "transfers")],
  ["a transfer that turns round what is not undone", "event", at.reversalB, drop(at.reversalB, "reversals")],
  ["a withdrawal's transfer taken out", "posting", at.withdrawE, drop(at.withdrawE, "transfers")],
  ["charged after the fact, and not by the channel's figures", "balance", at.unsealed + 1, ({ ledger, a }) => {
    ledger.entry({ transfers: [ledger.transfer(0, "charged_after_the_fact", ["channel", a.channelId],
      ["earned", kReceiver], 5n)] });
  }],
  ["earned given back, and not by the channel's figures", "balance", at.unsealed + 1, ({ ledger, a }) => {
    ledger.entry({ transfers: [ledger.transfer(0, "uncollectable", ["earned", kReceiver],
      ["channel", a.channelId], 5n)] });
  }],
  // balance
  ["an account's credits", "balance", undefined, (h) => { accounts(h)[1].credits += 1n; }],
  ["an account's debits", "balance", undefined, (h) => { accounts(h)[0].debits -= 1n; }],
  ["an account taken out", "balance", undefined, (h) => accounts(h).shift()],
  ["an account that no transfer made", "balance", undefined, (h) => accounts(h).push({
    network: "eip155:31337", token: kToken, kind: "earned", owner: filled(0xee, 20), debits: 0n, credits: 5n,
  })],
  ["more settled than was claimed", "balance", at.unsealed + 1, ({ ledger }) => ledger.settle(kReceiver, 5n)],
  // channel
  ["a channel's balance", "channel", at.unsealed, ({ a }) => { a.balance += 1n; }],
  ["a channel's charged", "channel", at.unsealed, ({ a }) => { a.charged -= 1n; }],
  ["a channel's reserved", "channel", at.unsealed, ({ a }) => { a.reserved = 0n; }],
  ["a channel's refunding", "channel", at.refundB, ({ b }) => { b.refunding = 5n; }],
  ["a channel's signedMax", "channel", at.unsealed, ({ a }) => { a.signedMax += 1n; }],
  ["a channel's signature", "channel", at.unsealed, ({ a }) => {
    a.signature = signVoucher(wallet(9).secret, a.channelId, a.signedMax);
  }],
  ["a contract channel's signature", "channel", at.payC, ({ c }) => { c.signature = "0x11"; }],
  ["a channel's totalClaimed", "channel", at.unsealed, ({ a }) => { a.totalClaimed = 0n; }],
  ["a channel's status", "channel", at.withdrawE, ({ e }) => { e.status = "open"; }],
  ["a channel's app", "channel", at.unsealed, ({ a }) => { a.app = "other"; }],
  ["a channel's refund nonce", "channel", at.refundB, ({ b }) => { b.refundNonce = 0n; }],
  ["a channel's withdrawal", "channel", at.refundB, ({ b }) => { b.withdrawRequestedAt = 7; }],
  ["what a channel owes", "channel", at.unsealed, ({ a }) => { a.owed -= 1n; }],
  ["a channel's refunds", "channel", at.refundB, ({ b }) => { b.refundsBegun = 1n; }],
  ["a channel's doubt", "channel", at.refundB, ({ b }) => { b.inDoubt = "false"; }],
  ["a channel's month", "payment", at.payA, ({ a }) => { a.openedAt = a.openedAt.replace("2026-01", "2025-12"); }],
  ["a channel's number", "channel", at.payA, ({ a }) => { a.seq = BigInt(at.payA); }],
  ["figures of a channel without a row", "channel", 0, ({ d }) => { d.balance = 1n; }],
  ["a channel taken out", "channel", at.payA, ({ ledger }) => {
    ledger.channels.shift();
    delete ledger.entries[at.depositA - 1].events;
    delete ledger.entries[at.depositA - 1].chainEvents;
    delete ledger.entries[at.depositA - 1].transfers;
  }],
  ["a reservation taken out", "channel", at.unsealed, ({ a }) => a.open.clear()],
  ["a reservation made smaller", "channel", at.unsealed, ({ a }) => { a.open.get("a-6").max = 299n; }],
  ["a reservation's charged", "channel", at.unsealed, ({ a }) => { a.open.get("a-6").charged = 0n; }],
  ["a reservation's steps", "channel", at.unsealed, ({ a }) => { a.open.get("a-6").steps = 1; }],
  ["a reservation that no row opened", "channel", at.withdrawE, ({ e }) => {
    e.open.set("e-9", { max: 1n, charged: 0n, steps: 1 });
  }],
  // reversal
  ["an event undone twice", "reversal", at.unsealed + 1, ({ ledger, b }) => ledger.reverse(b, at.topUpB)],
  ["something undone that was no event", "reversal", at.reversalB,
    set(at.reversalB, "reversals", { eventSeq: String(at.payA) })],
  ["something undone that comes later", "reversal", at.reversalB,
    set(at.reversalB, "reversals", { eventSeq: String(at.depositE) })],
]);

test("each field of each table: a change of the row is found by its leaf, a change of both by the tree", async () => {
  const { ledger } = history();
  const changed = ([list, name, kind], value) => {
    if (kind === "i") return String(BigInt(value) + 1n);
    if (kind === "b") return value === "0x" ? "0x01" : value.slice(0, -1) + (value.endsWith("0") ? "1" : "0");
    if (kind === "m") return value.replace("2026", "2025");
    return name === "channelMonth" ? "2026-02-01" : `${value}x`;
  };
  for (const field of kFields) {
    const [list, name] = field;
    const i = ledger.entries.findIndex((entry) => entry[list]?.[0][name] !== undefined);
    const h = history();
    const target = h.ledger.entries[i][list][0];
    target[name] = changed(field, target[name]);
    const [found] = (await verifyLedger(h.ledger)).findings;
    assert.deepEqual([found.rule, found.seq], ["leaf", String(i + 1)], `${list}.${name}`);
    relog(h, i + 1);
    const rules = (await verifyLedger(h.ledger, { limit: 100 })).findings.map(({ rule }) => rule);
    assert.ok(rules.includes("tree"), `${list}.${name} and its leaf: ${rules}`);
  }
});

test("--all: several findings, in the order of their lines", async () => {
  const h = history();
  set(at.payA, "payments", { amount: "99" })(h);
  set(at.fee, "transfers", { amount: "20999" })(h);
  h.a.balance += 1n;
  const { findings } = await verifyLedger(h.ledger, { limit: 100 });
  const rules = findings.map(({ rule }) => rule);
  for (const rule of ["leaf", "content", "payment", "posting", "channel"]) assert.ok(rules.includes(rule), rule);
  assert.deepEqual(findings, findings.slice().sort((x, y) => x.line - y.line));
});
