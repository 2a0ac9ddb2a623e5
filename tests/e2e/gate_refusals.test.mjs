// The x402 error strings that a gate gives, by the payments that bring them about; those of deposits that fail on
// the chain are the service's, and tests/api/x402_*_test.cpp have them.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Chain, devAccount, kZeroAddress, newAccount, signVoucher } from "./chain.mjs";
import { Client } from "./client.mjs";
import { Gate } from "./gate.mjs";
import { OpenAiUpstream } from "./openai_upstream.mjs";
import { Stack } from "./stack.mjs";
import { headerOf, post, receiptOf, X402App } from "./x402_app.mjs";

const kOther = `0x${"5".repeat(40)}`;
const kWord = `0x${"5".repeat(64)}`;
const kPrefix = "invalid_batch_settlement_evm_";

let stack;
let chain;
let upstream;
let gate;
let provider;
let payer;
let url;

before(async () => {
  stack = await Stack.start();
  chain = new Chain(stack.ready);
  upstream = await OpenAiUpstream.start();
  gate = await Gate.start({
    service: stack.ready.stream,
    upstream: upstream.url,
    keys: 'deposit_min = "5000"\nturn_timeout_ms = 0',
  });
  url = `${gate.url}/v1/chat/completions`;
  provider = await Client.login(stack.ready.stream, gate.account);
  payer = devAccount(1);
});

after(async () => {
  await provider?.close();
  await gate?.stop();
  await upstream?.stop();
  await stack?.stop();
});

const newApp = (account = payer, payerAuthorizer = undefined) =>
  new X402App({ account, chain, ready: stack.ready, payerAuthorizer });
const init = post("tokens=5", { max_tokens: 10 });

/** The 402 that answers a payment. */
async function refused(header, sent = init) {
  const response = await fetch(url, {
    ...sent,
    headers: { ...sent?.headers, "PAYMENT-SIGNATURE": header },
  });
  assert.equal(response.status, 402, await response.clone().text());
  assert.equal(response.headers.get("Cache-Control"), "no-store");
  const said = await response.json();
  const header402 = Buffer.from(response.headers.get("PAYMENT-REQUIRED"), "base64");
  assert.deepEqual(JSON.parse(header402), said);
  return said;
}

/** Signs a payload's voucher anew, for what it says. */
async function sign(payload, account = payer) {
  const { network, contract } = stack.ready;
  const { channelId, maxClaimableAmount } = payload.payload.voucher;
  const voucher = { network, contract, channelId, maxClaimableAmount };
  payload.payload.voucher.signature = await signVoucher(account, voucher);
}

/** A voucher without a deposit, over a channel that has one. */
async function openApp(payerAuthorizer) {
  const app = newApp(payer, payerAuthorizer);
  const { response } = await app.chat(gate, "tokens=1");
  assert.equal(response.status, 200);
  return app;
}

const kDeposits = {
  [`${kPrefix}scheme`]: ({ accepted }) => (accepted.scheme = "exact"),
  [`${kPrefix}network_mismatch`]: ({ accepted }) => (accepted.network = "eip155:1"),
  [`${kPrefix}token_mismatch`]: ({ accepted }) => (accepted.asset = kOther),
  [`${kPrefix}receiver_mismatch`]: ({ accepted }) => (accepted.payTo = kOther),
  [`${kPrefix}receiver_authorizer_mismatch`]: ({ accepted }) =>
    (accepted.extra.receiverAuthorizer = kOther),
  [`${kPrefix}withdraw_delay_mismatch`]: ({ payload }) =>
    (payload.channelConfig.withdrawDelay = 1000),
  [`${kPrefix}channel_id_mismatch`]: ({ payload }) => (payload.voucher.channelId = kWord),
  [`${kPrefix}payload_type`]: ({ payload }) => (payload.type = "gift"),
  [`${kPrefix}deposit_payload`]: ({ payload }) => delete payload.deposit.amount,
  [`${kPrefix}voucher_payload`]: ({ payload }) => {
    payload.type = "voucher";
    payload.voucher.maxClaimableAmount = 5;
  },
  [`${kPrefix}refund_payload`]: ({ payload }) => {
    payload.type = "refund";
    delete payload.voucher.signature;
  },
  [`${kPrefix}deposit_below_min_deposit`]: ({ payload }) => (payload.deposit.amount = "4999"),
  [`${kPrefix}voucher_signature`]: ({ payload }) =>
    (payload.voucher.signature = payload.deposit.authorization.erc3009Authorization.signature),
  [`${kPrefix}cumulative_amount_mismatch`]: async (payment) => {
    payment.payload.voucher.maxClaimableAmount = "1";
    await sign(payment);
  },
  [`${kPrefix}receive_authorization_signature`]: ({ payload }) =>
    (payload.deposit.authorization.erc3009Authorization.signature = payload.voucher.signature),
  [`${kPrefix}payload_authorization_valid_before`]: ({ payload }) =>
    (payload.deposit.authorization.erc3009Authorization.validBefore = "1000"),
  [`${kPrefix}payload_authorization_valid_after`]: ({ payload }) =>
    (payload.deposit.authorization.erc3009Authorization.validAfter = "4000000000"),
  "No matching payment requirements": ({ accepted }) => (accepted.amount = "1"),
  invalid_x402_version: (payment) => (payment.x402Version = 1),
};

for (const [error, change] of Object.entries(kDeposits))
  test(`gate refusals: a deposit: ${error}`, async () => {
    const header = await newApp().payment(url, init, async (payment) => void (await change(payment)));
    assert.equal((await refused(header)).error, error);
  });

test("gate refusals: what is no payment at all", async () => {
  assert.equal((await refused("!")).error, "PAYMENT-SIGNATURE is not base64 of JSON");
  assert.equal((await refused(headerOf([]))).error, "invalid_request");
});

test("gate refusals: a payer without tokens", async () => {
  const header = await newApp(newAccount()).payment(url, init);
  assert.equal((await refused(header)).error, `${kPrefix}insufficient_balance`);
});

test("gate refusals: a voucher over a channel that nobody has funded", async () => {
  const header = await newApp().payment(url, init, async ({ payload }) => {
    payload.type = "voucher";
    delete payload.deposit;
  });
  assert.equal((await refused(header)).error, `${kPrefix}channel_not_found`);
});

test("gate refusals: a refund of a channel that the service has never heard of", async () => {
  const header = await newApp().payment(url, init, async ({ payload }) => {
    payload.type = "refund";
    delete payload.deposit;
  });
  assert.equal((await refused(header)).error, `${kPrefix}missing_channel`);
});

test("gate refusals: a voucher beyond the channel's balance", async () => {
  const app = newApp();
  const dear = post("x".repeat(20_000), { max_tokens: 1 });
  assert.equal((await app.chat(gate, "tokens=1")).response.status, 200);
  const header = await app.payment(url, dear, async ({ payload }) => {
    payload.type = "voucher";
    delete payload.deposit;
  });
  const { error } = await refused(header, dear);
  assert.equal(error, `${kPrefix}cumulative_exceeds_balance`);
});

test("gate refusals: a voucher that is behind gets the channel's state with its refusal", async () => {
  const app = await openApp();
  const header = await app.payment(url, init, async (payment) => {
    payment.payload.voucher.maxClaimableAmount = payment.accepted.amount;
    await sign(payment);
  });
  const { error, accepts } = await refused(header);
  assert.equal(error, `${kPrefix}cumulative_amount_mismatch`);
  const channel = await provider.get(await app.channelId(url));
  const { channelId, balance, totalClaimed, refundNonce, chargedCumulativeAmount } = channel;
  for (const { extra } of accepts) {
    assert.deepEqual(extra.channelState, {
      channelId,
      balance,
      totalClaimed,
      withdrawRequestedAt: 0,
      refundNonce,
      chargedCumulativeAmount,
    });
    assert.deepEqual(extra.voucherState, {
      signedMaxClaimable: channel.signedMaxClaimable,
      signature: channel.signature,
    });
  }
});

test("gate refusals: who cannot sign for a channel learns nothing of it, and does nothing with it", async () => {
  const app = await openApp();
  const id = await app.channelId(url);
  const before = await provider.get(id);
  const stranger = newAccount();
  const forged = (type, maxClaimableAmount) =>
    app.payment(url, init, async (payment) => {
      const { channelConfig, voucher } = payment.payload;
      if (maxClaimableAmount) voucher.maxClaimableAmount = maxClaimableAmount;
      payment.payload = { type, channelConfig, voucher };
      await sign(payment, stranger);
    });
  for (const header of [
    await forged("voucher", "1"),
    await forged("voucher"),
    await forged("refund", before.chargedCumulativeAmount),
  ]) {
    const { error, accepts } = await refused(header);
    assert.equal(error, `${kPrefix}voucher_signature`);
    for (const { extra } of accepts) assert.equal(extra.channelState, undefined);
  }
  assert.equal((await provider.get(id)).balance, before.balance);
});

test("gate refusals: a payer that signs by its own key, without an authorizer, is put right", async () => {
  const app = await openApp(kZeroAddress);
  const channel = await provider.get(await app.channelId(url));
  assert.equal(channel.config.payerAuthorizer, kZeroAddress);
  const header = await app.payment(url, init, async (payment) => {
    payment.payload.voucher.maxClaimableAmount = "1";
    await sign(payment);
  });
  const { error, accepts } = await refused(header);
  assert.equal(error, `${kPrefix}cumulative_amount_mismatch`);
  assert.notEqual(channel.chargedCumulativeAmount, "0");
  for (const { extra } of accepts) {
    for (const name of ["channelId", "balance", "totalClaimed", "chargedCumulativeAmount"])
      assert.equal(extra.channelState[name], channel[name], name);
    assert.deepEqual(extra.voucherState, {
      signedMaxClaimable: channel.signedMaxClaimable,
      signature: channel.signature,
    });
  }
});

test("gate refusals: a payer that may be a contract is judged by the service, and told nothing before", async () => {
  const app = await openApp(kZeroAddress);
  const { config } = await provider.get(await app.channelId(url));
  assert.equal(config.payerAuthorizer, kZeroAddress);
  const header = await app.payment(url, init, async (payment) => {
    payment.payload.voucher.maxClaimableAmount = "1";
    await sign(payment, newAccount());
  });
  const { error, accepts } = await refused(header);
  assert.equal(error, `${kPrefix}cumulative_amount_mismatch`);
  for (const { extra } of accepts) {
    assert.equal(extra.channelState, undefined);
    assert.equal(extra.voucherState, undefined);
  }
});

test("gate refusals: a second call at once, where calls do not wait", async () => {
  const app = await openApp();
  const slow = post("tokens=5 after=300", { max_tokens: 10 });
  const before = upstream.calls.length;
  const first = fetch(url, {
    ...slow,
    headers: { ...slow.headers, "PAYMENT-SIGNATURE": await app.payment(url, slow) },
  });
  const header = await app.payment(url, init);
  while (upstream.calls.length === before) await new Promise(setImmediate);
  assert.equal((await refused(header)).error, `${kPrefix}channel_busy`);
  assert.equal((await first).status, 200);
});

test("gate refusals: a channel whose payer withdraws", async () => {
  const app = await openApp();
  const id = await app.channelId(url);
  const { config } = await provider.get(id);
  const header = await app.payment(url, init);
  await chain.transact(payer, "initiateWithdraw", [{ ...config }, 1n]);
  for (;;) if ((await provider.get(id)).status === "closing") break;
  assert.equal((await refused(header)).error, "channel_closing");
});

test("gate refusals: refunds", async () => {
  const app = await openApp();
  const id = await app.channelId(url);
  const refund = (amount, charged) =>
    app.payment(url, undefined, async (payment) => {
      const { chargedCumulativeAmount } = await provider.get(id);
      const { channelConfig, voucher } = payment.payload;
      voucher.maxClaimableAmount = charged ?? chargedCumulativeAmount;
      payment.payload = { type: "refund", channelConfig, voucher, ...(amount && { amount }) };
      await sign(payment);
    });
  const error = async (header) => (await refused(header, { method: "GET" })).error;
  assert.equal(await error(await refund("999999")), `${kPrefix}refund_amount_invalid`);
  assert.equal(await error(await refund(undefined, "1")), `${kPrefix}cumulative_amount_mismatch`);
  const response = await fetch(url, { headers: { "PAYMENT-SIGNATURE": await refund() } });
  assert.equal(response.status, 200);
  assert.equal(receiptOf(response).success, true);
  assert.equal(await error(await refund()), `${kPrefix}refund_no_balance`);
});
