// A cap of the caller's own is kept whatever happens, and what fits into it is paid.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { FileStorage, MemoryStorage, Millrace, SpendingCapExceeded } from "@millrace/client";
import { WebSocket } from "ws";
import { LyingService } from "./proxy.mjs";
import { devAccount, newAccount, Stack } from "./support.mjs";

const kDeposit = 1_000_000n;
const model = "m";
let stack;
let service;

before(async () => {
  stack = await Stack.start();
  service = await LyingService.start(stack.ready.stream);
});

after(async () => {
  await service?.stop();
  await stack?.stop();
});

const connect = (index, options) =>
  Millrace.connect({
    url: service.url,
    domain: new URL(stack.ready.stream).host,
    account: devAccount(index),
    WebSocket,
    ...options,
  });
const opened = (app) => app.openChannel({ receiver: newAccount().address, deposit: kDeposit });
const over = (field) => (error) => {
  assert.ok(error instanceof SpendingCapExceeded, error.stack);
  assert.equal(error.field, field);
  return true;
};

/** The highest voucher of each channel that has left this client. */
function signedInAll() {
  const highest = new Map();
  for (const { params } of service.signed) {
    if (!params.voucher) continue;
    const amount = BigInt(params.voucher.maxClaimableAmount);
    if (amount > (highest.get(params.channelId) ?? 0n)) highest.set(params.channelId, amount);
  }
  return [...highest.values()].reduce((sum, one) => sum + one, 0n);
}

test("100 payments at once over a cap: exactly what fits is paid, on one channel and on several", async () => {
  for (const [index, channels] of [
    [1, 1],
    [2, 4],
  ]) {
    service.signed.length = 0;
    const app = await connect(index, { spendingCap: { total: 1_050n } });
    const all = await Promise.all(Array.from({ length: channels }, () => opened(app)));
    const outcomes = await Promise.allSettled(
      Array.from({ length: 100 }, (_, n) => all[n % channels].pay({ model, amount: 100n })),
    );
    const paid = outcomes.filter(({ status }) => status === "fulfilled");
    assert.equal(paid.length, 10);
    for (const { reason } of outcomes.filter(({ status }) => status === "rejected")) over("total")(reason);
    // A smaller one still fits.
    await all[0].pay({ model, amount: 50n });
    await assert.rejects(all[0].pay({ model, amount: 1n }), over("total"));
    await assert.rejects(all[0].authorize({ model, maxAmount: 1n }), over("total"));
    assert.equal(signedInAll(), 1_050n);
    const charged = await Promise.all(all.map(async (channel) => (await channel.check()).charged));
    assert.equal(
      charged.reduce((sum, one) => sum + one, 0n),
      1_050n,
    );
    app.close();
  }
});

test("a single payment, a single deposit, all deposits: nothing is signed above", async () => {
  service.signed.length = 0;
  const app = await connect(3, {
    spendingCap: { perPayment: 500n, perDeposit: kDeposit, deposits: kDeposit + 10n },
  });
  await assert.rejects(
    app.openChannel({ receiver: newAccount().address, deposit: kDeposit + 1n }),
    over("perDeposit"),
  );
  assert.equal(service.signed.length, 0);
  const channel = await opened(app);
  const { length } = service.signed;
  await assert.rejects(channel.pay({ model, amount: 501n }), over("perPayment"));
  await assert.rejects(channel.authorize({ model, maxAmount: 501n }), over("perPayment"));
  await assert.rejects(channel.topUp(11n), over("deposits"));
  await assert.rejects(opened(app), over("deposits"));
  assert.equal(service.signed.length, length);
  await channel.topUp(10n);
  await channel.pay({ model, amount: 500n });
  app.close();
});

test("what was authorized and not charged does not use the cap up", async () => {
  const receiver = newAccount();
  const app = await connect(4, { spendingCap: { total: 1_000n } });
  const provider = await Millrace.connect({ url: stack.ready.stream, account: receiver, WebSocket });
  const channel = await app.openChannel({ receiver: receiver.address, deposit: kDeposit });
  const listening = await provider.provider().onAuthorized(async () => 10n);
  for (let n = 0; n < 5; n += 1) {
    const { settled } = await channel.authorize({ model, maxAmount: 900n });
    assert.equal(await settled, 10n);
  }
  await listening.close();
  assert.equal(channel.charged, 50n);
  assert.equal(channel.signed, 940n);
  provider.close();
  app.close();
});

test("a restart changes nothing of it, however the client ended", async () => {
  service.signed.length = 0;
  const folder = mkdtempSync(join(tmpdir(), "millrace-sdk-"));
  const options = () => ({
    storage: new FileStorage(folder),
    spendingCap: { total: 1_000n, deposits: kDeposit },
  });
  let id;
  let paid = 0n;
  for (let life = 0; life < 5; life += 1) {
    const app = await connect(5, options());
    const channel = id ? await app.resumeChannel(id) : await opened(app);
    id = channel.id;
    const outcomes = Promise.allSettled(Array.from({ length: 5 }, () => channel.pay({ model, amount: 70n })));
    // Two of the lives end while payments are on their way.
    if (life === 1 || life === 2) (service.cut(), app.close());
    for (const { value } of await outcomes) paid += value?.amount ?? 0n;
    await assert.rejects(opened(app), () => true);
    app.close();
    assert.ok(signedInAll() <= 1_000n, `${signedInAll()}`);
  }
  const last = await connect(5, options());
  const channel = await last.resumeChannel(id);
  assert.ok(channel.charged >= paid && channel.charged <= 1_000n);
  await assert.rejects(channel.pay({ model, amount: 1_000n - channel.charged + 1n }), over("total"));
  last.close();
  rmSync(folder, { recursive: true });
});

test("nothing leaves before the storage has it, and nothing at all when it cannot", async () => {
  const storage = new MemoryStorage();
  const app = await connect(6, { storage, spendingCap: { total: 1_000n } });
  const channel = await opened(app);
  service.signed.length = 0;
  const stored = [];
  const { set } = storage;
  storage.set = async (key, value) => {
    await new Promise((done) => setImmediate(done));
    stored.push({ key, value, signed: service.signed.length });
    await set.call(storage, key, value);
  };
  await channel.pay({ model, amount: 300n });
  const place = `spending:${app.address}:${stack.ready.network}:${stack.ready.token}`.toLowerCase();
  assert.deepEqual(
    stored.map(({ key, signed }) => [key, signed]),
    [
      [place, 0],
      [`channel:${channel.id}`, 0],
    ],
  );
  assert.equal(JSON.parse(stored[0].value).signed, "300");
  assert.equal(service.signed.length, 1);
  storage.set = () => Promise.reject(new Error("disk full"));
  await assert.rejects(channel.pay({ model, amount: 300n }), /disk full/);
  await assert.rejects(channel.topUp(300n), /disk full/);
  assert.equal(service.signed.length, 1);
  storage.set = set;
  await channel.pay({ model, amount: 300n });
  app.close();
});

test("what an earlier client has signed is counted when nothing is remembered of it", async () => {
  const first = await connect(7);
  const channel = await opened(first);
  await channel.authorize({ model, maxAmount: 600n });
  first.close();
  const second = await connect(7, { spendingCap: { total: 1_000n } });
  const resumed = await second.resumeChannel(channel.id);
  await resumed.pay({ model, amount: 400n });
  await assert.rejects(resumed.pay({ model, amount: 1n }), over("total"));
  second.close();
});

test("caps are bigints", async () => {
  for (const spendingCap of [{ total: 5 }, { perPayment: "5" }, { deposits: -1n }])
    await assert.rejects(connect(8, { spendingCap }), TypeError);
});
