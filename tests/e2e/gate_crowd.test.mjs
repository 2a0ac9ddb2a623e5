// Two hundred streams at once, half of whose payers go in the middle: each is charged once, for what
// it got; and the gate holds no more memory after some rounds of that than after the first.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { devAccount } from "./chain.mjs";
import { until } from "./client.mjs";
import { estimateOf, GateStack, priceOf } from "./gate.mjs";
import { assertBalanced, kBinary } from "./stack.mjs";
import { post, streamed, X402App } from "./x402_app.mjs";

const kApps = 200;
const kOpeningAtOnce = 20;
const kTokens = 40;
const kRounds = 3;
/** What the gate may hold more after the last round than after the first. */
const kGrowthMax = 16 * 1024 * 1024;

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

const chatUrl = () => `${gate.url}/v1/chat/completions`;
const promptOf = (round, n) => `round=${round} n=${n} tokens=${kTokens} every=25 crowd=${kApps}`;
const callOf = (round, n) =>
  upstream.calls.findLast(({ body }) => body?.messages?.[0].content === promptOf(round, n));

/** With a channel that is open and has paid for a token. */
async function openedApp(n) {
  const app = new X402App({ account: devAccount(1 + (n % 3)), chain, ready: stack.ready });
  const { response, text } = await app.chat(gate, "tokens=1");
  assert.equal(response.status, 200, text);
  app.channel = await app.channelId(chatUrl());
  return app;
}

const chargedOf = ({ chargedCumulativeAmount }) => BigInt(chargedCumulativeAmount);

/** How many tokens came, of a stream that is left after `most` of them. */
async function stream(app, prompt, most) {
  const leaving = new AbortController();
  const init = post(prompt, { stream: true, max_tokens: kTokens });
  const response = await app.fetch(chatUrl(), { ...init, signal: leaving.signal });
  assert.equal(response.status, 200);
  let text = "";
  for await (const piece of response.body) {
    text += new TextDecoder().decode(piece);
    if (streamed(text).tokens >= most) break;
  }
  if (most < kTokens) leaving.abort();
  return streamed(text);
}

/** The memory that the gate holds, in bytes. */
function resident() {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${gate.pid}/status`, "utf8"));
  return 1024 * Number(kilobytes);
}

/** All apps stream at once, and half of them leave; every one is charged once. */
async function crowd(apps, round) {
  const figures = await Promise.all(apps.map(({ channel }) => provider.get(channel)));
  const before = figures.map(chargedOf);
  const leavesAfter = (n) => (n % 2 === 0 ? Infinity : 2 + (n % (kTokens - 10)));
  upstream.streams.most = 0;
  const got = await Promise.all(
    apps.map((app, n) => stream(app, promptOf(round, n), leavesAfter(n))),
  );
  assert.equal(upstream.streams.most, kApps, "streams that were open at once");

  for (const [n, app] of apps.entries()) {
    const channel = await until(
      () => provider.get(app.channel),
      ({ reservedAmount }) => reservedAmount === "0",
      { what: `the charge of stream ${n}` },
    );
    const charged = chargedOf(channel) - before[n];
    const { input, output } = callOf(round, n);
    if (leavesAfter(n) === Infinity) {
      assert.equal(got[n].tokens, kTokens);
      assert.equal(charged, priceOf(input, kTokens), `stream ${n}`);
      assert.equal(got[n].receipt.extra.chargedAmount, String(charged));
      continue;
    }
    assert.ok(output < kTokens, `the model server went on with stream ${n}`);
    const prompt = estimateOf(promptOf(round, n));
    assert.ok(charged >= priceOf(prompt, got[n].tokens), `stream ${n}: ${charged}`);
    assert.ok(charged <= priceOf(prompt, output), `stream ${n}: ${charged}`);
  }
}

test("gate: two hundred streams at once are each charged once, in memory that stays", async (t) => {
  const apps = [];
  while (apps.length < kApps) {
    const numbers = Array.from({ length: kOpeningAtOnce }, (_, n) => apps.length + n);
    apps.push(...(await Promise.all(numbers.map(openedApp))));
  }
  const held = [];
  for (let round = 0; round < kRounds; round += 1) {
    await crowd(apps, round);
    held.push(resident());
  }
  t.diagnostic(`resident memory of the gate after each round: ${held.join(", ")}`);
  // A sanitizer keeps what was freed.
  const isSanitized = /\/(asan|tsan)\//.test(kBinary);
  if (!isSanitized) assert.ok(held.at(-1) - held[0] < kGrowthMax, `the gate held ${held.join(", ")} bytes`);
  await assertBalanced(stack.ready);
});
