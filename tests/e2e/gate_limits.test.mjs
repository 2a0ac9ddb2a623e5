// What a gate holds for anybody is bounded, in size and in time.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { Chain, devAccount } from "./chain.mjs";
import { Client, until, wait } from "./client.mjs";
import { estimateOf, Gate, priceOf } from "./gate.mjs";
import { OpenAiUpstream } from "./openai_upstream.mjs";
import { Stack } from "./stack.mjs";
import { post, receiptOf, streamed, X402App } from "./x402_app.mjs";

let stack;
let chain;
let upstream;
let gate;

before(async () => {
  stack = await Stack.start();
  chain = new Chain(stack.ready);
  upstream = await OpenAiUpstream.start();
  gate = await Gate.start({
    service: stack.ready.stream,
    upstream: upstream.url,
    keys: [
      "body_bytes_max = 2048",
      "header_bytes_max = 8192",
      "request_timeout_ms = 300",
      "write_timeout_ms = 300",
      "connections_max = 12",
      "upstream_calls_max = 2",
      "reply_bytes_max = 4096",
      "event_bytes_max = 2000000",
    ].join("\n"),
  });
});

after(async () => {
  await gate?.stop();
  await upstream?.stop();
  await stack?.stop();
});

const newApp = () => new X402App({ account: devAccount(1), chain, ready: stack.ready });
const chatUrl = () => `${gate.url}/v1/chat/completions`;

/** Sends raw bytes and gives what comes until the connection ends. */
async function raw(...pieces) {
  const { hostname, port } = new URL(gate.url);
  const socket = connect(Number(port), hostname);
  let got = "";
  socket.on("data", (data) => (got += data));
  socket.on("error", () => {});
  for (const piece of pieces) socket.write(piece);
  await once(socket, "close");
  return got;
}

const head = (fields) => `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n${fields}\r\n`;

async function channelOf(app) {
  const provider = await Client.login(stack.ready.stream, gate.account);
  const id = await app.channelId(chatUrl());
  try {
    return await until(
      () => provider.get(id),
      ({ reservedAmount }) => reservedAmount === "0",
      { what: "the end of the reservation" },
    );
  } finally {
    await provider.close();
  }
}

test("gate limits: what is too long is told, and read no further", async () => {
  assert.match(await raw(head("Content-Length: 2049\r\n")), /^HTTP\/1.1 413 /);
  const chunk = "800\r\n" + "x".repeat(2048) + "\r\n";
  assert.match(await raw(head("Transfer-Encoding: chunked\r\n"), chunk, chunk), /^HTTP\/1.1 413 /);
  assert.match(await raw(head(`X: ${"x".repeat(9000)}\r\n`)), /^HTTP\/1.1 431 /);
  assert.match(await raw("GET http://elsewhere/v1 HTTP/1.1\r\nHost: x\r\n\r\n"), /^HTTP\/1.1 400 /);
  assert.match(await raw("nonsense\r\n\r\n"), /^HTTP\/1.1 400 /);
});

test("gate limits: a request that does not come is not waited for", async () => {
  assert.equal(await raw(head("Content-Length: 10\r\n"), "{"), "");
  assert.equal(await raw("GET /v1/mod"), "");
});

test("gate limits: room for bodies is taken by what has come, not by what is announced", async () => {
  const roomy = await Gate.start({
    service: stack.ready.stream,
    upstream: upstream.url,
    keys: [
      'name = "roomy"',
      "body_bytes_max = 2048",
      "bodies_bytes_max = 6144",
      "bodies_bytes_per_address_max = 4096",
    ].join("\n"),
    key: gate.key,
  });
  const { hostname, port } = new URL(roomy.url);
  const held = [];
  const announce = async (body) => {
    const socket = connect(Number(port), hostname);
    socket.on("error", () => {});
    socket.write(`${head("Content-Length: 2048\r\nExpect: 100-continue\r\n")}`);
    await once(socket, "data");
    socket.write(body);
    held.push(socket);
  };
  const url = `${roomy.url}/v1/chat/completions`;
  const status = () => fetch(url, post("tokens=1")).then((response) => response.status);
  for (let n = 0; n < 4; ++n) await announce("");
  assert.equal(await status(), 402);
  for (let n = 0; n < 2; ++n) await announce("x".repeat(2047));
  await until(status, (got) => got === 503, { what: "the end of the room" });
  held.forEach((socket) => socket.destroy());
  await until(status, (got) => got === 402, { what: "room that was given back" });
  await roomy.stop();
});

test("gate limits: a reply without a body has none, and its connection goes on", async () => {
  const request = (status) => `GET /v1/models?status=${status} HTTP/1.1\r\nHost: x\r\n`;
  for (const status of [204, 304]) {
    const got = await raw(`${request(status)}\r\n`, `${request(200)}Connection: close\r\n\r\n`);
    const [first, ...rest] = got.split("\r\n\r\n");
    assert.match(first, new RegExp(`^HTTP/1.1 ${status} `));
    assert.doesNotMatch(first, /transfer-encoding|content-length/i);
    assert.match(rest.join("\r\n\r\n"), /^HTTP\/1.1 200 /);
  }
});

test("gate limits: who reads slowly, but reads, gets a long answer whole", async () => {
  const slow = await Gate.start({
    service: stack.ready.stream,
    upstream: upstream.url,
    keys: 'name = "slow"\nwrite_timeout_ms = 2000\nreply_bytes_max = 67108864',
    key: gate.key,
  });
  // Many times what the buffers between take.
  const length = 60_000_000;
  const app = newApp();
  const init = post(`tokens=1 big=${length}`);
  const payment = await app.payment(`${slow.url}/v1/chat/completions`, init);
  const { hostname, port } = new URL(slow.url);
  const socket = connect(Number(port), hostname);
  const fields = `Content-Length: ${init.body.length}\r\nPAYMENT-SIGNATURE: ${payment}\r\n`;
  socket.write(`${head(`${fields}Connection: close\r\n`)}${init.body}`);
  let got = 0;
  for await (const piece of socket) {
    got += piece.length;
    await wait(5);
  }
  assert.ok(got > length, `${got} bytes`);
  await slow.stop();
});

test("gate limits: connections beyond the limit are not taken", async () => {
  const { hostname, port } = new URL(gate.url);
  const held = [];
  for (let n = 0; n < 20; ++n) {
    const socket = connect(Number(port), hostname);
    socket.on("error", () => {});
    held.push({ socket, closed: once(socket, "close").then(() => true) });
  }
  await Promise.any(held.map(({ closed }) => closed));
  held.forEach(({ socket }) => socket.destroy());
  await until(
    () => fetch(`${gate.url}/.millrace/healthz`).then(({ status }) => status, () => 0),
    (status) => status === 200,
    { what: "room for a connection" },
  );
  const metrics = await (await fetch(`${gate.url}/.millrace/metrics`)).text();
  assert.match(metrics, /millrace_gate_connections_refused_total [1-9]/);
});

test("gate limits: calls beyond what the server takes are refused before they are paid for", async () => {
  const apps = [newApp(), newApp(), newApp()];
  for (const app of apps) assert.equal((await app.chat(gate, "tokens=1")).response.status, 200);
  const slow = apps.slice(0, 2).map((app) => app.chat(gate, "tokens=1 after=3000"));
  await until(
    () => upstream.calls.slice(-2).every(({ body }) => /after/.test(body.messages[0].content)),
    Boolean,
    { what: "both calls" },
  );
  const { response } = await apps[2].chat(gate, "tokens=1");
  assert.equal(response.status, 503);
  assert.equal((await fetch(`${gate.url}/v1/models`)).status, 200, "free paths have their own places");
  assert.equal(response.headers.get("Retry-After"), "1");
  for (const { response } of await Promise.all(slow)) assert.equal(response.status, 200);
  assert.equal((await channelOf(apps[2])).chargedCumulativeAmount, String(priceOf(1, 1)));
});

test("gate limits: an answer too long to be read is only sold at a fixed price", async () => {
  const app = newApp();
  const long = await app.chat(gate, "tokens=2 big=4000");
  assert.equal(long.response.status, 502);
  assert.equal((await channelOf(app)).chargedCumulativeAmount, "0");
  const response = await app.fetch(`${gate.url}/v1/fixed`, post("tokens=2 big=4000"));
  const text = await response.text();
  assert.equal(JSON.parse(text).choices[0].message.content.length, 8000);
  assert.equal(receiptOf(response).extra.chargedAmount, "25");
});

test("gate limits: an event without an end ends the stream", async () => {
  const app = newApp();
  const { text } = await app.chat(gate, "tokens=3 big=3000000", { stream: true });
  const got = streamed(text);
  assert.equal(got.tokens, 0);
  assert.match(text, /The model server broke off/);
  assert.equal(got.receipt.extra.chargedAmount, "0");
  assert.equal((await channelOf(app)).chargedCumulativeAmount, "0");
});

test("gate limits: a payer that does not read is cut off, and pays for what was delivered", async () => {
  const app = newApp();
  await app.chat(gate, "tokens=1");
  const before = BigInt((await channelOf(app)).chargedCumulativeAmount);
  const prompt = "tokens=64 big=500000";
  const init = post(prompt, { stream: true });
  const payment = await app.payment(chatUrl(), init);
  const { hostname, port } = new URL(gate.url);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => {});
  socket.pause();
  socket.write(
    head(`Content-Length: ${init.body.length}\r\nPAYMENT-SIGNATURE: ${payment}\r\n`) + init.body,
  );
  await until(
    () => upstream.last,
    ({ body, isAborted }) => body?.stream && /500000/.test(body.messages[0].content) && isAborted,
    { what: "the end of the model's work" },
  );
  const call = upstream.last;
  assert.ok(call.output < 64);
  const charged = BigInt((await channelOf(app)).chargedCumulativeAmount) - before;
  const input = estimateOf(prompt);
  assert.ok(
    charged >= priceOf(input, 1) && charged <= priceOf(input, call.output),
    String(charged),
  );
  socket.destroy();
});

test("gate limits: several requests go over one connection", async () => {
  const request = "GET /v1/models HTTP/1.1\r\nHost: x\r\n";
  const got = await raw(`${request}\r\n`, `${request}\r\n`, `${request}Connection: close\r\n\r\n`);
  assert.equal(got.match(/HTTP\/1.1 200/g).length, 3);
});
