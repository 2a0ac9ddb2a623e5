// The model server is asked while the payment is being taken, of payers who have just paid.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { Chain, devAccount } from "./chain.mjs";
import { Client, until } from "./client.mjs";
import { Gate, priceOf } from "./gate.mjs";
import { OpenAiUpstream } from "./openai_upstream.mjs";
import { assertBalanced, Stack } from "./stack.mjs";
import { StreamProxy } from "./stream_proxy.mjs";
import { post, X402App } from "./x402_app.mjs";

let proxy;
let stack;
let chain;
let upstream;
let gate;
let provider;

before(async () => {
  proxy = await StreamProxy.start();
  stack = await Stack.start({ env: { MILLRACE_SERVER__DOMAIN: proxy.domain } });
  proxy.target = stack.ready.stream;
  chain = new Chain(stack.ready);
  upstream = await OpenAiUpstream.start();
  gate = await startGate(["accept_timeout_ms = 5000"]);
  provider = await Client.login(stack.ready.stream, gate.account);
});

afterEach(() => proxy.reset());

after(async () => {
  await gate?.stop();
  await provider?.close();
  if (stack) await assertBalanced(stack.ready);
  await upstream?.stop();
  await stack?.stop();
  await proxy?.stop();
});

const startGate = (keys, more = {}) =>
  Gate.start({
    service: proxy.url,
    upstream: upstream.url,
    keys: ["io_threads = 1", ...keys].join("\n"),
    ...more,
  });
const chatUrl = () => `${gate.url}/v1/chat/completions`;
const channelOf = async (app) => provider.get(await app.channelId(chatUrl()));
const isAccept = ({ method }) => method === "payment.accept";

/** An app whose channel has been opened and paid through. */
async function openApp() {
  const app = new X402App({ account: devAccount(1), chain, ready: stack.ready });
  assert.equal((await app.chat(gate, "tokens=1")).response.status, 200);
  return app;
}

/** Keeps the answers to payments back. */
function holdAccepts() {
  const held = [];
  proxy.onAnswer = (answer, request, link) => {
    if (!isAccept(request)) return false;
    held.push(() => link.answer(answer));
    return true;
  };
  return held;
}

/** Keeps payments from the service, to be refused when the test says so. */
function refuseAccepts() {
  const refusals = [];
  proxy.onRequest = (request, link) => {
    if (!isAccept(request)) return false;
    refusals.push(() => link.refuse(request, "channel_not_open"));
    return true;
  };
  return refusals;
}

/** Rounds that the gate needs one of, if it is to ask the model server. */
async function rounds(on = gate) {
  for (let n = 0; n < 50; ++n) await fetch(`${on.url}/.millrace/healthz`);
}

const inVain = () => gate.metric("millrace_gate_ahead_in_vain_total");

for (const stream of [false, true])
  test(`gate ahead: ${stream ? "a stream" : "an answer"} is begun with its payment, and comes out behind it`, async () => {
    const app = await openApp();
    const { chargedCumulativeAmount: before } = await channelOf(app);
    const held = holdAccepts();
    const asked = upstream.calls.length;
    let isOut = false;
    const call = app.chat(gate, "tokens=3", { stream }).finally(() => (isOut = true));
    await until(() => upstream.calls.length > asked && held.length > 0, Boolean, {
      what: "the model server to be asked",
    });
    await until(() => upstream.last.output === 3, Boolean, { what: "the model's answer" });
    await rounds();
    assert.equal(isOut, false, "an answer is out that is not paid for");
    held.shift()();
    const { response, text } = await call;
    assert.equal(response.status, 200);
    assert.match(text, /word/);
    const { chargedCumulativeAmount: charged } = await until(
      () => channelOf(app),
      ({ reservedAmount }) => reservedAmount === "0",
      { what: "the charge" },
    );
    assert.equal(BigInt(charged) - BigInt(before), priceOf(1, 3));
  });

test("gate ahead: a payment that is refused when the answer is there keeps it from the payer", async () => {
  const app = await openApp();
  const refusals = refuseAccepts();
  const asked = upstream.calls.length;
  const call = app.chat(gate, "tokens=3");
  await until(() => upstream.calls.length > asked && upstream.last.output === 3, Boolean, {
    what: "the model's answer",
  });
  await rounds();
  refusals.shift()();
  const { response, text } = await call;
  assert.equal(response.status, 402);
  assert.doesNotMatch(text, /word/);
});

test("gate ahead: a payer that leaves before its payment is taken ends the call, and pays nothing", async () => {
  const app = await openApp();
  const { chargedCumulativeAmount: before } = await channelOf(app);
  const header = await app.payment(chatUrl(), post("hang"));
  const held = holdAccepts();
  const asked = upstream.calls.length;
  const stopping = new AbortController();
  const init = post("hang");
  const call = fetch(chatUrl(), {
    ...init,
    headers: { ...init.headers, "PAYMENT-SIGNATURE": header },
    signal: stopping.signal,
  });
  await until(() => upstream.calls.length > asked && held.length > 0, Boolean, {
    what: "the model server to be asked",
  });
  const begun = upstream.last;
  stopping.abort();
  await assert.rejects(call);
  await until(() => begun.isAborted, Boolean, { what: "the end of the model's work" });
  held.shift()();
  const after = await until(
    () => channelOf(app),
    ({ reservedAmount }) => reservedAmount === "0",
    { what: "the release" },
  );
  assert.equal(after.chargedCumulativeAmount, before);
});

test("gate ahead: what the channel does not cover waits for its payment, and is refused", async () => {
  const app = await openApp();
  const asked = upstream.calls.length;
  const vain = await inVain();
  const init = post("x".repeat(20_000), { max_tokens: 1 });
  const header = await app.payment(chatUrl(), init, async ({ payload }) => {
    payload.type = "voucher";
    delete payload.deposit;
  });
  const response = await fetch(chatUrl(), {
    ...init,
    headers: { ...init.headers, "PAYMENT-SIGNATURE": header },
  });
  assert.equal(response.status, 402);
  assert.match((await response.json()).error, /cumulative_exceeds_balance/);
  assert.equal(upstream.calls.length, asked);
  assert.equal(await inVain(), vain);
});

test("gate ahead: a payment that is refused ends the call, and the next one waits", async () => {
  const app = await openApp();
  const vain = await inVain();
  const refusals = refuseAccepts();
  const asked = upstream.calls.length;
  const call = app.chat(gate, "hang");
  await until(() => upstream.calls.length > asked && refusals.length > 0, Boolean, {
    what: "the model server to be asked",
  });
  refusals.shift()();
  assert.equal((await call).response.status, 402);
  const begun = upstream.last;
  await until(() => begun.isAborted, Boolean, { what: "the end of the model's work" });
  assert.equal(await inVain(), vain + 1);

  proxy.reset();
  const held = holdAccepts();
  const next = app.chat(gate, "tokens=1");
  await until(() => held.length > 0, Boolean, { what: "the payment" });
  await rounds();
  assert.equal(upstream.last, begun, "asked for a payer whose last payment was refused");
  held.shift()();
  assert.equal((await next).response.status, 200);
});

test("gate ahead: a payment that is not answered ends the call, and is released", async () => {
  const app = await openApp();
  const vain = await inVain();
  const held = holdAccepts();
  const { response } = await app.chat(gate, "hang");
  assert.equal(response.status, 503);
  const begun = upstream.last;
  await until(() => begun.isAborted, Boolean, { what: "the end of the model's work" });
  assert.equal(await inVain(), vain + 1);
  held.shift()();
  await until(
    () => channelOf(app),
    ({ reservedAmount }) => reservedAmount === "0",
    { what: "the release" },
  );
});

test("gate ahead: a call that may do more than answer waits for its payment", async () => {
  const stateful = await startGate(['name = "stateful"'], {
    key: gate.key,
    prices: '[[prices]]\npaths = ["/api/chat"]\nrequest = "10"\n',
  });
  const app = new X402App({ account: devAccount(1), chain, ready: stack.ready });
  const chat = () => app.fetch(`${stateful.url}/api/chat`, post("tokens=1"));
  for (let n = 0; n < 2; ++n) assert.equal((await chat()).status, 200);
  const held = holdAccepts();
  const asked = upstream.calls.length;
  const call = chat();
  await until(() => held.length > 0, Boolean, { what: "the payment" });
  await rounds(stateful);
  assert.equal(upstream.calls.length, asked);
  held.shift()();
  assert.equal((await call).status, 200);
  await stateful.stop();
});

test("gate ahead: switched off, each call waits for its payment", async () => {
  const patient = await startGate(['name = "patient"', "ahead_of_payment = false"], {
    key: gate.key,
  });
  const app = await openApp();
  assert.equal((await app.chat(patient, "tokens=1")).response.status, 200);
  const held = holdAccepts();
  const asked = upstream.calls.length;
  const call = app.chat(patient, "tokens=1");
  await until(() => held.length > 0, Boolean, { what: "the payment" });
  await rounds(patient);
  assert.equal(upstream.calls.length, asked);
  held.shift()();
  assert.equal((await call).response.status, 200);
  await patient.stop();
});
