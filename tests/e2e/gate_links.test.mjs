// What a gate asks of the service is answered late, refused, or not at all.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Chain, devAccount, kZeroAddress } from "./chain.mjs";
import { Client, until } from "./client.mjs";
import { Gate, priceOf } from "./gate.mjs";
import { OpenAiUpstream } from "./openai_upstream.mjs";
import { assertBalanced, Stack } from "./stack.mjs";
import { StreamProxy } from "./stream_proxy.mjs";
import { post, streamed, X402App } from "./x402_app.mjs";

let proxy;
let stack;
let chain;
let upstream;
let gate;
let provider;

before(async () => {
  proxy = await StreamProxy.start();
  stack = await Stack.start({
    env: { MILLRACE_SERVER__DOMAIN: proxy.domain, MILLRACE_LIMITS__FRAME_BYTES_MAX: "4096" },
  });
  proxy.target = stack.ready.stream;
  chain = new Chain(stack.ready);
  upstream = await OpenAiUpstream.start();
  gate = await startGate([
    "io_threads = 1",
    "charge_timeout_ms = 3000",
    "charge_interval_ms = 20",
  ]);
  provider = await Client.login(stack.ready.stream, gate.account);
});

afterEach(() => proxy.reset());

after(async () => {
  await gate?.stop();
  await provider?.close();
  await upstream?.stop();
  await stack?.stop();
  await proxy?.stop();
});

const startGate = (keys, more = {}) =>
  Gate.start({ service: proxy.url, upstream: upstream.url, keys: keys.join("\n"), ...more });
const newApp = (more = {}) =>
  new X402App({ account: devAccount(1), chain, ready: stack.ready, ...more });
const chatUrl = () => `${gate.url}/v1/chat/completions`;
const channelOf = async (app) => provider.get(await app.channelId(chatUrl()));
const released = (app) =>
  until(
    () => channelOf(app),
    ({ reservedAmount }) => reservedAmount === "0",
    { what: "the end of the reservation" },
  );

/** An app with a channel that has been paid through once. */
async function openApp() {
  const app = newApp();
  assert.equal((await app.chat(gate, "tokens=1")).response.status, 200);
  return app;
}

const isAcceptOf = (model, { method, params }) =>
  method === "payment.accept" && params.inference.model === model;

test("gate links: a request that ends its connection ends no other", async () => {
  const [good, bad] = [await openApp(), await openApp()];
  const before = proxy.connections;
  proxy.onRequest = (request, link) => {
    if (!isAcceptOf("poison", request)) return false;
    link.close(1007);
    return true;
  };
  const poisoned = bad.chat(gate, "tokens=1", { model: "poison" });
  const calls = [1, 2, 3].map((n) => good.chat(gate, `tokens=${n}`));
  assert.equal((await poisoned).response.status, 503);
  for (const { response } of await Promise.all(calls)) assert.equal(response.status, 200);
  assert.equal(proxy.connections - before, 2);
  assert.equal((await bad.chat(gate, "tokens=1")).response.status, 200);
});

test("gate links: the log says what is sold and for whom, and of a trouble its begin and its end", async () => {
  const others = new Set(proxy.server.clients);
  const several = await startGate(["io_threads = 3", 'name = "several"']);
  const said = (line) => several.log.match(line)?.length ?? 0;
  const { network, token } = stack.ready;
  assert.match(several.log, new RegExp(`the gate sells ${upstream.url} at 2 prices, .* ${proxy.url}`));
  const [receiver, ...more] = several.log.match(/payments go to .*/g);
  assert.match(receiver, new RegExp(`to ${several.account.address} on ${network}, in .*\\(${token}\\)`, "i"));
  assert.ok(receiver.includes(several.account.address));
  assert.deepEqual(more, []);
  const up = () => several.metric("millrace_gate_service_up");
  await until(up, (count) => count === 3, { what: "all connections" });
  for (const client of proxy.server.clients) if (!others.has(client)) client.terminate();
  await until(() => said(/the payment stream is up again/g), Boolean, { what: "the end of the trouble" });
  assert.equal(await up(), 3);
  assert.equal(said(/the payment stream has ended/g), 1);
  assert.equal(said(/the payment stream is up again/g), 1);
  assert.equal(said(/payments go to/g), 1);
  await several.stop();
});

test("gate links: the gate is ready when every thread of it is", async () => {
  let logins = 0;
  let held;
  proxy.onRequest = (request, link) => {
    if (request.method !== "auth.login" || ++logins !== 2) return false;
    held = () => link.pass(request);
    return true;
  };
  const two = new Gate({
    service: proxy.url,
    upstream: upstream.url,
    keys: 'io_threads = 2\nname = "two"',
  });
  await two.run({ untilReady: false });
  const ready = async () => (await fetch(`${two.url}/.millrace/readyz`)).json();
  const up = () => two.metric("millrace_gate_service_up");
  await until(() => held, Boolean, { what: "the second login" });
  await until(up, (count) => count === 1, { what: "the first thread" });
  assert.equal((await ready()).service, false);
  held();
  await two.ready();
  assert.equal((await ready()).service, true);
  await two.stop();
});

test("gate links: an answer to nobody is found out to be whose it is", async () => {
  const apps = [await openApp(), await openApp(), await openApp()];
  proxy.onRequest = (request, link) => {
    if (!isAcceptOf("unread", request)) return false;
    link.refuse({ id: null }, "parse_error");
    return true;
  };
  const models = ["unread", "small", "unread"];
  const calls = apps.map((app, n) => app.chat(gate, "tokens=1", { model: models[n] }));
  const answers = await Promise.all(calls);
  assert.deepEqual(answers.map(({ response }) => response.status), [402, 200, 402]);
  assert.equal(JSON.parse(answers[0].text).error, "parse_error");
});

test("gate links: what is too long for the service is not sent", async () => {
  const app = newApp({ payerAuthorizer: kZeroAddress });
  const before = proxy.connections;
  const init = post("tokens=1");
  const header = await app.payment(chatUrl(), init, async ({ payload }) => {
    payload.voucher.signature = `0x${"1".repeat(4096)}`;
  });
  const sent = { ...init, headers: { ...init.headers, "PAYMENT-SIGNATURE": header } };
  const response = await fetch(chatUrl(), sent);
  assert.equal(response.status, 402);
  assert.equal((await response.json()).error, "invalid_params");
  assert.equal(proxy.connections, before);
});

test("gate links: a payment that is taken when nobody waits for it any more is released", async () => {
  const hasty = await startGate(
    [
      "io_threads = 1",
      'name = "hasty"',
      "accept_timeout_ms = 2000",
      // What a call asks for may need a top-up.
      "deposit_timeout_ms = 5000",
    ],
    { key: gate.key },
  );
  const app = await openApp();
  let late;
  proxy.onAnswer = (answer, request, link) => {
    if (!isAcceptOf("late", request)) return false;
    late = () => link.answer(answer);
    return true;
  };
  const { response } = await app.chat(hasty, "tokens=1", { model: "late" });
  assert.equal(response.status, 503);
  assert.notEqual((await channelOf(app)).reservedAmount, "0");
  late();
  await released(app);
  assert.equal((await app.chat(hasty, "tokens=1")).response.status, 200);

  proxy.onAnswer = (answer, request, link) => {
    if (!isAcceptOf("late", request)) return false;
    link.close(1001);
    return true;
  };
  const { response: lost } = await app.chat(hasty, "tokens=1", { model: "late" });
  assert.equal(lost.status, 503);
  await released(app);
  await hasty.stop();
});

test("gate links: a charge whose answer does not come is looked up, and what is charged is delivered", async () => {
  const app = await openApp();
  const { chargedCumulativeAmount: before } = await channelOf(app);
  let kept = 0;
  proxy.onAnswer = (_answer, { method }) => method === "payment.charge" && kept++ === 0;
  const { response, text, receipt } = await app.chat(gate, "tokens=8", { max_tokens: 8 });
  assert.equal(response.status, 200, text);
  assert.equal(kept, 2);
  const expected = String(BigInt(before) + priceOf(1, 8));
  assert.equal(receipt.extra.chargedAmount, String(priceOf(1, 8)));
  assert.equal(receipt.extra.channelState.chargedCumulativeAmount, expected);
  assert.equal((await released(app)).chargedCumulativeAmount, expected);
});

test("gate links: a charge that has not come to the service is taken back", async () => {
  const app = await openApp();
  const { chargedCumulativeAmount: before } = await channelOf(app);
  proxy.onRequest = ({ method }) => method === "payment.charge";
  const { response, text } = await app.chat(gate, "tokens=8", { max_tokens: 8 });
  assert.equal(response.status, 503);
  assert.doesNotMatch(text, /word/);
  assert.equal((await released(app)).chargedCumulativeAmount, before);
});

test("gate links: a charge that is refused is no charge that follows", async () => {
  const app = await openApp();
  const { chargedCumulativeAmount: before } = await channelOf(app);
  proxy.onRequest = (request, link) => {
    if (request.method !== "payment.charge") return false;
    link.refuse(request, "channel_not_open");
    return true;
  };
  const { response, text } = await app.chat(gate, "tokens=2", { max_tokens: 2 });
  assert.equal(response.status, 503);
  assert.equal(JSON.parse(text).reason, "charge_refused");
  assert.equal((await released(app)).chargedCumulativeAmount, before);

  const asked = { stream: true, max_tokens: 60 };
  const got = streamed((await app.chat(gate, "tokens=60 every=20", asked)).text);
  assert.ok(got.tokens < 60, "a stream goes on that is not paid for");
  assert.ok(got.events.some(({ data }) => /The charge was refused/.test(data)));
  assert.equal(got.receipt.success, false);
  assert.equal(got.receipt.errorReason, "channel_not_open");
  assert.equal((await released(app)).chargedCumulativeAmount, before);
});

test("gate links: the next call on a channel waits for the end of the one before", async () => {
  const app = await openApp();
  let release;
  proxy.onRequest = (request, link) => {
    if (request.method !== "payment.release") return false;
    release ??= () => link.pass(request);
    return true;
  };
  assert.equal((await app.chat(gate, "status=500")).response.status, 500);
  let accepts = 0;
  proxy.onRequest = ({ method }) => void (accepts += method === "payment.accept");
  const asked = app.seen.length;
  const next = app.chat(gate, "tokens=1");
  await until(() => app.seen.length > asked, Boolean, { what: "what is asked for" });
  // Rounds that the payment needs one of, if it does not wait.
  for (let n = 0; n < 50; ++n) await fetch(`${gate.url}/.millrace/healthz`);
  assert.equal(accepts, 0);
  release();
  assert.equal((await next).response.status, 200);
});

test("gate links: whole answers have one room together", async () => {
  const small = await startGate(
    ["io_threads = 1", 'name = "small"', "reply_bytes_max = 16384", "replies_bytes_max = 16384"],
    { key: gate.key },
  );
  const [first, second] = [await openApp(), await openApp()];
  let held;
  proxy.onRequest = (request, link) => {
    if (request.method !== "payment.charge" || held) return false;
    held = () => link.pass(request);
    return true;
  };
  const waiting = first.chat(small, "tokens=1 big=12000", { max_tokens: 1 });
  await until(() => held, Boolean, { what: "the first answer" });
  const { response } = await second.chat(small, "tokens=1 big=12000", { max_tokens: 1 });
  assert.equal(response.status, 503);
  assert.equal(response.headers.get("Retry-After"), "1");
  held();
  assert.equal((await waiting).response.status, 200);
  assert.equal((await released(second)).reservedAmount, "0");
  assert.equal((await second.chat(small, "tokens=1 big=12000")).response.status, 200);
  await small.stop();
});

test("gate links: where the gate fails in a call, its payment is released", async () => {
  const directory = mkdtempSync(join(tmpdir(), "millrace-links-"));
  const file = join(directory, "upstream.key");
  // Longer than the library takes for a header field.
  writeFileSync(file, "k".repeat(70_000), { mode: 0o600 });
  const failing = await startGate([`upstream_key_file = "${file}"`, 'name = "failing"'], {
    key: gate.key,
  });
  const app = await openApp();
  const { response } = await app.chat(failing, "tokens=1");
  assert.equal(response.status, 500);
  await released(app);
  await failing.stop();
  rmSync(directory, { recursive: true, force: true });
  await assertBalanced(stack.ready);
});
