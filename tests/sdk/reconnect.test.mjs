// The service is killed while payments stream: each payment is made once, and none is lost.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { ConnectionClosed, MemoryStorage, Millrace } from "@millrace/client";
import { WebSocket } from "ws";
import { LyingService } from "./proxy.mjs";
import { assertBalanced, devAccount, newAccount, query, Stack, until } from "./support.mjs";

const kKills = 3;
const kPayments = 1_000;
const kTimeoutMs = 120_000;
let stack;
const open = [];

before(async () => {
  stack = await Stack.start();
});

after(async () => {
  for (const one of open) one.close();
  await stack?.stop();
});

async function connect(account, options) {
  const one = await Millrace.connect({
    url: stack.ready.stream,
    account,
    timeoutMs: kTimeoutMs,
    WebSocket,
    ...options,
  });
  open.push(one);
  return one;
}

async function killService() {
  const { service } = stack.ready.pids;
  process.kill(service, "SIGKILL");
  await stack.readyWhere(({ pids }) => pids.service !== service);
}

/** What the ledger has of a channel. */
const recorded = (channel) =>
  query(
    stack.ready.postgres,
    `select inference_id, kind, increment::text from payment where channel_id = '\\x${channel.id.slice(2)}' order by seq`,
  );

test(`kill -9 of the service under ${kPayments} payments, ${kKills} times`, async () => {
  const receiver = newAccount();
  const app = await connect(devAccount(1));
  const side = await connect(receiver);
  const served = new Map();
  const listening = await side.provider().onAuthorized(async ({ inferenceId }) => {
    served.set(inferenceId, (served.get(inferenceId) ?? 0) + 1);
    return 3n;
  });
  const channel = await app.openChannel({ receiver: receiver.address, deposit: 10_000_000n });
  let expected = 0n;
  for (let round = 0; round < kKills; round += 1) {
    let answered = 0;
    const work = Array.from({ length: kPayments }, async (_, n) => {
      const id = `${round}-${n}`;
      const payment =
        n % 5 === 0
          ? await channel.authorize({ id, model: "m", maxAmount: 10n })
          : await channel.pay({ id, model: "m", amount: BigInt(n) });
      answered += 1;
      const amount = n % 5 === 0 ? await payment.settled : payment.amount;
      expected += amount;
      return payment;
    });
    await until(
      () => answered,
      (count) => count > 100,
      { what: "payments before the kill" },
    );
    await killService();
    const payments = await Promise.all(work);
    assert.equal(new Set(payments.map(({ seq }) => seq)).size, kPayments);
  }
  assert.equal(channel.halted, undefined);
  assert.equal(channel.charged, expected);
  assert.equal(channel.reserved, 0n);
  const rows = await recorded(channel);
  const openings = rows
    .filter(({ kind }) => ["pay", "authorize"].includes(kind))
    .map(({ inference_id: id }) => id);
  assert.equal(openings.length, kKills * kPayments);
  assert.equal(new Set(openings).size, openings.length);
  assert.equal(
    rows.reduce((sum, { increment }) => sum + BigInt(increment), 0n),
    expected,
  );
  assert.equal(served.size, (kKills * kPayments) / 5);
  await channel.check();
  await listening.close();
  assert.equal((await side.provider().claim()).amount, expected);
  await assertBalanced(stack.ready);
});

test("a connection that is cut again and again only costs time", async () => {
  const service = await LyingService.start(stack.ready.stream);
  const app = await connect(devAccount(2), { url: service.url, domain: new URL(stack.ready.stream).host });
  const channel = await app.openChannel({ receiver: newAccount().address, deposit: 1_000_000n });
  const work = Promise.all(
    Array.from({ length: 400 }, (_, n) => channel.pay({ id: `p${n}`, model: "m", amount: 2n })),
  );
  for (let n = 0; n < 5; n += 1) {
    const signed = service.signed.length;
    await until(() => service.signed.length > signed || channel.charged === 800n, Boolean, {
      what: "payments",
    });
    service.cut();
  }
  const payments = await work;
  assert.equal(new Set(payments.map(({ seq }) => seq)).size, 400);
  await until(
    () => channel.charged,
    (charged) => charged === 800n,
    { what: "the ledger" },
  );
  assert.equal((await recorded(channel)).length, 400);
  app.close();
  await service.stop();
});

test("a connection that says nothing any more is left", async () => {
  const service = await LyingService.start(stack.ready.stream);
  const app = await connect(devAccount(3), {
    url: service.url,
    domain: new URL(stack.ready.stream).host,
    heartbeatMs: 200,
  });
  const channel = await app.openChannel({ receiver: newAccount().address, deposit: 1_000_000n });
  let logins = 0;
  let isDeaf = true;
  service.lie = (message, method) => {
    if (method === "auth.login") {
      logins += 1;
      isDeaf = false;
    }
    return (isDeaf && !["server.info", "auth.challenge", "events.subscribe"].includes(method)) ||
      (isDeaf && message.id === 0)
      ? undefined
      : message;
  };
  const paid = await channel.pay({ model: "m", amount: 2n });
  assert.equal(paid.charged, 2n);
  assert.equal(logins, 1);
  app.close();
  await service.stop();
});

test("a subscription misses nothing over reconnects", async () => {
  const receiver = newAccount();
  const app = await connect(devAccount(4));
  const service = await LyingService.start(stack.ready.stream);
  const storage = new MemoryStorage();
  const side = await connect(receiver, {
    url: service.url,
    domain: new URL(stack.ready.stream).host,
    storage,
  });
  const served = [];
  const listening = await side.provider().onAuthorized(async ({ inferenceId }) => {
    served.push(inferenceId);
    return 1n;
  });
  const channel = await app.openChannel({ receiver: receiver.address, deposit: 1_000_000n });
  const ids = [];
  for (let n = 0; n < 6; n += 1) {
    service.cut();
    const all = await Promise.all(
      Array.from({ length: 10 }, (_, k) => channel.authorize({ id: `${n}-${k}`, model: "m", maxAmount: 5n })),
    );
    ids.push(...all.map(({ inferenceId }) => inferenceId));
    await Promise.all(all.map(({ settled }) => settled));
  }
  assert.deepEqual([...served].sort(), ids.sort());
  assert.equal(channel.charged, 60n);
  await listening.close();
  await service.stop();
});

test("a URL that is no stream's is told at once, and a server that is only starting is asked again", async () => {
  const statuses = [503, 404];
  let asked = 0;
  const server = createServer((_, response) => {
    response.writeHead(statuses[asked++] ?? 400).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `ws://127.0.0.1:${server.address().port}/elsewhere`;
  const unreached = (message) => (error) => error instanceof ConnectionClosed && message.test(error.message);
  // Too long to wait for. The status is told by `ws`, and not by the WebSocket of newer Nodes.
  const connectTo = (url) =>
    Millrace.connect({ url, account: newAccount(), connectTimeoutMs: 3_600_000, WebSocket });
  await assert.rejects(connectTo(url), unreached(/connect to ws:.*\/elsewhere: it answers with status 404/));
  assert.equal(asked, 2);
  await assert.rejects(connectTo(url), unreached(/status 400 .*the URL of its stream/));
  await assert.rejects(connectTo("ftp://127.0.0.1/v1/stream"), unreached(/connect to ftp:/));
  await assert.rejects(connectTo("here"), unreached(/connect to here: this is no URL/));
  server.closeAllConnections();
  server.close();
});
