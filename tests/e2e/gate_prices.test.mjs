// What a call may cost, what the model server is told of it, and what is charged in the end.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { Chain, devAccount } from "./chain.mjs";
import { until } from "./client.mjs";
import { estimateOf, Gate, kPrice, priceOf } from "./gate.mjs";
import { OpenAiUpstream } from "./openai_upstream.mjs";
import { Stack } from "./stack.mjs";
import { paymentRequired, post, receiptOf, streamed, X402App } from "./x402_app.mjs";

let stack;
let chain;
let upstream;
let gate;

const kPrices = `
[[prices]]
paths = ["/v1/*", "/api/*"]
request = "${kPrice.request}"
input_per_1k = "${kPrice.inputPer1k}"
output_per_1k = "${kPrice.outputPer1k}"
output_tokens_max = 64
input_tokens_extra = 0
`;

before(async () => {
  stack = await Stack.start();
  chain = new Chain(stack.ready);
  upstream = await OpenAiUpstream.start();
  const { stream: service } = stack.ready;
  gate = await Gate.start({ service, upstream: upstream.url, prices: kPrices });
});

after(async () => {
  await gate?.stop();
  await upstream?.stop();
  await stack?.stop();
});

const newApp = () => new X402App({ account: devAccount(1), chain, ready: stack.ready });
const chatUrl = () => `${gate.url}/v1/chat/completions`;

/** The status of what a target brings that fetch would write otherwise. */
async function statusOf(target) {
  const { hostname, port } = new URL(gate.url);
  const socket = connect(Number(port), hostname);
  socket.write(`GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  let got = "";
  socket.on("data", (data) => (got += data));
  await once(socket, "close");
  return Number(got.split(" ")[1]);
}

test("gate prices: a path or model that is no text is refused, and sales go on", async () => {
  const chat = "/v1/chat/completions";
  for (const path of ["/v1/%ff", "/v1/%ed%b0%80", `/v1/${"a".repeat(300)}`, `${chat}/`, `${chat};x`])
    assert.equal(await statusOf(path), 400, path);
  for (const model of ["\udc00", "a\u0000b", "a".repeat(257)]) {
    const body = JSON.stringify({ model, messages: [] });
    const { status } = await fetch(chatUrl(), { method: "POST", body });
    assert.equal(status, 400, body);
  }
  assert.equal((await newApp().chat(gate, "tokens=1")).response.status, 200);
});

test("gate prices: whatever limit a client names, the server is told what is paid for", async () => {
  const app = newApp();
  const told = async (more) => {
    const { response, text } = await app.chat(gate, "tokens=60", more);
    assert.equal(response.status, 200, text);
    return [upstream.last.body.max_tokens, upstream.last.body.max_completion_tokens];
  };
  assert.deepEqual(await told({ max_completion_tokens: 2 }), [2, 2]);
  assert.equal(upstream.last.output, 2);
  assert.deepEqual(await told({ max_tokens: null }), [64, 64]);
  for (const more of [{ MAX_TOKENS: 60 }, { n_predict: 60 }, { "max_to\u212aens": 60 }]) {
    const { status } = await fetch(chatUrl(), post("tokens=60", { max_tokens: 1, ...more }));
    assert.equal(status, 400, JSON.stringify(more));
  }
});

test("gate prices: without a limit that is heeded, the ceiling is the rule's", async () => {
  const init = post("tokens=1", { max_tokens: 1 });
  const asked = await paymentRequired(`${gate.url}/v1/anything`, init);
  assert.equal(asked.accepts[0].amount, String(priceOf(init.body.length, 64)));
});

test("gate prices: a server that heeds no limit is stopped where the ceiling ends", async () => {
  const app = newApp();
  const prompt = "deaf tokens=5000 every=1";
  const more = { max_tokens: 3, stream: true };
  const [{ amount }] = (await paymentRequired(chatUrl(), post(prompt, more))).accepts;
  const { text } = await app.chat(gate, prompt, more);
  const { receipt, tokens } = streamed(text);
  assert.match(text, /longer than was paid for/);
  assert.equal(receipt.extra.chargedAmount, amount);
  assert.ok(tokens < 200, `${tokens} tokens for ${amount}`);
  const call = upstream.last;
  await until(() => call.isAborted, Boolean, { what: "the end of the model's work" });
});

test("gate prices: a server that says no usage is paid for what can be seen", async () => {
  const app = newApp();
  const prompt = "mute tokens=8 and more words";
  const whole = await app.chat(gate, prompt);
  const answer = JSON.parse(whole.text).choices[0].message.content;
  const expected = priceOf(estimateOf(prompt), Math.floor(answer.length / 4));
  assert.equal(whole.receipt.extra.chargedAmount, String(expected));
  const { receipt } = streamed((await app.chat(gate, prompt, { stream: true })).text);
  assert.equal(receipt.extra.chargedAmount, String(priceOf(estimateOf(prompt), 8)));
  const metrics = await (await fetch(`${gate.url}/.millrace/metrics`)).text();
  assert.match(metrics, /millrace_gate_usage_missing_total 2/);
});

test("gate prices: usage is asked for however the client writes it", async () => {
  const app = newApp();
  const stream_options = { include_usage: false };
  const { text } = await app.chat(gate, "tokens=4", { stream: true, stream_options });
  assert.equal(streamed(text).receipt.extra.chargedAmount, String(priceOf(1, 4)));
  const body = '{"model":"m","stream":true,"stream\\u005foptions":{},"messages":[]}';
  assert.equal((await fetch(chatUrl(), { method: "POST", body })).status, 400);
});

test("gate prices: answers in lines are charged by their last one", async () => {
  const app = newApp();
  const init = post("tokens=6", { options: { num_predict: 7, seed: 1 } });
  const response = await app.fetch(`${gate.url}/api/chat`, init);
  const lines = (await response.text()).trim().split("\n");
  assert.equal(lines.length, 7);
  assert.equal(receiptOf(response).extra.chargedAmount, String(priceOf(1, 6)));
  assert.deepEqual(upstream.last.body.options, { num_predict: 7, seed: 1 });
});

test("gate prices: an answer that cannot be read is not sold", async () => {
  const { response, receipt } = await newApp().chat(gate, "gzip tokens=6");
  assert.equal(response.status, 502);
  assert.equal(receipt.extra.chargedAmount, "0");
  assert.equal(upstream.last.headers["accept-encoding"], "identity");
});
