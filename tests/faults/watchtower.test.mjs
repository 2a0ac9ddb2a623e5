import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Chain, devAccount, newAccount } from "../e2e/chain.mjs";
import { Client, until, wait } from "../e2e/client.mjs";
import { query } from "../e2e/postgres.mjs";
import { assertBalanced, Stack } from "../e2e/stack.mjs";
import { seededRandom } from "./seed.mjs";

const kLong = process.env.MILLRACE_LONG === "1";
const kRounds = kLong ? 38 : 5;
const kPayers = 8;
const kDeposit = 1_000_000n;
/** What is left of the window, at least, when the service is back. */
const kSecondsToClaim = 60;

const random = seededRandom("watchtower.test.mjs");
let stack;
let chain;
let payers;

before(async () => {
  stack = await Stack.start();
  chain = new Chain(stack.ready);
  payers = await Promise.all(
    Array.from({ length: kPayers }, (_, index) => Client.login(stack.ready.stream, devAccount(index))),
  );
});

after(async () => {
  for (const payer of payers ?? []) payer.connection.cut();
  await stack?.stop();
});

async function reconnect(client) {
  client.connection.cut();
  const again = await Client.withToken(stack.ready.stream, client.account, client.session.token);
  client.connection = again.connection;
}

/** The clock of the chain is ahead of ours, so the authorization has to be valid for long. */
async function open(payer, receiver) {
  const config = payer.configFor(receiver);
  const id = payer.idOf(config);
  const overrides = { validBefore: 4_102_444_800n };
  await payer.call("channel.open", {
    network: payer.network.network,
    channelConfig: config,
    deposit: await payer.deposit(id, kDeposit, overrides),
  });
  await payer.waitForBalance(id, kDeposit);
  return { payer, id, config, promised: 0n, acknowledged: 0n, held: [] };
}

/** Pays, and leaves some work open, until it is refused or the service is gone. */
async function spend(channel, round) {
  const { payer } = channel;
  try {
    for (let at = 0; at < 400; ++at) {
      const amount = BigInt(random.between(1, 2000));
      if (random.chance(0.2)) {
        await payer.authorize(channel, { id: `h-${round}-${at}` }, amount);
        channel.held.push({ id: `h-${round}-${at}`, amount });
      } else {
        await payer.pay(channel, { id: `p-${round}-${at}` }, amount);
        channel.acknowledged += amount;
      }
    }
  } catch (error) {
    if (error.name === "StreamError")
      assert.ok(["channel_closing", "unavailable", "overloaded"].includes(error.reason), error.message);
  }
}

async function withdrawAllThatIsLeft(channel) {
  for (;;) {
    const { balance, totalClaimed } = await chain.channel(channel.id);
    try {
      return await chain.transact(channel.payer.account, "initiateWithdraw", [
        channel.config,
        balance - totalClaimed,
      ]);
    } catch (error) {
      // Claimed meanwhile, beside a neighbour that is withdrawn from: less is left than was read.
      if (!/WithdrawAmountExceedsAvailable|was reverted/.test(error.message)) throw error;
    }
  }
}

/** At a random moment, and without a word to the service. */
async function withdraw(channel) {
  await wait(random.between(0, 800));
  const { blockNumber } = await withdrawAllThatIsLeft(channel);
  channel.deadline = (await chain.time(blockNumber)) + BigInt(channel.config.withdrawDelay);
}

/** How many of the channels, by what is written down, are not known to be withdrawn from. */
async function countUnseen(channels) {
  const [{ count }] = await query(
    stack.ready.postgres,
    `select count(*)::int as count from channel
     where withdraw_requested_at = 0 and encode(channel_id, 'hex') = any($1)`,
    [channels.map(({ id }) => id.slice(2))],
  );
  return count;
}

/**
 * Down for a random part of the window, up to all but the last minute of it.
 * @returns {Promise<number>} withdrawals that the service had not seen before it was killed
 */
async function killForAWhile(channels) {
  const pid = stack.ready.pids.service;
  await wait(random.between(0, 900));
  process.kill(pid, "SIGKILL");
  await Promise.all(channels.map(({ withdrawal }) => withdrawal));
  const unseen = await countUnseen(channels);
  const first = channels.reduce((min, { deadline }) => (deadline < min ? deadline : min), 2n ** 63n);
  const most = Number(first - (await chain.time())) - kSecondsToClaim;
  await chain.passTime(random.between(0, most));
  await stack.readyWhere((ready) => ready.pids.service !== pid);
  return unseen;
}

async function chargeWhatIsHeld(provider, channel) {
  for (const { id, amount } of channel.held) {
    if (random.chance(0.3)) continue;
    const charged = BigInt(random.between(1, Number(amount) + 1));
    try {
      await provider.charge(channel.id, id, charged);
      channel.acknowledged += charged;
    } catch (error) {
      // In doubt when the service was killed: it may never have been reserved.
      if (error.reason !== "reservation_unknown") throw error;
    }
  }
}

/** All that is charged has been claimed, and the window is not over. */
async function assertClaimedInTime(channel) {
  const { payer, id } = channel;
  const state = await until(
    async () => ({ ...(await payer.get(id)), chain: String((await chain.channel(id)).totalClaimed) }),
    (found) => found.status === "closing" && found.chain === found.chargedCumulativeAmount,
    { what: `channel ${id} claimed` },
  );
  assert.ok((await chain.time()) < channel.deadline, "claimed too late");
  channel.charged = BigInt(state.chargedCumulativeAmount);
  assert.ok(channel.charged >= channel.acknowledged, "an acknowledged charge is gone");
}

async function assertWithdrawn(channel) {
  await chain.transact(channel.payer.account, "finalizeWithdraw", [channel.config]);
  const found = await until(
    () => channel.payer.get(channel.id),
    ({ status }) => status === "closed",
    { what: `channel ${channel.id} closed` },
  );
  assert.equal(found.balance, String(channel.charged));
  assert.equal(found.withdrawRequestedAt, 0);
}

test(`${kRounds * kPayers} dishonest closes, the service down for a part of the window`, async (t) => {
  let unseen = 0;
  for (let round = 1; round <= kRounds; ++round) {
    const receiver = newAccount();
    const provider = await Client.login(stack.ready.stream, receiver);
    const before = await Promise.all(payers.map(({ account }) => chain.tokenBalance(account.address)));
    const channels = await Promise.all(payers.map((payer) => open(payer, receiver.address)));
    const spending = channels.map((channel) => spend(channel, round));
    for (const channel of channels) channel.withdrawal = withdraw(channel);
    unseen += await killForAWhile(channels);
    await Promise.all(spending);

    await Promise.all([provider, ...payers].map(reconnect));
    await Promise.all(channels.map((channel) => chargeWhatIsHeld(provider, channel)));
    await Promise.all(channels.map(assertClaimedInTime));
    await chain.passTime(900);
    await Promise.all(channels.map(assertWithdrawn));

    const charged = channels.reduce((sum, channel) => sum + channel.charged, 0n);
    await until(
      () => chain.tokenBalance(receiver.address),
      (swept) => swept === charged,
      { what: `the provider paid ${charged}` },
    );
    for (const [at, channel] of channels.entries()) {
      const wallet = await chain.tokenBalance(payers[at].account.address);
      assert.equal(before[at] - wallet, channel.charged, "the payer paid what was charged");
    }
    provider.connection.cut();
    t.diagnostic(`${round}: ${charged} charged and claimed on ${channels.length} channels`);
  }
  t.diagnostic(`${unseen} withdrawals were first seen after a restart`);
  assert.ok(unseen > 0, "no withdrawal came while the service was down");
  const [{ lost }] = await query(
    stack.ready.postgres,
    "select count(*)::int as lost from transfer where cause = 'uncollectable'",
  );
  assert.equal(lost, 0, "something charged was lost");
  await assertBalanced(stack.ready);
});
