import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createWalletClient, http } from "viem";
import { Chain, devAccount, newAccount } from "./chain.mjs";
import { Client, until } from "./client.mjs";
import { deployWallet, WalletAccount, walletAbi } from "./smart_wallet.mjs";
import { assertBalanced, audit, Stack } from "./stack.mjs";

const kDeposit = 1_000_000n;
const kBadSignature = "invalid_batch_settlement_evm_voucher_signature";

let stack;
let chain;
let deployer;
let wallet;
let payer;
let provider;

const deploy = (owners) => deployWallet(chain, deployer, owners, 4n * kDeposit);

before(async () => {
  stack = await Stack.start();
  chain = new Chain(stack.ready);
  deployer = devAccount(4);
  wallet = await deploy([newAccount(), newAccount()]);
  payer = await Client.login(stack.ready.stream, wallet);
  provider = await Client.login(stack.ready.stream, newAccount());
});

after(async () => {
  await payer?.close();
  await provider?.close();
  await stack?.stop();
});

const reasonOf = ({ status, reason }) => (status === "rejected" ? reason.data?.reason : "paid");

test("wallet: a login is signed by all owners or is none", async () => {
  assert.equal(payer.session.address, wallet.address.toLowerCase());
  const half = new WalletAccount(wallet.address, wallet.owners.slice(0, 1));
  await assert.rejects(Client.login(stack.ready.stream, half), { reason: "unauthenticated" });
  const json = (path, body) =>
    fetch(stack.ready.url + path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
  const challenge = await (
    await json("/v1/auth/challenge", { address: wallet.address })
  ).json();
  const { message } = challenge;
  const response = await json("/v1/auth/login", {
    message,
    signature: await wallet.signMessage({ message }),
  });
  assert.equal(response.status, 200);
});

test("wallet: pays in order, is claimed, and the provider holds exactly that", async () => {
  const channel = await payer.open(provider.account.address, { deposit: kDeposit });
  const vouchers = [];
  for (let n = 1n; n <= 20n; ++n) vouchers.push(await payer.voucher(channel.id, n * 100n));
  const results = await Promise.all(
    vouchers.map((voucher, n) =>
      payer.call("payment.pay", {
        channelId: channel.id,
        inference: { id: `i-${n}`, model: "model-a" },
        amount: "100",
        voucher,
      }),
    ),
  );
  assert.deepEqual(
    results.map(({ chargedCumulativeAmount }) => chargedCumulativeAmount),
    results.map((_, n) => String((n + 1) * 100)),
  );
  // Without a voucher an authorization stands on the last one.
  await payer.call("payment.authorize", {
    channelId: channel.id,
    inference: { id: "a", model: "model-a" },
    maxAmount: "50",
    voucher: await payer.voucher(channel.id, 2100n),
  });
  await payer.call("payment.authorize", {
    channelId: channel.id,
    inference: { id: "b", model: "model-a" },
    maxAmount: "50",
  });
  await provider.charge(channel.id, "a", 30n);
  await provider.release(channel.id, "b");

  const { payments } = await audit(stack.ready, `/v1/channels/${channel.id}/payments`);
  const first = payments.find(({ inferenceId }) => inferenceId === "i-0");
  assert.equal(first.voucher.signature, vouchers[0].signature);
  assert.equal((await payer.get(channel.id)).signature.length, 2 + 2 * 130);

  await provider.claim();
  assert.equal(await chain.tokenBalance(provider.account.address), 2030n);
  assert.deepEqual(await chain.channel(channel.id), { balance: kDeposit, totalClaimed: 2030n });
  await assertBalanced(stack.ready);
});

test("wallet: a voucher that it does not own up to is refused alone", async () => {
  const channel = await payer.open(provider.account.address, { deposit: kDeposit });
  const half = new WalletAccount(wallet.address, wallet.owners.slice(0, 1));
  const forger = new Client(payer.connection, half, payer.network);
  const pay = (id, voucher) => [
    "payment.pay",
    { channelId: channel.id, inference: { id, model: "m" }, amount: "10", voucher },
  ];
  const answers = await payer.connection.batch([
    pay("good", await payer.voucher(channel.id, 10n)),
    pay("half", await forger.voucher(channel.id, 20n)),
    pay("other", { ...(await payer.voucher(channel.id, 20n)), maxClaimableAmount: "21" }),
    pay("again", await payer.voucher(channel.id, 30n)),
  ]);
  assert.deepEqual(answers.map(reasonOf), ["paid", kBadSignature, kBadSignature, "paid"]);
  // The same once more is the same result; somebody else cannot make the wallet be asked.
  const [repeated] = await payer.connection.batch([
    pay("good", await payer.voucher(channel.id, 10n)),
  ]);
  assert.equal(repeated.value.chargedCumulativeAmount, "10");
  const stranger = await Client.login(stack.ready.stream, newAccount());
  const [foreign] = await stranger.connection.batch([
    pay("x", await payer.voucher(channel.id, 40n)),
  ]);
  assert.notEqual(foreign.status, "fulfilled");
  await stranger.close();
});

test("wallet: a provider hands in what it signed, with a deposit and without", async () => {
  const config = payer.configFor(provider.account.address);
  const id = payer.idOf(config);
  const accept = async (inference, amount, max, more = {}) =>
    provider.accept({ channelConfig: config, voucher: await payer.voucher(id, max), ...more }, { id: inference }, amount);
  const half = new WalletAccount(wallet.address, wallet.owners.slice(0, 1));
  const forger = new Client(payer.connection, half, payer.network);
  const deposit = await payer.deposit(id, 1_000n);
  const forged = { voucher: await forger.voucher(id, 100n) };
  await assert.rejects(accept("a", 100n, 100n, { deposit, ...forged }), { reason: kBadSignature });
  await assert.rejects(payer.get(id), { reason: "channel_unknown" });

  const accepted = await accept("a", 100n, 100n, { deposit });
  assert.equal(accepted.balance, "1000");
  await provider.charge(id, "a", 40n);
  await assert.rejects(accept("b", 60n, 100n, forged), { reason: kBadSignature });
  const next = await accept("b", 10n, 50n);
  assert.equal(next.signedMaxClaimable, "100");
  await provider.charge(id, "b", 10n);
  const refund = (voucher) => provider.call("channel.refund", { channelId: id, voucher });
  await assert.rejects(refund(await forger.voucher(id, 50n)), { reason: kBadSignature });
  const { amount } = await refund(await payer.voucher(id, 50n));
  assert.equal(amount, "950");
  await until(() => payer.get(id), ({ status }) => status === "closed", { what: "the refund" });
  await assertBalanced(stack.ready);
});

test("wallet: once closed it pays nothing more, and what it cannot claim harms no other", async () => {
  const closing = await deploy([newAccount(), newAccount()]);
  const client = await Client.login(stack.ready.stream, closing);
  const receiver = await Client.login(stack.ready.stream, newAccount());
  const channel = await client.open(receiver.account.address, { deposit: kDeposit });
  const other = await payer.open(receiver.account.address, { deposit: kDeposit });
  await client.pay(channel, { id: "before" }, 10n);
  await payer.pay(other, { id: "other" }, 25n);

  const sender = createWalletClient({ account: deployer, chain: chain.chain, transport: http() });
  const hash = await sender.writeContract({
    address: closing.address,
    abi: walletAbi,
    functionName: "close",
  });
  await chain.receipt(hash);
  await assert.rejects(client.pay(channel, { id: "after" }, 10n), {
    reason: kBadSignature,
  });
  await receiver.claim();
  assert.equal(await chain.tokenBalance(receiver.account.address), 25n);
  await assertBalanced(stack.ready);
  await client.close();
  await receiver.close();
});
