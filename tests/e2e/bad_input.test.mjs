import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { kForms } from "./bad_input_forms.mjs";
import { kRefusals } from "./bad_input_refusals.mjs";
import { devAccount, newAccount } from "./chain.mjs";
import { Client, wait } from "./client.mjs";
import { Connection } from "./connection.mjs";
import { assertBalanced, audit, outboxEmpty, Stack, trialBalance } from "./stack.mjs";

const kChallengeSeconds = 4;

/** What the cases work on: two payers' channels with one provider, some of it charged and reserved. */
const world = {};
let stack;

before(async () => {
  stack = await Stack.start({
    env: { MILLRACE_AUTH__CHALLENGE_TTL_SECONDS: String(kChallengeSeconds) },
  });
  const login = (account) => Client.login(stack.ready.stream, account);
  Object.assign(world, {
    ready: stack.ready,
    payer: await login(devAccount(1)),
    other: await login(devAccount(2)),
    poor: await login(newAccount()),
    provider: await login(newAccount()),
    stranger: await login(newAccount()),
    anonymous: { connection: await Connection.open(stack.ready.stream) },
  });
  world.anonymous.call = (...args) => world.anonymous.connection.call(...args);
  const receiver = world.provider.account.address;
  world.channel = await world.payer.open(receiver, { deposit: 1_000_000n });
  world.others = await world.other.open(receiver, { deposit: 5_000n });
  await world.payer.pay(world.channel, { id: "paid" }, 1000);
  await world.payer.authorize(world.channel, { id: "job" }, 500);
  await world.payer.authorize(world.channel, { id: "done" }, 300);
  await world.provider.charge(world.channel.id, "done", 200);
  await outboxEmpty(stack.ready);
  // A case that wants a good voucher signs for charged and reserved (1700) and its own amount.
  world.used = 1700n;
  world.signed = 1800n;
  world.balance = 1_000_000n;
});

after(async () => {
  for (const party of ["payer", "other", "poor", "provider", "stranger", "anonymous"])
    await world[party]?.connection.close();
  await stack?.stop();
});

/** All that a bad request could have changed. */
async function snapshot() {
  const { payer, other, provider, stranger, channel, others, ready } = world;
  return {
    channels: [await payer.get(channel.id), await other.get(others.id)],
    lists: await Promise.all([payer, other, provider, stranger].map((party) => party.list())),
    payments: await audit(ready, `/v1/channels/${channel.id}/payments`),
    balance: await trialBalance(ready),
  };
}

/** Runs `attempt` and checks its error against what is expected, and that nothing has changed. */
async function assertRefused(expected, attempt) {
  const earlier = await snapshot();
  const error = await attempt();
  assert.ok(error, "it was accepted");
  assert.equal(error.code, expected.code, JSON.stringify(error));
  assert.equal(typeof error.message, "string");
  assert.notEqual(error.message, "");
  if (expected.reason) assert.equal(error.data?.reason, expected.reason, JSON.stringify(error));
  if (expected.field) assert.equal(error.data?.field, expected.field, JSON.stringify(error));
  if (expected.limit !== undefined)
    assert.equal(error.data?.limit, String(expected.limit), JSON.stringify(error));
  assert.doesNotMatch(JSON.stringify(error), /\.cpp|pqxx|simdjson|boost|std::|select |insert /);
  assert.deepEqual(await snapshot(), earlier);
}

test("there are at least 60 cases, each with a name of its own", () => {
  const names = [...kRefusals, ...kForms].map(({ name }) => name);
  assert.ok(names.length >= 60, `${names.length}`);
  assert.equal(new Set(names).size, names.length);
});

test("refusals", async (t) => {
  for (const refusal of kRefusals) {
    await t.test(refusal.name, async () => {
      const [method, params] = await refusal.call(world);
      await assertRefused(refusal.expect, () =>
        world[refusal.as ?? "payer"].call(method, params).then(
          () => undefined,
          (error) => ({ code: error.code, message: error.message, data: error.data }),
        ),
      );
    });
  }
});

test("frames that are no requests", async (t) => {
  for (const form of kForms) {
    await t.test(form.name, async () => {
      const { token } = world.payer.session;
      const connection = await Connection.open(world.ready.stream, { token });
      let closed;
      await assertRefused(form.expect, async () => {
        const answer = await connection.exchange(await form.frame(world), { binary: form.binary });
        if (answer.closed && form.closes?.includes(answer.closed)) return form.expect.answered;
        const [error, ...more] = [answer].flat().map((one) => one.error);
        assert.deepEqual(
          more.filter((one) => one?.code !== error.code),
          [],
        );
        return error;
      });
      if (!form.closes) {
        // One bad frame costs nobody the connection.
        const info = await connection.call("server.info");
        assert.equal(info.name, "millrace");
      } else {
        await wait(50);
        closed = connection.isClosed;
      }
      if (!closed) await connection.close();
    });
  }
});

test("half a batch bad: the good half is paid, each bad one is refused by itself", async () => {
  const { payer, other, channel, others } = world;
  const pay = async (id, amount, voucher) => [
    "payment.pay",
    { channelId: others.id, inference: { id, model: "m" }, amount: String(amount), voucher },
  ];
  const signed = (max) => other.voucher(others.id, max);
  // Above all others, so that no valid voucher covers it.
  const forged = await payer.voucher(others.id, 5_000);
  const answers = await other.connection.batch([
    await pay("h-1", 10, await signed(10)),
    await pay("h-2", 10, forged),
    await pay("h 3", 10, await signed(20)),
    await pay("h-4", 10, await signed(20)),
    [
      "payment.pay",
      {
        channelId: channel.id,
        inference: { id: "h-5", model: "m" },
        amount: "1",
        voucher: await signed(20),
      },
    ],
    await pay("h-6", 10, await signed(9)),
    ["payment.nonsense", {}],
    await pay("h-8", 10, await signed(30)),
  ]);
  assert.deepEqual(
    answers.map(
      ({ value, reason }) => value?.chargedCumulativeAmount ?? reason.reason ?? reason.code,
    ),
    [
      "10",
      "invalid_batch_settlement_evm_voucher_signature",
      "not_an_inference_id",
      "20",
      "forbidden",
      "insufficient_voucher",
      -32601,
      "30",
    ],
  );
  const after = await other.get(others.id);
  assert.equal(after.chargedCumulativeAmount, "30");
  assert.equal(after.signature, (await signed(30)).signature);
  await assertBalanced(stack.ready);
});

test("a bad voucher in the middle of a pipeline harms no other", async () => {
  const { payer, other, others } = world;
  const found = await other.get(others.id);
  const used = BigInt(found.chargedCumulativeAmount);
  const outcomes = [];
  for (let i = 1; i <= 50; ++i) {
    const bad = i % 10 === 5;
    // A bad one asks for nothing that a later one needs: the next good one signs the same total.
    const good = i - Math.floor((i + 5) / 10);
    const max = used + BigInt(bad ? good + 1 : good);
    const voucher = await (bad ? payer : other).voucher(others.id, max);
    const inference = { id: `pipe-${i}`, model: "m" };
    outcomes.push(
      other.call("payment.pay", { channelId: others.id, inference, amount: "1", voucher }),
    );
  }
  const settled = await Promise.allSettled(outcomes);
  const refused = settled.flatMap(({ reason }, i) => (reason ? [[i + 1, reason.reason]] : []));
  // A bad voucher below a later valid one is never looked at: that one is the evidence for both.
  // So the bad ones may be taken, and then later ones lack cover; what may not happen is a charge
  // that no valid voucher covers.
  const after = await other.get(others.id);
  const paid = settled.filter(({ status }) => status === "fulfilled").length;
  assert.equal(BigInt(after.chargedCumulativeAmount), used + BigInt(paid));
  assert.ok(BigInt(after.signedMaxClaimable) >= BigInt(after.chargedCumulativeAmount));
  const own = await other.voucher(others.id, after.signedMaxClaimable);
  assert.equal(after.signature, own.signature);
  for (const [i, reason] of refused)
    assert.match(reason, /voucher_signature$|^insufficient_voucher$/, `request ${i}`);
  await assertBalanced(stack.ready);
});

test("expired challenge: the message of a login can be signed too late", async () => {
  const { stranger } = world;
  const address = stranger.account.address;
  const { message, expiresAt } = await stranger.call("auth.challenge", { address });
  const left = new Date(expiresAt) - Date.now();
  assert.ok(left > 0 && left <= kChallengeSeconds * 1000, `${left} ms left`);
  await wait(left + 1100);
  const signature = await stranger.account.signMessage({ message });
  await assertRefused({ code: -32000, reason: "unauthenticated" }, () =>
    stranger.call("auth.login", { message, signature }).then(
      () => undefined,
      (error) => error,
    ),
  );
});
