// An app and a provider through the SDK, from the deposit to the payout and back.
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import {
  BalanceExceeded,
  BrowserStorage,
  ConnectionClosed,
  FileStorage,
  finalizeWithdraw,
  initiateWithdraw,
  kPermit2,
  MemoryStorage,
  Millrace,
  MillraceError,
  readEscrow,
  readWithdrawal,
  TimedOut,
} from "@millrace/client";
import { createWalletClient, http } from "viem";
import { WebSocket } from "ws";
import { assertBalanced, Chain, devAccount, newAccount, query, Stack, until } from "./support.mjs";

const kDeposit = 1_000_000n;
const model = "m";
let stack;
let chain;
const open = [];

before(async () => {
  stack = await Stack.start();
  chain = new Chain(stack.ready);
});

after(async () => {
  for (const one of open) one.close();
  await stack?.stop();
});

async function connect(account, options = {}) {
  const one = await Millrace.connect({ url: stack.ready.stream, account, WebSocket, ...options });
  open.push(one);
  return one;
}

/** An app with an open channel to a provider of its own. */
async function pair({ index = 1, deposit = kDeposit, options, ...more } = {}) {
  const receiver = newAccount();
  const app = await connect(devAccount(index), options);
  const channel = await app.openChannel({ receiver: receiver.address, deposit, ...more });
  return { app, channel, receiver, provider: (await connect(receiver)).provider() };
}

const reason = (name, field) => (error) => {
  assert.ok(error instanceof MillraceError, error.stack);
  assert.equal(error.reason, name, error.message);
  if (field) assert.equal(error.field, field);
  return true;
};

test("payments, many at once, come to exactly their sum on chain", async () => {
  const { channel, receiver, provider } = await pair({ app: "shop" });
  assert.equal(channel.status, "open");
  const payments = await Promise.all(
    Array.from({ length: 300 }, (_, n) =>
      channel.pay({ model, amount: BigInt(n + 1), units: "12", app: "shop" }),
    ),
  );
  const sum = BigInt((300 * 301) / 2);
  assert.equal(new Set(payments.map(({ seq }) => seq)).size, 300);
  await until(
    () => channel.charged,
    (charged) => charged === sum,
    { what: "the ledger" },
  );
  assert.equal(channel.signed, sum);
  const found = await channel.check();
  assert.equal(found.charged, sum);
  assert.equal(found.totalClaimed, 0n);
  const claim = await provider.claim();
  assert.equal(claim.amount, sum);
  assert.equal(await chain.tokenBalance(receiver.address), sum);
  await assertBalanced(stack.ready);
});

test("the same request again is the same payment, and costs nothing more", async () => {
  const { channel } = await pair();
  const first = await channel.pay({ id: "once", model, amount: 100n });
  const both = await Promise.all([
    channel.pay({ id: "twice", model, amount: 7n }),
    channel.pay({ id: "twice", model, amount: 7n }),
  ]);
  assert.deepEqual(both[0], both[1]);
  assert.deepEqual(await channel.pay({ id: "once", model, amount: 100n }), first);
  await assert.rejects(
    channel.pay({ id: "once", model, amount: 101n }),
    reason("idempotency_conflict", "id"),
  );
  await assert.rejects(
    channel.authorize({ id: "once", model, maxAmount: 100n }),
    reason("idempotency_conflict"),
  );
  await assert.rejects(channel.pay({ id: "not an id", model, amount: 1n }), reason("invalid_params", "id"));
  await assert.rejects(channel.pay({ model, amount: 5 }), TypeError);
  await assert.rejects(channel.pay({ model, amount: -5n }), RangeError);
  assert.equal(channel.signed, 107n);
  assert.equal((await channel.check()).charged, 107n);
});

test("authorizations are charged, in parts too, or released; the handler that throws releases", async () => {
  const { channel, provider } = await pair();
  const errors = [];
  const jobs = [];
  const listening = await provider.onAuthorized(
    async (job) => {
      jobs.push(job);
      if (job.model === "broken") throw new Error("out of memory");
      if (job.model === "free") return undefined;
      if (job.model === "parts") {
        await job.charge(10n, { final: false });
        await job.charge(25n, { final: false, usage: { outputTokens: 5 } });
        return job.charge(40n, { receipt: { of: "parts" } });
      }
      return 30n;
    },
    { onError: (error) => errors.push(error.message) },
  );
  const ask = (of, id) =>
    channel.authorize({ id, model: of, maxAmount: 100n, units: 3, requestHash: `0x${"1".repeat(64)}` });
  const authorizations = await Promise.all([
    ask("plain", "a"),
    ask("parts", "b"),
    ask("broken", "c"),
    ask("free", "d"),
  ]);
  assert.deepEqual(await Promise.all(authorizations.map(({ settled }) => settled)), [30n, 40n, 0n, 0n]);
  assert.deepEqual(errors, ["out of memory"]);
  assert.equal(channel.charged, 70n);
  assert.equal(channel.reserved, 0n);
  assert.equal(jobs.length, 4);
  assert.equal(jobs[0].maxAmount, 100n);
  assert.equal(jobs[0].units, 3);
  assert.equal(jobs[0].requestHash, `0x${"1".repeat(64)}`);
  // What was freed is promised again, without a higher voucher.
  const { signed } = channel;
  assert.equal(signed, 400n);
  await channel.pay({ model, amount: 300n });
  assert.equal(channel.signed, signed);
  await listening.close();
  assert.equal((await channel.check()).charged, 370n);
});

test("a provider that comes back works on what is open, and on nothing twice", async () => {
  const receiver = newAccount();
  const storage = new MemoryStorage();
  const app = await connect(devAccount(2));
  const channel = await app.openChannel({ receiver: receiver.address, deposit: kDeposit });
  const served = [];
  const listen = async () => {
    const side = await connect(receiver, { storage });
    const listening = await side.provider().onAuthorized(async ({ inferenceId }) => {
      served.push(inferenceId);
      return 5n;
    });
    return { side, listening };
  };
  const early = await channel.authorize({ id: "early", model, maxAmount: 10n });
  const first = await listen();
  assert.equal(await early.settled, 5n);
  await first.listening.close();
  first.side.close();
  const missed = await channel.authorize({ id: "missed", model, maxAmount: 10n });
  await channel.pay({ id: "paid", model, amount: 10n });
  // Also where nothing is remembered: what is concluded stays so.
  const forgetful = new MemoryStorage();
  for (const one of [storage, forgetful]) {
    const side = await connect(receiver, { storage: one });
    const listening = await side.provider().onAuthorized(async ({ inferenceId }) => {
      served.push(inferenceId);
      return 5n;
    });
    assert.equal(await missed.settled, 5n);
    const next = await channel.authorize({ id: one === storage ? "next" : "last", model, maxAmount: 10n });
    assert.equal(await next.settled, 5n);
    await listening.close();
    side.close();
  }
  assert.deepEqual(served, ["early", "missed", "next", "last"]);
});

test("a claim is waited for; nothing due is an error that says so", async () => {
  const { channel, provider, receiver } = await pair();
  await assert.rejects(provider.claim(), reason("invalid_batch_settlement_evm_nothing_to_settle"));
  await channel.pay({ model, amount: 55n });
  const queued = await provider.claim({ wait: false });
  const claim = await until(
    () => provider.getClaim(queued.claimId),
    ({ status }) => status === "confirmed",
    { what: "the claim" },
  );
  assert.equal(claim.channels, 1);
  assert.equal(await chain.tokenBalance(receiver.address), 55n);
  const channels = [];
  for await (const one of provider.channels()) channels.push(one);
  assert.deepEqual(
    channels.map(({ channelId }) => channelId),
    [channel.id],
  );
});

test("top-ups: by hand, by themselves, and not beyond what is allowed", async () => {
  const { channel } = await pair({ deposit: 1_000n });
  await assert.rejects(channel.pay({ model, amount: 1_001n }), BalanceExceeded);
  assert.equal(channel.signed, 0n);
  await channel.topUp(500n);
  assert.equal(channel.balance, 1_500n);
  await channel.pay({ model, amount: 1_001n });

  const cap = { perDeposit: 2_000n, deposits: 3_000n };
  const automatic = await pair({
    index: 2,
    deposit: 1_000n,
    topUp: { amount: 2_000n },
    options: { spendingCap: cap },
  });
  const paid = await Promise.all(
    Array.from({ length: 30 }, () => automatic.channel.pay({ model, amount: 100n })),
  );
  assert.equal(paid.length, 30);
  assert.equal(automatic.channel.balance, 3_000n);
  await assert.rejects(
    automatic.channel.pay({ model, amount: 1n }),
    reason("spending_cap_exceeded", "deposits"),
  );
  await assert.rejects(automatic.channel.topUp(1n), reason("spending_cap_exceeded", "deposits"));
  assert.equal((await automatic.channel.check()).balance, 3_000n);
});

test("Permit2 deposits", async () => {
  const account = devAccount(3);
  await chain.approve(account, kPermit2, 10n * kDeposit);
  const { channel } = await pair({ index: 3, method: "permit2" });
  await channel.topUp(77n);
  await channel.pay({ model, amount: 77n });
  assert.equal((await channel.check()).balance, kDeposit + 77n);
});

test("vouchers by a key of their own", async () => {
  const voucherAccount = newAccount();
  const { channel, provider, receiver } = await pair({ index: 4, options: { voucherAccount } });
  assert.equal(channel.config.payerAuthorizer, voucherAccount.address);
  await channel.pay({ model, amount: 99n });
  await provider.claim();
  assert.equal(await chain.tokenBalance(receiver.address), 99n);
});

test("refunds: a part, and the rest at the end", async () => {
  const { app, channel, provider } = await pair({ index: 5 });
  const held = await chain.tokenBalance(app.address);
  await channel.pay({ model, amount: 400n });
  const part = await channel.refund({ amount: 1_000n });
  assert.equal(part.amount, 1_000n);
  assert.equal(channel.balance, kDeposit - 1_000n);
  await channel.pay({ model, amount: 100n });
  const authorization = await channel.authorize({ id: "open", model, maxAmount: 50n });
  await provider.charge(channel.id, "open", 20n);
  assert.equal(await authorization.settled, 20n);
  const rest = await channel.close();
  assert.equal(rest.amount, kDeposit - 1_520n);
  assert.equal(await chain.tokenBalance(app.address), held + 1_000n + rest.amount);
  await assert.rejects(channel.pay({ model, amount: 1n }), reason("channel_not_open"));
  await assertBalanced(stack.ready);
});

test("the way out without the service: a timed withdrawal with nothing but the storage and the chain", async () => {
  const folder = mkdtempSync(join(tmpdir(), "millrace-sdk-"));
  const storage = new FileStorage(folder);
  const account = devAccount(6);
  const { app, channel } = await pair({ index: 6, options: { storage } });
  await channel.pay({ model, amount: 300n });
  const [record] = await app.storedChannels();
  app.close();
  const wallet = createWalletClient({ account, chain: chain.chain, transport: http() });
  assert.equal(await readWithdrawal(chain.rpc, record), undefined);
  const { blockNumber } = await chain.receipt(await initiateWithdraw(wallet, record, kDeposit));
  const pending = await readWithdrawal(chain.rpc, record);
  assert.equal(pending.amount, kDeposit);
  const requestedAt = await chain.time(blockNumber);
  assert.equal(pending.availableAt - requestedAt, BigInt(record.config.withdrawDelay));
  // The provider is paid what it earned, and the channel takes no more.
  await until(
    () => readEscrow(chain.rpc, record),
    ({ totalClaimed }) => totalClaimed === 300n,
    { what: "the claim" },
  );
  const again = await connect(account, { storage });
  const resumed = await again.resumeChannel(channel.id);
  assert.equal(resumed.status, "closing");
  await assert.rejects(resumed.pay({ model, amount: 1n }), reason("channel_closing"));
  const held = await chain.tokenBalance(account.address);
  await chain.passTime(record.config.withdrawDelay);
  await chain.receipt(await finalizeWithdraw(wallet, record));
  assert.equal(await chain.tokenBalance(account.address), held + kDeposit - 300n);
  rmSync(folder, { recursive: true });
});

test("a payer that sees its channel closing stops at once", async () => {
  const { channel } = await pair({ index: 7 });
  await channel.pay({ model, amount: 1n });
  await chain.transact(devAccount(7), "initiateWithdraw", [channel.config, 5n]);
  await until(
    () => channel.status,
    (status) => status === "closing",
    { what: "the status" },
  );
  await assert.rejects(channel.pay({ model, amount: 1n }), reason("channel_closing"));
});

test("a restart: with a storage, without, and in the middle of a deposit", async () => {
  const folder = mkdtempSync(join(tmpdir(), "millrace-sdk-"));
  const options = { storage: new FileStorage(folder) };
  const { app, channel, receiver } = await pair({ index: 8, options });
  await channel.pay({ id: "before", model, amount: 100n });
  await channel.authorize({ id: "held", model, maxAmount: 40n });
  app.close();
  for (const again of [
    await connect(devAccount(8), { storage: new FileStorage(folder) }),
    await connect(devAccount(8)),
  ]) {
    const resumed = await again.resumeChannel(channel.id);
    assert.ok(resumed.charged + resumed.reserved <= resumed.signed);
    const repeated = await resumed.pay({ id: "before", model, amount: 100n });
    assert.equal(repeated.charged, 100n);
    await resumed.pay({ model, amount: 5n });
    assert.equal(await again.resumeChannel(channel.id), resumed);
    again.close();
  }
  // `channel` finds the one that is there.
  const third = await connect(devAccount(8), { storage: new FileStorage(folder) });
  const found = await third.channel({ receiver: receiver.address, deposit: kDeposit });
  assert.equal(found.id, channel.id);
  assert.equal(found.charged, 110n);

  // Ended between the signature and the answer: the same deposit is sent again, and is one deposit.
  const key = `channel:${channel.id}`;
  const storage = new FileStorage(folder);
  await found.topUp(1_234n);
  third.close();
  const done = JSON.parse(await storage.get(key));
  const held = await chain.tokenBalance(devAccount(8).address);
  const fourth = await connect(devAccount(8), { storage });
  const topped = await fourth.resumeChannel(channel.id);
  assert.equal(topped.balance, kDeposit + 1_234n);
  assert.equal(done.deposit, undefined);
  assert.equal(await chain.tokenBalance(devAccount(8).address), held);
  fourth.close();
  rmSync(folder, { recursive: true });
});

test("an opening that ended before the service heard of it goes on with the same deposit", async () => {
  const storage = new MemoryStorage();
  const account = devAccount(9);
  const receiver = newAccount().address;
  const first = await connect(account, { storage });
  // The connection goes once the deposit is in the storage.
  const { set } = storage;
  storage.set = async (key, value) => {
    await set.call(storage, key, value);
    if (key.startsWith("channel:")) first.close();
  };
  await assert.rejects(first.openChannel({ receiver, deposit: kDeposit }), ConnectionClosed);
  storage.set = set;
  const second = await connect(account, { storage });
  const [record] = await second.storedChannels();
  assert.equal(record.deposit.deposit.amount, String(kDeposit));
  const channel = await second.channel({ receiver, deposit: kDeposit });
  assert.equal(channel.id, record.channelId);
  assert.equal(channel.balance, kDeposit);
  assert.equal((await second.storedChannels())[0].deposit, undefined);
});

test("what an inference came to is proven from the log, whose heads have to go on from each other", async () => {
  const storage = new MemoryStorage();
  const { channel, provider } = await pair({ index: 2, options: { storage } });
  await channel.pay({ id: "paid", model, amount: 10n });
  const authorization = await channel.authorize({ id: "job", model, maxAmount: 50n });
  await provider.charge(channel.id, "job", 20n);
  assert.equal(await authorization.settled, 20n);
  const { key } = await (await fetch(`${stack.ready.url}/v1/log/key`)).json();
  const [paid] = await channel.verifyPayment("paid", { key });
  assert.equal(paid.amount, 10n);
  const job = await channel.verifyPayment("job");
  assert.deepEqual(
    job.map(({ kind, increment }) => [kind, increment]),
    [
      ["authorize", 0n],
      ["charge", 20n],
    ],
  );
  await assert.rejects(channel.verifyPayment("never"), MillraceError);

  await assert.rejects(
    channel.verifyPayment("job", { key: key.replace(/.$/, (last) => (last === "x" ? "y" : "x")) }),
    reason("server_mismatch", "key"),
  );
  const [place] = await storage.keys("log:head:");
  const head = JSON.parse(await storage.get(place));
  await storage.set(place, JSON.stringify({ ...head, root: `0x${"2".repeat(64)}` }));
  await channel.pay({ id: "later", model, amount: 1n });
  await assert.rejects(channel.verifyPayment("later"), reason("server_mismatch", "checkpoint"));
  await storage.set(place, JSON.stringify({ ...head, size: "999999" }));
  await assert.rejects(channel.verifyPayment("later"), reason("server_mismatch", "checkpoint"));
  await storage.set(place, JSON.stringify(head));
  assert.equal((await channel.verifyPayment("later")).length, 1);
});

test("a proof that is altered proves nothing", async () => {
  let alter = (proof) => proof;
  const altering = async (input, init) => {
    const response = await fetch(input, init);
    if (!String(input).includes("/proof?inferenceId")) return response;
    return Response.json(alter(await response.json()));
  };
  const { channel } = await pair({ index: 3, options: { fetch: altering } });
  await channel.pay({ id: "paid", model, amount: 10n });
  await until(
    () =>
      channel.verifyPayment("paid").then(
        () => true,
        () => false,
      ),
    Boolean,
    { what: "the seal" },
  );
  const other = `0x${"3".repeat(64)}`;
  const update = (change) => (proof) => ({
    ...proof,
    updates: proof.updates.map((one) => ({ ...one, ...change(one) })),
  });
  for (const [field, change] of [
    ["leafHash", update(({ leaf }) => ({ leaf: leaf.replace(/.$/, (last) => (last === "0" ? "1" : "0")) }))],
    ["leafHash", update(() => ({ leafHash: other }))],
    ["path", update(({ path }) => ({ path: [other, ...path.slice(1)] }))],
    ["path", update(({ leafIndex }) => ({ leafIndex: String(BigInt(leafIndex) + 1n) }))],
    ["root", (proof) => ({ ...proof, root: other })],
    ["root", (proof) => ({ ...proof, treeSize: String(BigInt(proof.treeSize) + 1n) })],
    ["checkpoint", (proof) => ({ ...proof, checkpoint: proof.checkpoint.replace(/\n\d+\n/, "\n9999\n") })],
    ["updates", (proof) => ({ ...proof, updates: [] })],
  ]) {
    alter = change;
    await assert.rejects(channel.verifyPayment("paid"), reason("server_mismatch", field), field);
  }
});

test("time-outs and signals end the waiting, and what is not signed stays so", async () => {
  const { channel, app } = await pair({ index: 4 });
  const aborted = AbortSignal.abort(new Error("changed my mind"));
  await assert.rejects(channel.pay({ model, amount: 5n, signal: aborted }), /changed my mind/);
  assert.equal(channel.signed, 0n);
  const late = channel.pay({ id: "late", model, amount: 5n, timeoutMs: 0 });
  await assert.rejects(late, TimedOut);
  const paid = await channel.pay({ id: "late", model, amount: 5n });
  assert.equal(paid.charged, 5n);
  app.close();
  await assert.rejects(channel.pay({ model, amount: 5n }), ConnectionClosed);
  await assert.rejects(
    Millrace.connect({
      url: "ws://127.0.0.1:1/v1/stream",
      account: newAccount(),
      connectTimeoutMs: 300,
      WebSocket,
    }),
    (error) =>
      error instanceof ConnectionClosed &&
      /connect to ws:\/\/127\.0\.0\.1:1\/v1\/stream: .*ECONNREFUSED.*Does the service run/.test(error.message),
  );
});

test("an error of the service has its reason, its field and its limit", async () => {
  const { app, channel } = await pair({ index: 5 });
  await assert.rejects(app.resumeChannel(`0x${"1".repeat(64)}`), reason("channel_unknown"));
  const stranger = await connect(newAccount());
  await assert.rejects(stranger.resumeChannel(channel.id), MillraceError);
  await assert.rejects(
    stranger.openChannel({ receiver: newAccount().address, deposit: 5n }),
    reason("invalid_batch_settlement_evm_insufficient_balance"),
  );
  await assert.rejects(
    app.openChannel({ receiver: newAccount().address, token: newAccount().address }),
    /token has to be one of/,
  );
});

test("storages keep what they are given, and what is damaged is not taken for nothing", async () => {
  const folder = mkdtempSync(join(tmpdir(), "millrace-sdk-"));
  const values = new Map();
  const web = {
    get length() {
      return values.size;
    },
    key: (index) => [...values.keys()][index] ?? null,
    getItem: (key) => values.get(key) ?? null,
    setItem: (key, value) => values.set(key, value),
  };
  for (const storage of [
    new MemoryStorage(),
    new BrowserStorage(web),
    new FileStorage(join(folder, "new")),
  ]) {
    assert.equal(await storage.get("a:b/c"), undefined);
    assert.deepEqual(await storage.keys("a"), []);
    await storage.set("a:b/c", "1");
    await storage.set("a:b/c", "2");
    await storage.set("b", "3");
    assert.equal(await storage.get("a:b/c"), "2");
    assert.deepEqual(await storage.keys("a:"), ["a:b/c"]);
  }
  const file = readdirSync(join(folder, "new")).find((name) => name.startsWith("a"));
  assert.equal(readFileSync(join(folder, "new", file), "utf8"), "2");

  const storage = new FileStorage(join(folder, "damaged"));
  const { app } = await pair({ index: 6, options: { storage } });
  app.close();
  for (const name of readdirSync(join(folder, "damaged"))) writeFileSync(join(folder, "damaged", name), "{");
  const again = await connect(devAccount(6), { storage });
  await assert.rejects(again.openChannel({ receiver: newAccount().address, deposit: 1n }), /damaged/);
  await assert.rejects(again.storedChannels(), /damaged/);
  rmSync(folder, { recursive: true });
});
