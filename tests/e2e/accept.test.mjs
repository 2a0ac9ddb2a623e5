import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Chain, devAccount, newAccount } from "./chain.mjs";
import { Client, until } from "./client.mjs";
import { assertBalanced, Stack } from "./stack.mjs";

const kX402 = "invalid_batch_settlement_evm_";
const kDeposit = 10_000n;
const kWaitSeconds = 5;

let stack;
let chain;
let payer;
let provider;

before(async () => {
  stack = await Stack.start({
    env: { MILLRACE_LIMITS__DEPOSIT_WAIT_SECONDS: String(kWaitSeconds) },
  });
  chain = new Chain(stack.ready);
  payer = await Client.login(stack.ready.stream, devAccount(1));
  provider = await Client.login(stack.ready.stream, newAccount());
});

after(async () => {
  await payer?.close();
  await provider?.close();
  await stack?.stop();
});

/** What an x402 client sends over HTTP; it knows the service only by what the provider advertises. */
class HttpPayer {
  charged = 0n;

  constructor(client, receiver) {
    this.client = client;
    this.config = client.configFor(receiver);
    this.id = client.idOf(this.config);
  }

  async voucherFor(maxClaimableAmount) {
    return { channelId: this.id, ...(await this.client.voucher(this.id, maxClaimableAmount)) };
  }

  async payload(amount, { deposit } = {}) {
    return {
      channelConfig: this.config,
      voucher: await this.voucherFor(this.charged + BigInt(amount)),
      deposit: deposit && (await this.client.deposit(this.id, deposit)),
    };
  }
}

const newPayer = () => new HttpPayer(payer, provider.account.address);

/** One whose channel holds the deposit, with nothing charged. */
async function funded() {
  const app = newPayer();
  await provider.accept(await app.payload(100n, { deposit: kDeposit }), { id: "first" }, 100n);
  await provider.release(app.id, "first");
  return app;
}

const refused = (promise, reason, data = {}) =>
  assert.rejects(promise, (error) => {
    assert.equal(error.reason, reason, error.message);
    for (const [name, value] of Object.entries(data)) assert.equal(error.data[name], value, name);
    return true;
  });

test("accept: a deposit opens the channel, and each voucher is for what is charged and the price", async () => {
  const app = newPayer();
  const payload = await app.payload(1_000n, { deposit: kDeposit });
  const accepted = await provider.accept(payload, { id: "one", units: 3 }, 1_000n);
  assert.deepEqual(accepted, {
    seq: accepted.seq,
    channelId: app.id,
    inferenceId: "one",
    amount: "1000",
    chargedCumulativeAmount: "0",
    reservedAmount: "1000",
    signedMaxClaimable: "1000",
    balance: String(kDeposit),
    deposit: String(kDeposit),
    transaction: accepted.transaction,
  });
  const receipt = await chain.receipt(accepted.transaction);
  assert.equal(receipt.status, "success");

  await refused(provider.accept(await app.payload(1_000n), { id: "two" }, 1_000n), `${kX402}channel_busy`);
  const charged = await provider.charge(app.id, "one", 250n);
  assert.equal(charged.chargedCumulativeAmount, "250");
  await refused(
    provider.accept(await app.payload(1_000n), { id: "two" }, 1_000n),
    `${kX402}cumulative_amount_mismatch`,
    { limit: "1250", field: "voucher.maxClaimableAmount" },
  );

  app.charged = 250n;
  const next = await provider.accept(await app.payload(500n), { id: "two" }, 500n);
  assert.equal(next.reservedAmount, "500");
  // Lower than the first voucher, which stands.
  assert.equal(next.signedMaxClaimable, "1000");
  assert.equal(next.transaction, undefined);
  const { signature } = await payer.get(app.id);
  assert.equal(signature, payload.voucher.signature.toLowerCase());
  await provider.charge(app.id, "two", 500n);
  await provider.claim();
  assert.equal(await chain.tokenBalance(provider.account.address), 750n);
  await assertBalanced(stack.ready);
});

test("accept: the same again gives the first result, whatever came after it", async () => {
  const app = newPayer();
  const payload = await app.payload(100n, { deposit: kDeposit });
  const first = await provider.accept(payload, { id: "one" }, 100n);
  assert.deepEqual(await provider.accept(payload, { id: "one" }, 100n), first);
  await provider.charge(app.id, "one", 60n);
  assert.deepEqual(await provider.accept(payload, { id: "one" }, 100n), first);
  const plain = await provider.accept({ ...payload, deposit: undefined }, { id: "one" }, 100n);
  assert.equal(plain.seq, first.seq);
  assert.equal(plain.transaction, undefined);

  const other = [
    [payload, { id: "one" }, 101n],
    [{ ...payload, deposit: undefined }, { id: "one", units: 9 }, 100n],
  ];
  for (const [given, inference, amount] of other)
    await refused(provider.accept(given, inference, amount), "idempotency_conflict", {
      field: "inference.id",
    });
  assert.equal((await payer.get(app.id)).balance, String(kDeposit));
});

test("accept: what is refused has moved nothing", async () => {
  const stranger = await Client.login(stack.ready.stream, devAccount(2));
  const app = newPayer();
  const before = await chain.tokenBalance(payer.account.address);
  const payload = await app.payload(100n, { deposit: kDeposit });
  const accept = (changes, amount = 100n, by = provider) =>
    by.accept({ ...payload, ...changes }, { id: "bad" }, amount);
  const signedBy = (client, amount) => client.voucher(app.id, amount);
  const config = (changes) => ({ channelConfig: { ...app.config, ...changes }, voucher: undefined });

  await refused(accept({}, 100n, payer), "forbidden");
  await refused(accept({}, 100n, stranger), "forbidden");
  await refused(accept({}, 99n), `${kX402}cumulative_amount_mismatch`, { limit: "99" });
  await refused(accept({ voucher: await app.voucherFor(kDeposit + 1n) }, kDeposit + 1n), `${kX402}cumulative_exceeds_balance`, { limit: String(kDeposit) });
  await refused(accept({ voucher: await signedBy(stranger, 100n) }), `${kX402}voucher_signature`);
  await refused(accept({ network: "eip155:5" }), `${kX402}network_mismatch`);
  await refused(accept({ channelConfig: { ...app.config, withdrawDelay: 901 } }), `${kX402}channel_id_mismatch`);
  for (const [changes, reason] of [
    [{ withdrawDelay: 900 - 1 }, "withdraw_delay_out_of_range"],
    [{ token: devAccount(3).address }, "token_mismatch"],
  ]) {
    const channelConfig = { ...app.config, ...changes };
    const voucher = await payer.voucher(payer.idOf(channelConfig), 100n);
    await refused(accept({ ...config(changes), voucher }), `${kX402}${reason}`);
  }
  const short = { ...payload.deposit, amount: String(kDeposit - 1n) };
  await refused(accept({ deposit: short }), `${kX402}receive_authorization_signature`);
  await refused(accept({ deposit: undefined }), `${kX402}channel_not_found`);
  await refused(payer.get(app.id), "channel_unknown");
  assert.equal(await chain.tokenBalance(payer.account.address), before);

  const known = await funded();
  const more = await payer.deposit(known.id, 500n);
  const strict = { channelConfig: known.config, voucher: await known.voucherFor(7n), deposit: more };
  await refused(provider.accept(strict, { id: "x" }, 8n), `${kX402}cumulative_amount_mismatch`);
  await refused(provider.accept(strict, { id: "first" }, 7n), "idempotency_conflict");
  await provider.accept({ ...strict, deposit: undefined }, { id: "held" }, 7n);
  const second = { ...strict, voucher: await known.voucherFor(8n) };
  await refused(provider.accept(second, { id: "x" }, 8n), `${kX402}channel_busy`);
  assert.equal((await payer.get(known.id)).balance, String(kDeposit));
  await stranger.close();
});

test("accept: a deposit tops the channel up when the voucher needs it", async () => {
  const app = await funded();
  await refused(
    provider.accept(await app.payload(kDeposit + 1n), { id: "dear" }, kDeposit + 1n),
    `${kX402}cumulative_exceeds_balance`,
    { limit: String(kDeposit) },
  );
  const payload = await app.payload(kDeposit + 1n, { deposit: 5_000n });
  const accepted = await provider.accept(payload, { id: "dear" }, kDeposit + 1n);
  assert.equal(accepted.balance, String(kDeposit + 5_000n));
  assert.equal(accepted.deposit, "5000");
});

test("accept: a channel that is only on chain, or was opened on the stream", async () => {
  const app = newPayer();
  await chain.deposit(payer.account, app.config, await payer.deposit(app.id, kDeposit));
  const accepted = await until(
    async () => {
      try {
        return await provider.accept(await app.payload(100n), { id: "one" }, 100n);
      } catch (error) {
        return { reason: error.reason };
      }
    },
    // Until the deposit is seen it is not there, and then it has no confirmations.
    ({ reason }) => reason !== "channel_not_open",
    { what: "a funded channel" },
  );
  assert.equal(accepted.balance, String(kDeposit), JSON.stringify(accepted));

  const streamed = await payer.open(provider.account.address, { deposit: kDeposit });
  await payer.pay(streamed, { id: "paid" }, 30n);
  await payer.authorize(streamed, { id: "job" }, 50n);
  const http = newPayer();
  Object.assign(http, { config: streamed.config, id: streamed.id, charged: 30n });
  const busy = await http.payload(20n);
  await refused(provider.accept(busy, { id: "web" }, 20n), `${kX402}channel_busy`);
  await provider.release(streamed.id, "job");
  const taken = await provider.accept(busy, { id: "web" }, 20n);
  assert.equal(taken.signedMaxClaimable, "80");
  await provider.charge(streamed.id, "web", 20n);
  assert.equal((await payer.get(streamed.id)).chargedCumulativeAmount, "50");
});

test("accept: when the confirmations take too long, the same request again finds them", async () => {
  const app = newPayer();
  const payload = await app.payload(100n, { deposit: kDeposit });
  const accept = () => provider.accept(payload, { id: "late" }, 100n);
  await chain.mineByItself(false);
  try {
    const leaving = await Client.login(stack.ready.stream, provider.account);
    const waiting = assert.rejects(leaving.accept(payload, { id: "gone" }, 100n));
    await until(() => payer.get(app.id).catch(({ reason }) => reason), ({ status }) => status === "pending", { what: "the opening" });
    leaving.connection.cut();
    await waiting;
    await refused(accept(), "unavailable", { field: "deposit", limit: String(kWaitSeconds) });
  } finally {
    await chain.mineByItself(true);
  }
  const accepted = await until(() => accept().catch(({ reason }) => ({ reason })), ({ reason }) => reason !== "unavailable", { what: "the deposit" });
  assert.equal(accepted.inferenceId, "late", JSON.stringify(accepted));
  assert.equal(accepted.balance, String(kDeposit));
  // Nobody was left to be told of "gone", so nothing is reserved for it.
  assert.equal(accepted.reservedAmount, "100");
  assert.equal((await chain.receipt(accepted.transaction)).status, "success");
});

test("reservations: a provider finds what it has left open, the oldest first", async () => {
  const channel = await payer.open(provider.account.address, { deposit: kDeposit });
  for (const id of ["z", "a", "m"]) await payer.authorize(channel, { id }, 100n);
  await provider.charge(channel.id, "a", 40n, { final: false });
  const { reservations, reservedAmount } = await provider.get(channel.id);
  assert.deepEqual(reservations, [
    { inferenceId: "z", amount: "100", charged: "0" },
    { inferenceId: "a", amount: "100", charged: "40" },
    { inferenceId: "m", amount: "100", charged: "0" },
  ]);
  assert.equal(reservedAmount, "260");
  const response = await fetch(`${stack.ready.url}/v1/channels/${channel.id}`, {
    headers: { Authorization: `Bearer ${provider.session.token}` },
  });
  assert.deepEqual((await response.json()).reservations, reservations);
  for (const { inferenceId } of reservations) await provider.release(channel.id, inferenceId);
  assert.deepEqual((await provider.get(channel.id)).reservations, []);
  const listed = await provider.list();
  assert.ok(listed.every((one) => !("reservations" in one)));
});

test("refund: the provider hands in the payer's voucher", async () => {
  const app = await funded();
  await provider.accept(await app.payload(400n), { id: "job" }, 400n);
  await provider.charge(app.id, "job", 300n);
  const refund = (voucher, amount) =>
    provider.call("channel.refund", { channelId: app.id, amount, voucher });

  await refused(refund(await app.voucherFor(400n)), `${kX402}cumulative_amount_mismatch`, { limit: "300" });
  const stranger = await Client.login(stack.ready.stream, devAccount(2));
  const forged = await stranger.voucher(app.id, 300n);
  await refused(refund(forged), `${kX402}voucher_signature`);
  const voucher = await app.voucherFor(300n);
  await refused(stranger.call("channel.refund", { channelId: app.id, voucher }), "forbidden");
  await refused(refund(voucher, String(kDeposit)), `${kX402}refund_amount_invalid`);

  const held = await chain.tokenBalance(payer.account.address);
  const sent = await refund(voucher);
  assert.equal(sent.amount, String(kDeposit - 300n));
  assert.equal((await chain.receipt(sent.transaction)).status, "success");
  assert.equal(await chain.tokenBalance(payer.account.address), held + kDeposit - 300n);
  await until(() => payer.get(app.id), ({ status }) => status === "closed", { what: "the end" });
  await stranger.close();
  await assertBalanced(stack.ready);
});
