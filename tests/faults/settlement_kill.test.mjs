import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Chain, devAccount, newAccount } from "../e2e/chain.mjs";
import { Client, until, wait } from "../e2e/client.mjs";
import { query } from "../e2e/postgres.mjs";
import { HeldStep } from "./held_step.mjs";
import { assertBalanced, Stack } from "../e2e/stack.mjs";
import { seededRandom } from "./seed.mjs";

const kLong = process.env.MILLRACE_LONG === "1";
const kKills = kLong ? 80 : 10;
const kPayers = 6;
const kDeposit = 10_000_000n;
const kRowsPerTransaction = 2;
/** Wei per gas: above the cap of fees, so that not even a raised one is mined. */
const kDear = 300_000_000_000;
const kCheap = 1_000_000_000;

const random = seededRandom("settlement_kill.test.mjs");
let stack;
let chain;
let provider;
let lanes;

before(async () => {
  stack = await Stack.start({ env: { MILLRACE_LEDGER__SHARDS: "2" } });
  await restartWithSmallClaims();
  chain = new Chain(stack.ready);
  const receiver = newAccount();
  provider = await Client.login(stack.ready.stream, receiver);
  lanes = await Promise.all(
    Array.from({ length: kPayers }, async (_, index) => {
      const payer = await Client.login(stack.ready.stream, devAccount(index));
      const wallet = await chain.tokenBalance(payer.account.address);
      const channel = await payer.open(receiver.address, { deposit: kDeposit });
      return { payer, channel, wallet, asked: 0, promisedBack: [] };
    }),
  );
});

after(async () => {
  for (const { connection } of [provider, ...(lanes ?? []).map(({ payer }) => payer)])
    connection?.cut();
  await stack?.stop();
});

/** So that a claim of more than two channels takes more than one transaction. */
async function restartWithSmallClaims() {
  const file = join(stack.data, "millrace.toml");
  const before = readFileSync(file, "utf8");
  const rows = `[[networks]]\nclaim_rows_max = ${kRowsPerTransaction}\n`;
  writeFileSync(file, before.replace("[[networks]]\n", rows));
  const pid = stack.ready.pids.service;
  process.kill(pid, "SIGTERM");
  await stack.readyWhere((ready) => ready.pids.service !== pid);
}

async function reconnect(client) {
  client.connection.cut();
  const again = await Client.withToken(stack.ready.stream, client.account, client.session.token);
  client.connection = again.connection;
}

/** What the service answers before it dies, or an error that a kill explains. */
async function attempt(call) {
  try {
    return await call();
  } catch (error) {
    if (error.name !== "StreamError") return undefined;
    const allowed = ["unavailable", "overloaded", "nothing_to_settle", "rpc_read_failed"];
    assert.ok(allowed.some((reason) => error.reason?.endsWith(reason)), error.message);
    return undefined;
  }
}

async function payAndAskBack(lane, round) {
  const { payer, channel } = lane;
  await attempt(() => payer.pay(channel, { id: `p-${round}` }, BigInt(random.between(1, 5000))));
  if (random.chance(0.3)) return;
  await wait(random.between(0, 60));
  lane.asked += 1;
  const sent = await attempt(() => payer.refund(channel, BigInt(random.between(1, 20_000))));
  if (sent) lane.promisedBack.push(BigInt(sent.amount));
}

async function comeBack(pid) {
  await stack.readyWhere((ready) => ready.pids.service !== pid);
  await Promise.all([provider, ...lanes.map(({ payer }) => payer)].map(reconnect));
}

/** kill -9 while payments, claims with their sweeps, and refunds are under way. */
async function killUnderWay(round) {
  const pid = stack.ready.pids.service;
  const work = lanes.map((lane) => payAndAskBack(lane, round));
  work.push(
    wait(random.between(0, 80)).then(() => attempt(() => provider.call("settlement.claim", {}))),
  );
  await wait(random.between(0, 250));
  process.kill(pid, "SIGKILL");
  await Promise.all(work);
  await comeBack(pid);
}

const kUnfinished = `
  select (select count(*) from outbox where status in ('queued', 'sent'))
       + (select count(*) from claim where status in ('queued', 'sent'))
       + (select count(*) from channel where refunding > 0) as count`;
const kRefunds = `
  select r.amount::text, coalesce(o.status, 'given up') as status
  from refund r left join outbox o on o.purpose = 'refund' and o.reference = r.reference
  where r.channel_id = decode($1, 'hex') order by r.number`;

async function untilQuiet() {
  await until(
    async () => Number((await query(stack.ready.postgres, kUnfinished))[0].count),
    (count) => count === 0,
    { what: "work under way" },
  );
}

/** Every refund that was sent was paid once, and what was promised to the payer was sent. */
async function verify(lane) {
  const { payer, channel } = lane;
  const rows = await query(stack.ready.postgres, kRefunds, [channel.id.slice(2)]);
  const sent = rows.filter(({ status }) => status !== "given up");
  assert.deepEqual([...new Set(sent.map(({ status }) => status))].filter((s) => s !== "confirmed"), []);
  const paid = await chain.refunds(channel.id);
  assert.deepEqual(paid.map(String), sent.map(({ amount }) => amount));
  assert.ok(rows.length <= lane.asked, "more refunds than were asked for");
  const left = [...paid];
  for (const amount of lane.promisedBack) {
    const at = left.indexOf(amount);
    assert.notEqual(at, -1, `a refund of ${amount} was promised and not paid`);
    left.splice(at, 1);
  }
  const total = paid.reduce((sum, amount) => sum + amount, 0n);
  const wallet = await chain.tokenBalance(payer.account.address);
  assert.equal(wallet, lane.wallet - kDeposit + total, "the payer has its refunds, each once");
  const [found, onChain, nonce] = await Promise.all([
    payer.get(channel.id),
    chain.channel(channel.id),
    chain.refundNonce(channel.id),
  ]);
  assert.equal(found.balance, String(onChain.balance));
  assert.equal(found.totalClaimed, String(onChain.totalClaimed));
  assert.equal(found.refundNonce, String(nonce));
  assert.equal(nonce, BigInt(paid.length));
  channel.promised = BigInt(found.chargedCumulativeAmount);
  return BigInt(found.chargedCumulativeAmount);
}

/** Claims what is left: the provider has each charged unit once, and the rest is in the contract. */
async function verifySettled() {
  await attempt(() => provider.claim());
  await untilQuiet();
  let charged = 0n;
  for (const lane of lanes) charged += await verify(lane);
  assert.equal(await chain.tokenBalance(provider.account.address), charged, "swept, each unit once");
  const [{ escrow }] = await query(
    stack.ready.postgres,
    "select sum(debits - credits)::text as escrow from account where kind = 'escrow'",
  );
  assert.equal(String(await chain.tokenBalance(stack.ready.contract)), escrow);
  await assertBalanced(stack.ready);
}

const claimIsNow = (status) => `new.purpose = 'claim' and new.status = '${status}'`;
const refundIsNow = (status) => `new.purpose = 'refund' and new.status = '${status}'`;

/**
 * What the service writes down on the way of a claim with its sweep, of a sweep by itself, and of a
 * refund, which claims first, in this order.
 */
const kSteps = {
  claim: [
    ["outbox", "insert", claimIsNow("queued")],
    ["outbox", "update", claimIsNow("sent")],
    ["chain_event", "insert", "new.kind = 'claimed'"],
    ["chain_event", "insert", "new.kind = 'settled'"],
    ["chain_cursor", "update", "true"],
    ["chain_event", "insert", "new.kind = 'fee_paid'"],
    ["outbox", "update", claimIsNow("confirmed")],
  ],
  settle: [
    ["outbox", "insert", claimIsNow("queued")],
    ["outbox", "update", claimIsNow("sent")],
    ["chain_event", "insert", "new.kind = 'settled'"],
    ["chain_event", "insert", "new.kind = 'fee_paid'"],
    ["outbox", "update", claimIsNow("confirmed")],
  ],
  refund: [
    ["channel", "update", "new.refunding > 0 and old.refunding = 0"],
    ["refund", "insert", "true"],
    ["outbox", "update", refundIsNow("sent")],
    ["chain_event", "insert", "new.kind = 'claimed'"],
    ["chain_event", "insert", "new.kind = 'refunded'"],
    ["chain_cursor", "update", "true"],
    ["chain_event", "insert", "new.kind = 'fee_paid'"],
    ["outbox", "update", refundIsNow("confirmed")],
  ],
};

let kills = 0;

/** Transactions of claims that were ever written down. */
async function claimsSent() {
  const [{ count }] = await query(
    stack.ready.postgres,
    "select count(*)::int as count from outbox where purpose = 'claim'",
  );
  return count;
}

const mine = (automatically) =>
  chain.rpc.request({ method: "evm_setAutomine", params: [automatically] });

/** As if the service had been killed between the commit and the broadcast. */
async function forgetTransactions() {
  const { pending } = await chain.rpc.request({ method: "txpool_content", params: [] });
  const hashes = Object.values(pending).flatMap((byNonce) => Object.values(byNonce));
  for (const { hash } of hashes)
    await chain.rpc.request({ method: "anvil_dropTransaction", params: [hash] });
  return hashes.length;
}

const isClaim = (what) => what !== "refund";

/** Charges of so many channels; for a sweep by itself, claimed by a refund already. */
async function somethingToSettle(what, channels) {
  for (const lane of lanes.slice(0, channels))
    await lane.payer.pay(lane.channel, { id: `s-${++kills}` }, 100n);
  if (what !== "settle") return;
  const [lane] = lanes;
  lane.asked += 1;
  const { amount } = await lane.payer.refund(lane.channel, 10n);
  lane.promisedBack.push(BigInt(amount));
  await untilQuiet();
}

function begin(what) {
  const [lane] = lanes;
  if (!isClaim(what)) lane.asked += 1;
  return attempt(() =>
    isClaim(what) ? provider.call("settlement.claim", {}) : lane.payer.refund(lane.channel, 10n),
  );
}

/** After the service was killed: what was under way is done once, whatever became of its answer. */
async function verifyOnce(what, { work, pid, claimsBefore, sentBefore, transactions = 1 }) {
  const [lane] = lanes;
  const sent = await work;
  if (what === "refund" && sent) lane.promisedBack.push(BigInt(sent.amount));
  await comeBack(pid);
  await untilQuiet();
  await verifySettled();
  // The contract would skip a second claim of the same charge, and say nothing.
  assert.equal((await chain.claims(lane.channel.id)) - claimsBefore, what === "settle" ? 0 : 1);
  if (isClaim(what)) assert.equal((await claimsSent()) - sentBefore, transactions);
}

/** Stops the service right where it has done all that precedes a step, and kills it there. */
async function killBefore(what, step, { broadcast = true, transactions = 1 } = {}) {
  const [lane] = lanes;
  await somethingToSettle(what, kRowsPerTransaction * (transactions - 1) + 1);
  const claimsBefore = await chain.claims(lane.channel.id);
  const sentBefore = await claimsSent();
  if (!broadcast) await mine(false);
  const held = await HeldStep.set(stack.ready.postgres, ...step);
  const pid = stack.ready.pids.service;
  const work = begin(what);
  await held.untilReached();
  process.kill(pid, "SIGKILL");
  await held.clear();
  if (!broadcast) {
    assert.equal(await forgetTransactions(), 1);
    await mine(true);
  }
  await verifyOnce(what, { work, pid, claimsBefore, sentBefore, transactions });
}

async function priceOfNextBlock(wei) {
  const params = [`0x${wei.toString(16)}`];
  await chain.rpc.request({ method: "anvil_setNextBlockBaseFeePerGas", params });
}

/** Blocks that are too dear for what waits, until `reached`. */
async function dearBlocksUntil(reached) {
  let over = false;
  const end = reached.finally(() => {
    over = true;
  });
  while (!over) {
    await priceOfNextBlock(kDear);
    await chain.rpc.request({ method: "evm_mine", params: [] });
    await Promise.race([end, wait(300)]);
  }
  return end;
}

async function raised() {
  const counted = "select count(*)::int as count from outbox_attempt";
  const [{ count }] = await query(stack.ready.postgres, counted);
  return count;
}

function untilRaised(before) {
  return until(raised, (count) => count > before, { what: "a raised fee", milliseconds: 30_000 });
}

/** While fees are raised, or once they are: then with what was broadcast forgotten. */
async function killAtRaise(what, { forgotten }) {
  await somethingToSettle(what, 1);
  const claimsBefore = await chain.claims(lanes[0].channel.id);
  const sentBefore = await claimsSent();
  const raisedBefore = await raised();
  await mine(false);
  const held = forgotten
    ? undefined
    : await HeldStep.set(stack.ready.postgres, "outbox_attempt", "insert", "true");
  const pid = stack.ready.pids.service;
  const work = begin(what);
  await work;
  await dearBlocksUntil(held ? held.untilReached() : untilRaised(raisedBefore));
  process.kill(pid, "SIGKILL");
  await held?.clear();
  // The node may have thrown out by itself what it could not mine at that price.
  if (forgotten) await forgetTransactions();
  else await dearBlocksUntil(untilRaised(raisedBefore));
  await priceOfNextBlock(kCheap);
  await chain.mineByItself(true);
  await verifyOnce(what, { work, pid, claimsBefore, sentBefore });
}

for (const [what, steps] of Object.entries(kSteps))
  test(`kill -9 before each step of a ${what}: exactly once`, async (t) => {
    for (const step of steps)
      await t.test(step.join(" "), () => killBefore(what, step));
    const sent = steps.find(([, , when]) => when.includes("'sent'"));
    await t.test("never broadcast", () => killBefore(what, sent, { broadcast: false }));
  });

test("kill -9 between the broadcasts of a claim of two transactions: exactly once", async (t) => {
  const [{ next }] = await query(
    stack.ready.postgres,
    "select max(nonce)::int + 1 as next from outbox",
  );
  for (const at of [0, 1])
    await t.test(`transaction ${at + 1} broadcast, and not known to be`, () => {
      const nonce = next + 3 * at;
      const step = ["outbox", "update", `${claimIsNow("sent")} and new.nonce = ${nonce}`];
      return killBefore("claim", step, { transactions: 2 });
    });
});

test("kill -9 while fees are raised: exactly once", async (t) => {
  const cases = [
    ["claim", false],
    ["refund", true],
    ...(kLong ? [["claim", true], ["refund", false]] : []),
  ];
  for (const [what, forgotten] of cases)
    await t.test(`${what}: ${forgotten ? "never broadcast" : "before it is written down"}`, () =>
      killAtRaise(what, { forgotten }),
    );
});

test(`kill -9 within claims, sweeps and refunds, ${kKills} times: each exactly once`, async (t) => {
  for (let round = 1; round <= kKills; ++round) {
    await killUnderWay(round);
    await untilQuiet();
    for (const lane of lanes) await verify(lane);
    await assertBalanced(stack.ready);
  }
  const refunds = await Promise.all(lanes.map(({ channel }) => chain.refunds(channel.id)));
  t.diagnostic(`${refunds.flat().length} refunds, ${lanes.reduce((n, { asked }) => n + asked, 0)} asked`);
  await verifySettled();
});
