import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  Chain,
  devAccount,
  kErc3009Collector,
  kPermit2,
  newAccount,
  signPermit2Deposit,
} from "./chain.mjs";
import { Client } from "./client.mjs";
import { assertBalanced, Stack } from "./stack.mjs";

const kDeposit = 1_000_000n;

let stack;
let chain;
let payer;
let provider;

before(async () => {
  stack = await Stack.start();
  chain = new Chain(stack.ready);
  payer = await Client.login(stack.ready.stream, devAccount(2));
  provider = await Client.login(stack.ready.stream, newAccount());
});

after(async () => {
  await payer?.close();
  await provider?.close();
  await stack?.stop();
});

function permit2Deposit(channelId, amount, more) {
  const { network } = payer.network;
  return signPermit2Deposit(payer.account, {
    network,
    token: payer.token,
    channelId,
    amount,
    ...more,
  });
}

/** Opens by Permit2 with what `change` does to the authorization; gives the answer or its error. */
async function tryToOpen({ config = payer.configFor(provider.account.address), ...change } = {}) {
  const channelId = payer.idOf(config);
  return payer.call("channel.open", {
    network: payer.network.network,
    channelConfig: config,
    deposit: await permit2Deposit(channelId, kDeposit, change),
  });
}

const x402 = (reason) => (error) =>
  error.data?.reason === `invalid_batch_settlement_evm_${reason}` || assert.fail(error);

test("permit2: the token says that it is taken", () => {
  assert.deepEqual(payer.token.assetTransferMethods, ["eip3009", "permit2"]);
});

test("permit2: without the payer's approval it is refused, and with it the balances are exact", async () => {
  await assert.rejects(tryToOpen(), x402("permit2_allowance_required"));
  await chain.approve(payer.account, kPermit2, 10n * kDeposit);

  const config = payer.configFor(provider.account.address);
  const id = payer.idOf(config);
  const held = await chain.tokenBalance(payer.account.address);
  const opened = await tryToOpen({ config });
  assert.equal(opened.channelId, id);
  await payer.waitForBalance(id, kDeposit);
  assert.deepEqual(await chain.channel(id), { balance: kDeposit, totalClaimed: 0n });
  assert.equal(await chain.tokenBalance(payer.account.address), held - kDeposit);

  const channel = { id, config, promised: 0n };
  const deposit = await permit2Deposit(id, 500n);
  const topUp = { channelId: id, deposit };
  const { transaction } = await payer.call("channel.topUp", topUp);
  assert.equal((await payer.call("channel.topUp", topUp)).transaction, transaction);
  await payer.waitForBalance(id, kDeposit + 500n);
  await payer.pay(channel, { id: "all" }, kDeposit + 500n);
  await provider.claim();
  assert.equal(await chain.tokenBalance(provider.account.address), kDeposit + 500n);
  await assertBalanced(stack.ready);
});

test("permit2: what is not signed for this deposit is refused by its x402 name", async () => {
  const word = `0x${"5".repeat(64)}`;
  const other = newAccount().address;
  const past = String(Math.floor(Date.now() / 1000));
  const less = { token: payer.token.address, amount: "1" };
  const cases = [
    ["permit2_invalid_spender", { overrides: { spender: kErc3009Collector } }],
    ["permit2_deadline_expired", { overrides: { deadline: past } }],
    ["permit2_amount_mismatch", { given: { permitted: less } }],
    ["token_mismatch", { given: { permitted: { token: other, amount: String(kDeposit) } } }],
    ["channel_id_mismatch", { overrides: { witness: { channelId: word } } }],
    ["permit2_invalid_signature", { given: { from: other } }],
    ["permit2_invalid_signature", { given: { nonce: "5" } }],
    ["permit2_invalid_signature", { given: { signature: "0x1234" } }],
  ];
  for (const [reason, change] of cases)
    await assert.rejects(tryToOpen(change), x402(reason), reason);
  assert.deepEqual(
    (await payer.list()).filter(({ status }) => status === "pending"),
    [],
  );
});
