// Paying for HTTP resources: the official resource server, `millrace gate`, and servers that lie.
import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";
import { after, before, test } from "node:test";
import {
  MemoryStorage,
  Millrace,
  MillraceError,
  ResourcePayer,
  ServerMismatch,
  SpendingCapExceeded,
} from "@millrace/client";
import { createPublicClient, http } from "viem";
import { WebSocket } from "ws";
import {
  Chain,
  devAccount,
  Gate,
  kOutputTokensMax,
  newAccount,
  OpenAiUpstream,
  priceOf,
  ResourceServer,
  Stack,
  until,
} from "./support.mjs";

// The official server asks for it, and Node 18 has it elsewhere.
globalThis.crypto ??= webcrypto;

const kPrice = 1_000n;
let stack;
let chain;
let tokens;
let server;
let upstream;
let gate;
const receiverAuthorizer = newAccount();
const payTo = newAccount().address;

before(async () => {
  stack = await Stack.start();
  chain = new Chain(stack.ready);
  const [info] = (await (await fetch(`${stack.ready.url}/v1/networks`)).json()).networks;
  tokens = info.tokens.map(({ address }) => ({ network: info.network, address }));
  server = await ResourceServer.start({
    facilitator: `${stack.ready.url}/x402`,
    network: info.network,
    token: info.tokens[0],
    price: String(kPrice),
    payTo,
    receiverAuthorizerSigner: receiverAuthorizer,
  });
  upstream = await OpenAiUpstream.start();
  gate = await Gate.start({ service: stack.ready.stream, upstream: upstream.url });
});

after(async () => {
  await gate?.stop();
  await upstream?.stop();
  await server?.stop();
  await stack?.stop();
});

const payer = (index, options = {}) => new ResourcePayer({ account: devAccount(index), tokens, ...options });
const client = () => createPublicClient({ chain: chain.chain, transport: http() });
const once = { maxAmount: kPrice };

async function answer(one, charge) {
  server.charge = charge === undefined ? undefined : String(charge);
  const response = await one.fetch(server.url, undefined, once);
  assert.equal(response.status, 200);
  assert.deepEqual(await response.json(), { answer: 42 });
  return one.settlement(response);
}

const reason = (name, field) => (error) => {
  assert.ok(error instanceof MillraceError, error.stack);
  assert.equal(error.reason, name, error.message);
  if (field) assert.equal(error.field, field);
  return true;
};

test("the official server: deposit, vouchers of different prices, top-up, refund", async () => {
  const account = devAccount(1);
  const held = await chain.tokenBalance(account.address);
  const one = payer(1, { spendingCap: { total: 100_000n, perDeposit: 3_500n } });
  const first = await answer(one);
  assert.deepEqual([first.charged, first.chargedInAll, first.balance], [kPrice, kPrice, 3_500n]);
  assert.equal(await chain.tokenBalance(account.address), held - 3_500n);
  let charged = kPrice;
  for (const charge of [1_000n, 250n, 1n, 1_000n, 700n]) {
    charged += charge;
    const settled = await answer(one, charge);
    assert.deepEqual([settled.charged, settled.chargedInAll], [charge, charged]);
  }
  // The last ones did not fit into the first deposit.
  assert.equal((await chain.channel(first.channelId)).balance, 7_000n);
  const [state] = await server.channels();
  assert.equal(state.chargedCumulativeAmount, String(charged));
  // The official server refunds by the last voucher, so that has to be for what is charged.
  const last = await answer(one);
  const back = await one.refund(server.url);
  assert.equal(back, 7_000n - last.chargedInAll);
  await until(
    () => chain.tokenBalance(account.address),
    (now) => now === held - last.chargedInAll,
    { what: "the refund" },
  );
});

test("requests at once are made one after the other, and a cap is kept", async () => {
  const one = payer(2, { spendingCap: { total: 5_400n } });
  const outcomes = await Promise.allSettled(Array.from({ length: 12 }, () => answer(one)));
  const paid = outcomes.filter(({ status }) => status === "fulfilled");
  assert.equal(paid.length, 5);
  for (const { reason: error } of outcomes.filter(({ status }) => status === "rejected"))
    assert.ok(error instanceof SpendingCapExceeded, error?.stack);
  await assert.rejects(
    one.fetch(server.url, undefined, { maxAmount: kPrice - 1n }),
    reason("spending_cap_exceeded", "maxAmount"),
  );
  await assert.rejects(one.fetch(server.url), TypeError);
  await assert.rejects(
    payer(2, { tokens: [] }).fetch(server.url, undefined, once),
    reason("payment_refused", "accepts"),
  );
  await assert.rejects(
    payer(2, { maxWithdrawDelay: 10 }).fetch(server.url, undefined, once),
    reason("payment_refused", "withdrawDelay"),
  );
});

test("a client that has forgotten everything is put right by its own voucher, or by the chain", async () => {
  const storage = new MemoryStorage();
  const first = payer(3, { storage });
  await answer(first, 400n);
  const before = await answer(first, 300n);
  // With the storage, as if nothing had happened.
  assert.equal((await answer(payer(3, { storage }), 10n)).chargedInAll, before.chargedInAll + 10n);
  const forgetful = payer(3);
  const settled = await answer(forgetful, 20n);
  assert.equal(settled.chargedInAll, before.chargedInAll + 30n);
  assert.equal(settled.balance, before.balance);
  const withChain = payer(3, { clients: [client()], spendingCap: { total: 1_000n, deposits: 0n } });
  assert.equal((await answer(withChain, 5n)).chargedInAll, before.chargedInAll + 35n);
  // What another client has paid meanwhile is unknown to the first, which never signed for it.
  await assert.rejects(answer(payer(3, { storage }), 5n), ServerMismatch);
});

test("answers that are lost: the deposit is made once, and what was charged is found again", async () => {
  const salt = `0x${"7".repeat(64)}`;
  const storage = new MemoryStorage();
  let losing = true;
  const losingAnswers = async (input, init) => {
    const request = new Request(input, init);
    const isPaid = request.headers.has("PAYMENT-SIGNATURE");
    const response = await fetch(request);
    if (isPaid && losing) throw new Error("the answer was lost");
    return response;
  };
  const options = { salt, storage, fetch: losingAnswers, spendingCap: { total: 4_000n } };
  const first = payer(9, options);
  await assert.rejects(answer(first), /lost/);
  // In the same process, and in the next one.
  losing = false;
  const second = await answer(first, 500n);
  assert.equal(second.chargedInAll, kPrice + 500n);
  losing = true;
  await assert.rejects(answer(first, 700n), /lost/);
  losing = false;
  const restarted = payer(9, options);
  const last = await answer(restarted, 1n);
  assert.equal(last.chargedInAll, kPrice + 500n + 700n + 1n);
  assert.equal((await chain.channel(last.channelId)).balance, last.balance);
  assert.equal(last.balance, 10n * kPrice);
  // 2,201 are charged; a third request would be fine, a fourth would be above the cap.
  await answer(restarted, 1_000n);
  await assert.rejects(answer(restarted), reason("spending_cap_exceeded", "total"));
});

/** A server that has the official one's answers, altered. */
function lying(alter) {
  return async (input, init) => {
    const request = new Request(input, init);
    const isPaid = request.headers.has("PAYMENT-SIGNATURE");
    const response = await fetch(request);
    return isPaid ? alter(response) : response;
  };
}

function withHeader(response, name, alter) {
  const headers = new Headers(response.headers);
  const value = JSON.parse(Buffer.from(headers.get(name) ?? "", "base64").toString());
  headers.set(name, Buffer.from(JSON.stringify(alter(value))).toString("base64"));
  return new Response(response.body, { status: response.status, headers });
}

const settledAs = (change) => (response) =>
  withHeader(response, "PAYMENT-RESPONSE", (told) => ({
    ...told,
    extra: { ...told.extra, ...change(told.extra) },
  }));
const state = (change) =>
  settledAs(({ channelState }) => ({ channelState: { ...channelState, ...change(channelState) } }));
const plus = (text, by) => String(BigInt(text) + by);
const lies = [
  ["more than the price", "chargedAmount", settledAs(() => ({ chargedAmount: String(kPrice + 1n) }))],
  ["no amount", "chargedAmount", settledAs(() => ({ chargedAmount: "1e3" }))],
  [
    "less than what it counts",
    "chargedCumulativeAmount",
    settledAs(({ chargedAmount }) => ({ chargedAmount: plus(chargedAmount, -1n) })),
  ],
  [
    "more than what it tells",
    "chargedCumulativeAmount",
    state(({ chargedCumulativeAmount: all }) => ({ chargedCumulativeAmount: plus(all, 1n) })),
  ],
  ["less balance", "balance", state(({ balance }) => ({ balance: plus(balance, -1n) }))],
  ["more balance", "balance", state(({ balance }) => ({ balance: plus(balance, 1n) }))],
  ["another channel", "channelId", state(() => ({ channelId: `0x${"1".repeat(64)}` }))],
  [
    "another network",
    "network",
    (response) => withHeader(response, "PAYMENT-RESPONSE", (told) => ({ ...told, network: "eip155:1" })),
  ],
];
for (const [name, field, alter] of lies) {
  test(`a server that settles a payment wrongly is not paid again: ${name}`, async () => {
    let isLying = false;
    let paid = 0;
    const storage = new MemoryStorage();
    const salt = `0x${Buffer.from(name.padEnd(32)).toString("hex").slice(0, 64)}`;
    const one = payer(4, {
      storage,
      salt,
      fetch: lying((response) => {
        paid += 1;
        return isLying ? alter(response) : response;
      }),
    });
    await answer(one, 100n);
    isLying = true;
    await assert.rejects(answer(one, 100n), reason("server_mismatch", field));
    assert.equal(paid, 2);
    await assert.rejects(answer(one, 100n), ServerMismatch);
    await assert.rejects(one.refund(server.url), ServerMismatch);
    assert.equal(paid, 2);
  });
}

const corrective = (change) => (response) =>
  response.status !== 402
    ? response
    : withHeader(response, "PAYMENT-REQUIRED", (told) => ({
        ...told,
        accepts: told.accepts.map((one) => ({ ...one, extra: { ...one.extra, ...change(one.extra) } })),
      }));
const told = (name, change) =>
  corrective((extra) => ({ [name]: { ...extra[name], ...change(extra[name]) } }));
const corrections = [
  [
    "more than was signed",
    "chargedCumulativeAmount",
    told("channelState", () => ({ chargedCumulativeAmount: "5000" })),
  ],
  [
    "a signature of somebody else",
    "signature",
    told("voucherState", () => ({ signature: `0x${"1".repeat(128)}1b` })),
  ],
  [
    "a higher voucher than that",
    "signature",
    told("voucherState", ({ signedMaxClaimable }) => ({ signedMaxClaimable: plus(signedMaxClaimable, 1n) })),
  ],
  ["no voucher", "voucherState", corrective(() => ({ voucherState: undefined }))],
  ["another channel", "channelId", told("channelState", () => ({ channelId: `0x${"1".repeat(64)}` }))],
];
for (const [name, field, alter] of corrections) {
  test(`a correction is not believed: ${name}`, async () => {
    const salt = `0x${Buffer.from(`c ${name}`.padEnd(32)).toString("hex").slice(0, 64)}`;
    await answer(payer(5, { salt }), 100n);
    let paid = 0;
    const forgetful = payer(5, {
      salt,
      fetch: lying((response) => {
        paid += 1;
        return alter(response);
      }),
    });
    await assert.rejects(answer(forgetful, 100n), reason("server_mismatch", field));
    assert.equal(paid, 1);
    await assert.rejects(answer(forgetful, 100n), ServerMismatch);
    assert.equal(paid, 1);
  });
}

test("a correction that counts what was never signed is not believed by a client that remembers", async () => {
  const salt = `0x${"6".repeat(64)}`;
  const storage = new MemoryStorage();
  await answer(payer(6, { salt, storage }), 100n);
  // Another client of the same account pays 1,000 more: the voucher is genuine, and not of this one.
  await answer(payer(6, { salt }), 1_000n);
  const one = payer(6, { salt, storage });
  await assert.rejects(answer(one, 100n), ServerMismatch);
});

const kChat = { method: "POST", headers: { "Content-Type": "application/json" } };
const chat = (content, more = {}) => ({
  ...kChat,
  body: JSON.stringify({ model: "m", messages: [{ role: "user", content }], ...more }),
});

test("millrace gate: calls that cost what they came to, with a login and without", async () => {
  const url = `${gate.url}/v1/chat/completions`;
  const app = await Millrace.connect({
    url: stack.ready.stream,
    account: devAccount(7),
    spendingCap: { perPayment: 50_000n },
    WebSocket,
  });
  let charged = 0n;
  for (const count of [3, 17, 1]) {
    const response = await app.fetch(url, chat(`tokens=${count} please`));
    assert.equal(response.status, 200);
    const { usage } = await response.json();
    assert.equal(usage.completion_tokens, count);
    const settled = await app.settlement(response);
    assert.equal(settled.charged, priceOf(usage.prompt_tokens, count));
    charged += settled.charged;
    assert.equal(settled.chargedInAll, charged);
  }
  const free = await app.fetch(url, chat("status=500"));
  assert.equal(free.status, 500);
  assert.equal((await app.settlement(free))?.charged ?? 0n, 0n);
  const back = await app.resources.refund(url);
  assert.ok(back > 0n);
  app.close();
  await assert.rejects(payer(8).refund(`${gate.url}/nowhere`), reason("payment_refused"));
});

test("millrace gate: a payer without tokens is told so", async () => {
  const poor = new ResourcePayer({ account: newAccount(), tokens });
  const url = `${gate.url}/v1/chat/completions`;
  const body = JSON.stringify({ model: "small", messages: [{ role: "user", content: "tokens=1" }] });
  const request = { method: "POST", headers: { "Content-Type": "application/json" }, body };
  await assert.rejects(
    poor.fetch(url, request, { maxAmount: 5_000n }),
    ({ reason, message }) => /insufficient_balance$/.test(reason) && /holds less of the token/.test(message),
  );
});

test("millrace gate: streams, whose price comes at their end", async () => {
  const url = `${gate.url}/v1/chat/completions`;
  const one = payer(8, { spendingCap: { perPayment: 50_000n } });
  let charged = 0n;
  for (const count of [5, 20]) {
    const stream = await one.stream(
      url,
      chat(`tokens=${count} go`, { stream: true, max_tokens: Number(kOutputTokensMax) }),
    );
    let words = 0;
    let isDone = false;
    for await (const { event, data } of stream) {
      assert.equal(event, "message");
      if (data === "[DONE]") isDone = true;
      else if (JSON.parse(data).choices[0]?.delta.content) words += 1;
    }
    assert.ok(isDone);
    assert.equal(words, count);
    const settled = await stream.settled;
    assert.equal(settled.charged, priceOf(upstream.last.input, count));
    charged += settled.charged;
    assert.equal(settled.chargedInAll, charged);
  }
  // One that is left in the middle is charged for what was delivered; the next one is put right.
  const left = await one.stream(url, chat("tokens=40 every=20 go", { stream: true, max_tokens: 40 }));
  for await (const { data } of left) if (data.includes("word2 ")) break;
  assert.equal(await left.settled, undefined);
  const next = await one.fetch(url, chat("tokens=1"));
  assert.equal(next.status, 200);
  const settled = await one.settlement(next);
  assert.ok(settled.chargedInAll > charged + settled.charged, "what was delivered is charged");
  assert.ok(settled.chargedInAll < charged + settled.charged + priceOf(10, 40));
});
