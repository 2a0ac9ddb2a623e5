// kill -9 while the service settles for an x402 resource server: the same request afterwards is the
// same transaction, and nothing moves twice.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import {
  Chain,
  channelIdOf,
  devAccount,
  escrowAbi,
  kZeroAddress,
  newAccount,
  signDeposit,
  signVoucher,
} from "../e2e/chain.mjs";
import { Client, until } from "../e2e/client.mjs";
import { query } from "../e2e/postgres.mjs";
import { assertBalanced, Stack, untilReady } from "../e2e/stack.mjs";
import { HeldStep } from "./held_step.mjs";

const kDeposit = 10_000n;

let stack;
let chain;
let info;
let receiver;
let token;
const payer = devAccount(1);

before(async () => {
  stack = await Stack.start();
  chain = new Chain(stack.ready);
  info = (await (await fetch(`${stack.ready.url}/v1/networks`)).json()).networks[0];
});

after(() => stack?.stop());

/** A channel that the service has no record of, with a receiver of its own. */
async function newChannel() {
  const account = newAccount();
  const login = await Client.login(stack.ready.stream, account);
  receiver = account.address;
  token = login.session.token;
  await login.close();
  const config = {
    payer: payer.address,
    payerAuthorizer: kZeroAddress,
    receiver,
    receiverAuthorizer: info.receiverAuthorizer,
    token: info.tokens[0].address,
    withdrawDelay: info.withdrawDelay.min,
    salt: `0x${randomBytes(32).toString("hex")}`,
  };
  const { network, contract } = info;
  return { config, id: channelIdOf({ network, contract, config }) };
}

async function voucherOf({ id }, amount) {
  const { network, contract } = info;
  const signed = { network, contract, channelId: id, maxClaimableAmount: amount };
  return {
    channelId: id,
    maxClaimableAmount: String(amount),
    signature: await signVoucher(payer, signed),
  };
}

async function rowOf(channel, total) {
  const { maxClaimableAmount, signature } = await voucherOf(channel, total);
  return {
    voucher: { channel: channel.config, maxClaimableAmount },
    signature,
    totalClaimed: String(total),
  };
}

const kPayloads = {
  deposit: async (channel) => ({
    type: "deposit",
    channelConfig: channel.config,
    voucher: await voucherOf(channel, 1n),
    deposit: await signDeposit(payer, {
      network: info.network,
      token: info.tokens[0],
      channelId: channel.id,
      amount: kDeposit,
    }),
  }),
  claim: async (channel) => ({ type: "claim", claims: [await rowOf(channel, 400n)] }),
  settle: async ({ config }) => ({ type: "settle", receiver: config.receiver, token: config.token }),
  refund: async (channel) => ({
    type: "refund",
    channelConfig: channel.config,
    voucher: await voucherOf(channel, 400n),
    amount: "1000",
    refundNonce: "0",
    claims: [await rowOf(channel, 400n)],
  }),
};

function requirementsOf({ config }) {
  const { name, version } = info.tokens[0];
  return {
    scheme: "batch-settlement",
    network: info.network,
    amount: "1",
    asset: config.token,
    payTo: config.receiver,
    maxTimeoutSeconds: 60,
    extra: {
      name,
      version,
      receiverAuthorizer: config.receiverAuthorizer,
      withdrawDelay: config.withdrawDelay,
    },
  };
}

/** The answer, or nothing from a service that dies. */
async function settle(channel, payload) {
  const requirements = requirementsOf(channel);
  const payment = { x402Version: 2, accepted: requirements, payload };
  const body = { x402Version: 2, paymentPayload: payment, paymentRequirements: requirements };
  const response = await fetch(`${stack.ready.url}/x402/settle`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
    body: JSON.stringify(body),
  }).catch(() => undefined);
  return response?.status === 200 ? response.json() : undefined;
}

/** What the contract has of the channel and its receiver, and the tokens of payer and receiver. */
async function standing({ id, config }) {
  const { balance, totalClaimed } = await chain.channel(id);
  const [, settled] = await chain.rpc.readContract({
    address: info.contract,
    abi: escrowAbi,
    functionName: "receivers",
    args: [config.receiver, config.token],
  });
  const wallet = await chain.tokenBalance(payer.address);
  return { balance, totalClaimed, settled, wallet, nonce: await chain.refundNonce(id) };
}

/** By how much each action moves what. */
const kEffects = {
  deposit: { balance: kDeposit, totalClaimed: 0n, settled: 0n, wallet: -kDeposit, nonce: 0n },
  claim: { balance: 0n, totalClaimed: 400n, settled: 0n, wallet: 0n, nonce: 0n },
  settle: { balance: 0n, totalClaimed: 0n, settled: 300n, wallet: 0n, nonce: 0n },
  refund: { balance: -1000n, totalClaimed: 400n, settled: 0n, wallet: 1000n, nonce: 1n },
};

/** What has to be there before the action. */
async function prepare(action, channel) {
  if (action === "deposit") return;
  await succeed(channel, await kPayloads.deposit(channel));
  if (action === "settle")
    await succeed(channel, { type: "claim", claims: [await rowOf(channel, 300n)] });
}

async function succeed(channel, payload) {
  const answer = await settle(channel, payload);
  assert.equal(answer?.success, true, JSON.stringify(answer));
  return answer;
}

/** As if the service had been killed between the commit and the broadcast. */
async function forgetTransactions() {
  const { pending } = await chain.rpc.request({ method: "txpool_content", params: [] });
  for (const { hash } of Object.values(pending).flatMap((byNonce) => Object.values(byNonce)))
    await chain.rpc.request({ method: "anvil_dropTransaction", params: [hash] });
}

const sent = async () =>
  (await query(stack.ready.postgres, "select count(*)::int as count from facilitated"))[0].count;

async function killBefore(action, [table, operation, when], { broadcast }) {
  const channel = await newChannel();
  await prepare(action, channel);
  const [standingBefore, sentBefore] = [await standing(channel), await sent()];
  const payload = await kPayloads[action](channel);
  if (!broadcast) await chain.mineByItself(false);
  const held = await HeldStep.set(stack.ready.postgres, table, operation, when);
  const pid = stack.ready.pids.service;
  const work = settle(channel, payload);
  await held.untilReached();
  process.kill(pid, "SIGKILL");
  await held.clear();
  if (!broadcast) {
    await forgetTransactions();
    await chain.mineByItself(true);
  }
  const first = await work;
  await stack.readyWhere((ready) => ready.pids.service !== pid);
  await untilReady(stack.ready);
  const again = await until(() => settle(channel, payload), (answer) => answer !== undefined, {
    what: "an answer",
  });
  assert.equal(again.success, true, JSON.stringify(again));
  if (first?.transaction) assert.equal(again.transaction, first.transaction);
  const standingAfter = await standing(channel);
  for (const [what, moved] of Object.entries(kEffects[action]))
    assert.equal(standingAfter[what] - standingBefore[what], moved, what);
  assert.equal((await sent()) - sentBefore, 1);
  assert.equal((await settle(channel, payload)).transaction, again.transaction);
  assert.equal((await sent()) - sentBefore, 1);
}

for (const action of Object.keys(kPayloads))
  test(`kill -9 on the way of a ${action} for others: exactly once`, async (t) => {
    const isNow = (status) =>
      `new.status = '${status}' and new.purpose = '${action === "deposit" ? "deposit" : "facilitated"}'`;
    const steps = [
      ["facilitated", "insert", "true"],
      ["outbox", "update", isNow("sent")],
      ["outbox", "update", isNow("confirmed")],
    ];
    for (const step of steps)
      await t.test(step.join(" "), () => killBefore(action, step, { broadcast: true }));
    await t.test("never broadcast", () => killBefore(action, steps[1], { broadcast: false }));
    await assertBalanced(stack.ready);
  });
