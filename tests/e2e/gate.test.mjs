import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { spawnSync } from "node:child_process";
import { request } from "node:http";
import { devAccount } from "./chain.mjs";
import { Client, until } from "./client.mjs";
import { estimateOf, Gate, GateStack, kInputTokensExtra, kOutputTokensMax, priceOf } from "./gate.mjs";
import { assertBalanced, kBinary } from "./stack.mjs";
import { paymentRequired, post, receiptOf, streamed, X402App } from "./x402_app.mjs";

let all;
let stack;
let chain;
let upstream;
let gate;
let provider;

before(async () => {
  all = await GateStack.start();
  ({ stack, chain, upstream, gate, provider } = all);
});

after(() => all?.stop());

const newApp = (more = {}) =>
  new X402App({ account: devAccount(1), chain, ready: stack.ready, ...more });
const chatUrl = () => `${gate.url}/v1/chat/completions`;
const channelOf = async (app) => provider.get(await app.channelId(chatUrl()));

test("gate: free paths pass, its own pages answer, and nothing else is given away", async () => {
  const status = async (path, init) => (await fetch(gate.url + path, init)).status;
  assert.equal(await status("/v1/models"), 200);
  assert.equal(await status("/health"), 200);
  assert.equal(await status("/.millrace/healthz"), 200);
  assert.match(await (await fetch(`${gate.url}/.millrace/metrics`)).text(), /millrace_gate_/);
  assert.match(await (await fetch(`${gate.url}/llms.txt`)).text(), /2000 per 1,000 output tokens/);
  const asked = upstream.calls.length;
  for (const path of ["/", "/v1/embeddings", "/metrics", "/v1//chat/completions", "/v1/models/%2e%2e/x"])
    assert.ok([400, 404].includes(await status(path)), path);
  assert.equal(await status("/v1/models", { method: "POST", body: "{}" }), 404);
  assert.equal(await status("/v1/chat/completions", { method: "POST", body: "no" }), 400);
  assert.equal(upstream.calls.length, asked);
});

test("gate: the command line is enough, and says what is missing", () => {
  const run = (...args) => spawnSync(kBinary, ["gate", ...args], { encoding: "utf8" });
  const price = ["--price-request", "100", "--price-output", "2000"];
  const places = ["--upstream", "http://127.0.0.1:11434", "--key-file", gate.keyFile];
  assert.equal(run("--check", ...places, ...price).status, 0);
  const nothing = run("--check");
  assert.equal(nothing.status, 2);
  for (const missing of [/gate.upstream/, /gate.key_file/, /no prices/])
    assert.match(nothing.stderr, missing);
  const wrong = run("--check", ...places, "--price-request", "1.5");
  assert.equal(wrong.status, 2);
  assert.match(wrong.stderr, /--price-request: has to be base units/);
  const absent = run("--upstream", "http://127.0.0.1:1", "--key-file", "/nowhere", ...price);
  assert.equal(absent.status, 2);
  assert.match(absent.stderr, /millrace keys new/);
});

test("gate: a 402 says the most that the call may cost, the same for the same body", async () => {
  const init = post("tokens=5", { max_tokens: 20 });
  const asked = await paymentRequired(chatUrl(), init);
  assert.deepEqual(await paymentRequired(chatUrl(), init), asked);
  const entry = asked.accepts[0];
  assert.equal(entry.amount, String(priceOf(init.body.length + kInputTokensExtra, 20n)));
  assert.equal(entry.payTo, gate.account.address.toLowerCase());
  assert.equal(entry.extra.assetTransferMethod, "eip3009");
  assert.deepEqual(asked.accepts.map(({ extra }) => extra.assetTransferMethod), [
    "eip3009",
    "permit2",
  ]);
  const probe = await paymentRequired(chatUrl());
  assert.equal(probe.accepts[0].amount, String(priceOf(0, kOutputTokensMax)));
});

test("gate: 50 calls of an unmodified client, streamed and not, cost what the server counted", async () => {
  const app = newApp();
  const before = upstream.calls.length;
  let expected = 0n;
  for (let n = 0; n < 50; ++n) {
    const stream = n % 5 === 4;
    const { response, text, receipt } = await app.chat(gate, `n=${n} tokens=${3 + (n % 11)}`, {
      stream,
      max_tokens: 16,
    });
    assert.equal(response.status, 200, text);
    const { input, output } = upstream.last;
    const price = priceOf(input, output);
    expected += price;
    if (stream) {
      const got = streamed(text);
      assert.equal(got.tokens, output);
      assert.equal(got.receipt.extra.chargedAmount, String(price));
      assert.equal(got.receipt.extra.channelState.chargedCumulativeAmount, String(expected));
      assert.ok(got.chunks.every(({ choices }) => choices.length > 0), "usage was not asked for");
    } else {
      assert.equal(receipt.success, true);
      assert.equal(receipt.extra.chargedAmount, String(price));
      assert.equal(receipt.extra.channelState.chargedCumulativeAmount, String(expected));
      assert.equal(response.headers.get("Cache-Control"), "private");
    }
  }
  assert.equal(upstream.calls.length - before, 50);
  const channel = await channelOf(app);
  assert.equal(channel.chargedCumulativeAmount, String(expected));
  assert.equal(channel.reservedAmount, "0");
  const deposits = app.seen.filter(({ headers }) => receiptOf({ headers })?.transaction);
  assert.ok(deposits.length > 1, "there were top-ups");
  await assertBalanced(stack.ready);
});

test("gate: a client that lost what it knew of its channel is put right", async () => {
  const app = newApp();
  await app.chat(gate, "tokens=5");
  await app.chat(gate, "tokens=7");
  const { chargedCumulativeAmount: before } = await channelOf(app);
  const again = newApp({ salt: app.salt });
  const { response, receipt } = await again.chat(gate, "tokens=9");
  assert.equal(response.status, 200);
  const price = priceOf(1, 9);
  assert.equal(receipt.extra.chargedAmount, String(price));
  assert.equal((await channelOf(app)).chargedCumulativeAmount, String(BigInt(before) + price));
  assert.deepEqual(again.seen.map(({ status }) => status), [402, 402, 200]);
});

test("gate: what is unspent is refunded, all or a part of it", async () => {
  const app = newApp();
  await app.chat(gate, "tokens=5");
  const id = await app.channelId(chatUrl());
  const before = await channelOf(app);
  const part = await app.scheme.refund(chatUrl(), { amount: "20" });
  assert.equal(part.success, true);
  assert.equal(part.amount, "20");
  assert.match(part.transaction, /^0x[0-9a-f]{64}$/);
  assert.equal((await chain.channel(id)).balance, BigInt(before.balance) - 20n);
  assert.equal((await app.chat(gate, "tokens=4")).response.status, 200);
  const { chargedCumulativeAmount: charged } = await channelOf(app);
  const rest = await app.scheme.refund(chatUrl());
  assert.equal(rest.success, true);
  assert.equal((await chain.channel(id)).balance, BigInt(charged));
  await assert.rejects(app.scheme.refund(chatUrl()), /no remaining balance|refund_no_balance/);
  assert.equal((await app.chat(gate, "tokens=3")).response.status, 200);
  await assertBalanced(stack.ready);
});

test("gate: an answer with an error, or none, costs nothing", async () => {
  const app = newApp();
  // So that the deposit lasts for all that follows.
  await app.fetch(chatUrl(), post("status=500", { max_tokens: 64 }));
  for (const content of ["status=429", "tokens=1"])
    await app.chat(gate, content, { max_tokens: 1 });
  const once = await app.chat(gate, "status=503", { max_tokens: 1 });
  assert.equal(once.response.status, 503);
  assert.match(once.text, /as you wish/);
  assert.equal(once.receipt, undefined);
  const { chargedCumulativeAmount, reservedAmount } = await until(
    () => channelOf(app),
    (channel) => channel.reservedAmount === "0",
    { what: "the release" },
  );
  assert.deepEqual([chargedCumulativeAmount, reservedAmount], [String(priceOf(1, 1)), "0"]);
  const seen = app.seen.length;
  assert.equal((await app.chat(gate, "tokens=1", { max_tokens: 1 })).response.status, 200);
  assert.equal(app.seen.length - seen, 2, "the client was not behind");
});

test("gate: a model server that is away is told as 502, and nothing is charged", async () => {
  const { stream: service } = stack.ready;
  const keys = 'name = "away"';
  const away = await Gate.start({ service, upstream: "http://127.0.0.1:1", keys });
  const app = newApp();
  const { response, receipt } = await app.chat(away, "tokens=1");
  assert.equal(response.status, 502);
  // The deposit was made, and is not lost to the client.
  assert.equal(receipt.extra.chargedAmount, "0");
  assert.equal(receipt.success, true);
  const client = await Client.login(service, away.account);
  const id = await app.channelId(`${away.url}/v1/chat/completions`);
  const channel = await until(
    () => client.get(id),
    ({ reservedAmount }) => reservedAmount === "0",
    { what: "the release" },
  );
  assert.equal(channel.chargedCumulativeAmount, "0");
  await client.close();
  await away.stop();
});

test("gate: a server that breaks off in a stream is charged for what was delivered", async () => {
  const app = newApp();
  const prompt = "tokens=30 break=7";
  const expected = String(priceOf(estimateOf(prompt), 7));
  const { text } = await app.chat(gate, prompt, { stream: true });
  const got = streamed(text);
  assert.equal(got.tokens, 7);
  assert.match(text, /The model server broke off/);
  assert.equal(got.receipt.extra.chargedAmount, expected);
  assert.match(got.receipt.errorMessage, /broke off/);
  assert.equal((await channelOf(app)).chargedCumulativeAmount, expected);
});

test("gate: a server that breaks off before a word costs nothing", async () => {
  const app = newApp();
  const { text } = await app.chat(gate, "tokens=30 break=0", { stream: true });
  const got = streamed(text);
  assert.equal(got.tokens, 0);
  assert.equal(got.receipt.extra.chargedAmount, "0");
  assert.match(got.receipt.errorMessage, /broke off/);
  const channel = await channelOf(app);
  assert.equal(channel.chargedCumulativeAmount, "0");
  assert.equal(channel.reservedAmount, "0");
});

test("gate: what stands at the end of a stream without an empty line counts, too", async () => {
  const app = newApp();
  const { text } = await app.chat(gate, "tokens=6 unended", { stream: true });
  const got = streamed(text);
  assert.equal(got.tokens, 6);
  assert.equal(got.receipt.extra.chargedAmount, String(priceOf(2, 6)));
});

test("gate: a payer that goes in a stream pays for what it got, and the server is stopped", async () => {
  const app = newApp();
  await app.chat(gate, "tokens=1");
  const { chargedCumulativeAmount: before } = await channelOf(app);
  const prompt = "tokens=60 every=20";
  const init = post(prompt, { stream: true });
  const stopping = new AbortController();
  const header = await app.payment(chatUrl(), init);
  const response = await fetch(chatUrl(), {
    ...init,
    headers: { ...init.headers, "PAYMENT-SIGNATURE": header },
    signal: stopping.signal,
  });
  assert.equal(response.status, 200);
  let received = "";
  for await (const piece of response.body) {
    received += new TextDecoder().decode(piece);
    if (received.includes("word5 ")) break;
  }
  stopping.abort();
  const call = upstream.last;
  await until(() => call.isAborted, Boolean, { what: "the end of the model's work" });
  assert.ok(call.output < 60);
  const channel = await until(
    () => channelOf(app),
    ({ reservedAmount }) => reservedAmount === "0",
    { what: "the charge" },
  );
  const charged = BigInt(channel.chargedCumulativeAmount) - BigInt(before);
  const input = estimateOf(prompt);
  assert.ok(input > 0, "what the model read is not free");
  assert.ok(
    charged >= priceOf(input, 6) && charged <= priceOf(input, call.output),
    String(charged),
  );
});

test("gate: calls at once on one channel wait for each other, and all are served", async () => {
  const app = newApp();
  await app.chat(gate, "tokens=1");
  const before = BigInt((await channelOf(app)).chargedCumulativeAmount);
  const calls = [1, 2, 3, 4, 5].map((n) => app.chat(gate, `tokens=${n} after=50`));
  const answers = await Promise.all(calls);
  assert.deepEqual(answers.map(({ response }) => response.status), [200, 200, 200, 200, 200]);
  const expected = [1, 2, 3, 4, 5].reduce((sum, n) => sum + priceOf(2, n), before);
  assert.equal((await channelOf(app)).chargedCumulativeAmount, String(expected));
});

test("gate: the receipt of a stream also comes as a trailer, where that is taken", async () => {
  const app = newApp();
  await app.chat(gate, "tokens=1");
  const init = post("tokens=4", { stream: true });
  const headers = {
    ...init.headers,
    TE: "trailers",
    "PAYMENT-SIGNATURE": await app.payment(chatUrl(), init),
  };
  const response = await new Promise((done, fail) => {
    const sent = request(chatUrl(), { method: "POST", headers }, done);
    sent.on("error", fail);
    sent.end(init.body);
  });
  let text = "";
  for await (const piece of response) text += piece;
  assert.equal(response.headers.trailer, "PAYMENT-RESPONSE");
  const receipt = JSON.parse(Buffer.from(response.trailers["payment-response"], "base64"));
  assert.deepEqual(receipt, streamed(text).receipt);
  assert.equal(receipt.extra.chargedAmount, String(priceOf(1, 4)));
});

test("gate: a stream with a fixed price is charged before its first byte", async () => {
  const app = newApp();
  const init = post("tokens=4", { stream: true });
  const response = await app.fetch(`${gate.url}/v1/fixed`, init);
  const got = streamed(await response.text());
  assert.equal(got.tokens, 4);
  assert.equal(got.receipt, undefined);
  assert.equal(receiptOf(response).extra.chargedAmount, "25");
  const seen = app.seen.length;
  assert.equal((await app.fetch(`${gate.url}/v1/fixed`, init)).status, 200);
  assert.equal(app.seen.length - seen, 2, "the client was not behind");
});
