// Two hundred streams at once, half of whose payers go in the middle: each is charged once, for what
// it got.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { devAccount } from "./chain.mjs";
import { until } from "./client.mjs";
import { estimateOf, GateStack, priceOf } from "./gate.mjs";
import { assertBalanced } from "./stack.mjs";
import { post, streamed, X402App } from "./x402_app.mjs";

const kApps = 200;
const kOpeningAtOnce = 20;
const kTokens = 40;

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
const promptOf = (n) => `n=${n} tokens=${kTokens} every=25`;
const callOf = (n) =>
  upstream.calls.find(({ body }) => body?.messages?.[0].content === promptOf(n));

/** With a channel that is open and has paid for a token. */
async function openedApp(n) {
  const app = new X402App({ account: devAccount(1 + (n % 3)), chain, ready: stack.ready });
  const { response, text } = await app.chat(gate, "tokens=1");
  assert.equal(response.status, 200, text);
  app.channel = await app.channelId(chatUrl());
  app.before = BigInt((await provider.get(app.channel)).chargedCumulativeAmount);
  return app;
}

/** How many tokens came, of a stream that is left after `most` of them. */
async function stream(app, n, most) {
  const init = post(promptOf(n), { stream: true, max_tokens: kTokens });
  const leaving = new AbortController();
  const response = await fetch(chatUrl(), {
    ...init,
    headers: { ...init.headers, "PAYMENT-SIGNATURE": await app.payment(chatUrl(), init) },
    signal: leaving.signal,
  });
  assert.equal(response.status, 200);
  let text = "";
  for await (const piece of response.body) {
    text += new TextDecoder().decode(piece);
    if (streamed(text).tokens >= most) break;
  }
  if (most < kTokens) leaving.abort();
  return streamed(text);
}

test("gate: two hundred streams at once are each charged once, for what was delivered", async () => {
  const apps = [];
  while (apps.length < kApps) {
    const numbers = Array.from({ length: kOpeningAtOnce }, (_, n) => apps.length + n);
    apps.push(...(await Promise.all(numbers.map(openedApp))));
  }
  const leavesAfter = (n) => (n % 2 === 0 ? Infinity : 1 + (n % (kTokens - 10)));
  const got = await Promise.all(apps.map((app, n) => stream(app, n, leavesAfter(n))));

  for (const [n, app] of apps.entries()) {
    const channel = await until(
      () => provider.get(app.channel),
      ({ reservedAmount }) => reservedAmount === "0",
      { what: `the charge of stream ${n}` },
    );
    const charged = BigInt(channel.chargedCumulativeAmount) - app.before;
    const { input, output } = callOf(n);
    if (leavesAfter(n) === Infinity) {
      assert.equal(got[n].tokens, kTokens);
      assert.equal(charged, priceOf(input, kTokens), `stream ${n}`);
      assert.equal(got[n].receipt.extra.chargedAmount, String(charged));
      continue;
    }
    assert.ok(output < kTokens, `the model server went on with stream ${n}`);
    const prompt = estimateOf(promptOf(n));
    assert.ok(charged >= priceOf(prompt, got[n].tokens), `stream ${n}: ${charged}`);
    assert.ok(charged <= priceOf(prompt, output), `stream ${n}: ${charged}`);
  }
  const asked = upstream.calls.filter(({ body }) => body?.stream);
  assert.equal(asked.length, kApps);
  await assertBalanced(stack.ready);
});
