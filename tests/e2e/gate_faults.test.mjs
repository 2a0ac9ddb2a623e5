// What was delivered is charged once, whatever dies meanwhile.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Chain, devAccount } from "./chain.mjs";
import { Client, until } from "./client.mjs";
import { Gate, priceOf } from "./gate.mjs";
import { OpenAiUpstream } from "./openai_upstream.mjs";
import { assertBalanced, Stack } from "./stack.mjs";
import { streamed, X402App } from "./x402_app.mjs";

let stack;
let chain;
let upstream;

before(async () => {
  stack = await Stack.start();
  chain = new Chain(stack.ready);
  upstream = await OpenAiUpstream.start();
});

after(async () => {
  await upstream?.stop();
  await stack?.stop();
});

const newApp = (more = {}) =>
  new X402App({ account: devAccount(1), chain, ready: stack.ready, ...more });
const startGate = (keys, more = {}) =>
  Gate.start({ service: stack.ready.stream, upstream: upstream.url, keys, ...more });

/** The channel of an app as its provider sees it, over a connection of its own. */
async function channelOf(gate, id) {
  const provider = await Client.login(stack.ready.stream, gate.account);
  try {
    return await provider.get(id);
  } finally {
    await provider.close();
  }
}

const idOf = (app, gate) => app.channelId(`${gate.url}/v1/chat/completions`);

async function released(gate, id) {
  return until(
    () => channelOf(gate, id),
    ({ reservedAmount }) => reservedAmount === "0",
    { what: "the end of the reservation" },
  );
}

test("gate faults: killed in a stream, a gate keeps what it charged, and its successor frees the rest", async () => {
  const gate = await startGate('name = "mortal"\ncharge_interval_ms = 20');
  const neighbour = await startGate('name = "neighbour"', { key: gate.key });
  const app = newApp();
  await app.chat(gate, "tokens=1");
  const id = await idOf(app, gate);
  const { chargedCumulativeAmount: before } = await channelOf(gate, id);
  const running = app.chat(gate, "tokens=64 every=200", { stream: true }).catch(() => undefined);
  await until(
    () => channelOf(gate, id),
    ({ chargedCumulativeAmount }) => BigInt(chargedCumulativeAmount) > BigInt(before) + 14n,
    { what: "a charge on the way" },
  );
  await gate.kill();
  await running;
  const left = await channelOf(gate, id);
  assert.notEqual(left.reservedAmount, "0");
  assert.match(left.reservations[0].inferenceId, /^mortal:[0-9a-f]{12}:\d+$/);

  // A gate of another name leaves it alone, and payers of the channel are told that it is busy.
  await neighbour.kill();
  await neighbour.run();
  assert.equal((await channelOf(gate, id)).reservations.length, 1);
  const busy = await newApp({ salt: app.salt }).chat(neighbour, "tokens=1");
  assert.equal(busy.response.status, 402);
  assert.equal(JSON.parse(busy.text).error, "invalid_batch_settlement_evm_channel_busy");

  await gate.run();
  const channel = await channelOf(gate, id);
  assert.equal(channel.reservedAmount, "0");
  // A charge that was on its way may have come after the gate's end.
  assert.ok(BigInt(channel.chargedCumulativeAmount) >= BigInt(left.chargedCumulativeAmount));
  const call = upstream.calls.filter(({ body }) => body?.stream).at(-1);
  const charged = BigInt(channel.chargedCumulativeAmount) - BigInt(before);
  assert.ok(charged <= priceOf(0, call.output), `${charged} for ${call.output} tokens`);
  const { response } = await newApp({ salt: app.salt }).chat(gate, "tokens=2");
  assert.equal(response.status, 200);
  await gate.stop();
  await neighbour.stop();
  await assertBalanced(stack.ready);
});

test("gate faults: the service is killed while the model works: the answer waits, and is charged once", async () => {
  const gate = await startGate('name = "patient"\ncharge_timeout_ms = 60000');
  const app = newApp();
  await app.chat(gate, "tokens=1");
  const asked = upstream.calls.length;
  const whole = app.chat(gate, "tokens=8 after=300", { max_tokens: 8 });
  await until(
    () => upstream.calls.length,
    (count) => count > asked,
    { what: "the call" },
  );
  const { service } = stack.ready.pids;
  process.kill(service, "SIGKILL");
  const { response, receipt } = await whole;
  assert.equal(response.status, 200);
  assert.equal(receipt.extra.chargedAmount, String(priceOf(2, 8)));
  await stack.readyWhere(({ pids }) => pids.service !== service);
  const id = await idOf(app, gate);
  const expected = priceOf(1, 1) + priceOf(2, 8);
  assert.equal((await channelOf(gate, id)).chargedCumulativeAmount, String(expected));

  const again = stack.ready.pids.service;
  const stream = app.chat(gate, "tokens=40 every=20", { stream: true, max_tokens: 40 });
  await until(
    () => upstream.last.output,
    (output) => output > 2,
    { what: "the stream" },
  );
  process.kill(again, "SIGKILL");
  const got = streamed((await stream).text);
  assert.equal(got.tokens, 40);
  assert.equal(got.receipt.extra.chargedAmount, String(priceOf(2, 40)));
  await stack.readyWhere(({ pids }) => pids.service !== again);
  const channel = await channelOf(gate, id);
  assert.equal(channel.chargedCumulativeAmount, String(expected + priceOf(2, 40)));
  assert.equal(channel.reservedAmount, "0");
  await gate.stop();
  await assertBalanced(stack.ready);
});

test("gate faults: with the service away too long, no answer is given and none is charged", async () => {
  const gate = await startGate('name = "hasty"\nahead_of_payment = false\ncharge_timeout_ms = 1000');
  const app = newApp();
  await app.chat(gate, "tokens=1");
  const id = await idOf(app, gate);
  const { chargedCumulativeAmount: before } = await channelOf(gate, id);
  const asked = upstream.calls.length;
  const whole = app.chat(gate, "tokens=8 after=300", { max_tokens: 8 });
  await until(
    () => upstream.calls.length,
    (count) => count > asked,
    { what: "the call" },
  );
  const { service } = stack.ready.pids;
  process.kill(service, "SIGKILL");
  const { response, text } = await whole;
  assert.equal(response.status, 503, text);
  assert.equal(response.headers.get("Retry-After"), "1");
  assert.doesNotMatch(text, /word/);
  await stack.readyWhere(({ pids }) => pids.service !== service);
  const channel = await released(gate, id);
  assert.equal(channel.chargedCumulativeAmount, before);
  await gate.ready();
  assert.equal((await app.chat(gate, "tokens=2", { max_tokens: 2 })).response.status, 200);
  await gate.stop();
});

test("gate faults: a gate that is told to end serves what it has begun", async () => {
  const gate = await startGate('name = "leaving"');
  const app = newApp();
  await app.chat(gate, "tokens=1");
  const id = await idOf(app, gate);
  const stream = app.chat(gate, "tokens=30 every=20", { stream: true, max_tokens: 30 });
  await until(
    () => upstream.last.output,
    (output) => output > 2,
    { what: "the stream" },
  );
  const stopped = gate.stop();
  assert.equal(streamed((await stream).text).tokens, 30);
  await stopped;
  const channel = await channelOf(gate, id);
  assert.equal(channel.chargedCumulativeAmount, String(priceOf(1, 1) + priceOf(2, 30)));
  assert.equal(channel.reservedAmount, "0");
});

test("gate faults: two gates of one name: the one whose payments are released says why", async () => {
  const gate = await startGate('name = "twin"\ncharge_interval_ms = 20');
  const app = newApp();
  await app.chat(gate, "tokens=1");
  const id = await idOf(app, gate);
  const stream = app.chat(gate, "tokens=64 every=300", { stream: true });
  await until(
    () => channelOf(gate, id),
    ({ reservedAmount }) => reservedAmount !== "0",
    { what: "the reservation" },
  );
  const twin = await startGate('name = "twin"', { key: gate.key });
  assert.match(twin.log, /released 1 payment that an earlier run of twin left; if that one still runs/);
  assert.equal(streamed((await stream).text).receipt.success, false);
  assert.match(gate.log, /has ended already: .*another gate of this name/);
  await twin.stop();
  await gate.stop();
});

test("gate faults: a model server that is away is told of once, and its return", async () => {
  const away = await OpenAiUpstream.start();
  await away.stop();
  const gate = new Gate({ service: "ws://127.0.0.1:1", upstream: away.url });
  await gate.run({ untilReady: false });
  const models = async () => (await fetch(`${gate.url}/v1/models`)).status;
  const said = (line) => gate.log.match(new RegExp(line, "g"))?.length ?? 0;
  const gone = `the model server at ${away.url} cannot be reached \\(Connection refused\\); calls get 502`;
  await until(() => said(gone), Boolean, { what: "the look at the start" });
  for (let n = 0; n < 5; ++n) assert.equal(await models(), 502);
  const back = await OpenAiUpstream.start(away.port);
  assert.equal(await models(), 200);
  await until(() => said("can be reached again"), Boolean, { what: "the return" });
  assert.equal(said("cannot be reached"), 1);
  await back.stop();
  // Kept connections end with the server; a new one is refused.
  assert.equal(await models(), 502);
  await until(() => said("cannot be reached"), (count) => count === 2, { what: "the second time" });
  assert.equal(said("can be reached again"), 1);
  await gate.stop();
});

test("gate faults: without a service there are no sales, and free paths go on", async () => {
  const gate = new Gate({
    service: "ws://127.0.0.1:1",
    upstream: upstream.url,
    keys: "io_threads = 4",
  });
  await gate.run({ untilReady: false });
  const status = async (path) => (await fetch(gate.url + path)).status;
  assert.equal(await status("/.millrace/readyz"), 503);
  assert.equal(await status("/.millrace/healthz"), 200);
  assert.equal(await status("/v1/models"), 200);
  assert.equal(await status("/v1/chat/completions"), 503);
  const [told, ...more] = gate.log.match(/no payment stream at .*/g);
  assert.match(told, /127\.0\.0\.1:1: connecting: Connection refused/);
  assert.deepEqual(more, []);
  await gate.stop();
});
