// The official resource server and the official client, unmodified, with this service as facilitator.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { x402Client, x402HTTPClient } from "@x402/core/client";
import { BatchSettlementEvmScheme } from "@x402/evm/batch-settlement/client";
import { wrapFetchWithPayment } from "@x402/fetch";
import { Chain, devAccount, newAccount } from "./chain.mjs";
import { Client } from "./client.mjs";
import { query } from "./postgres.mjs";
import { assertBalanced, audit, outboxEmpty, Stack } from "./stack.mjs";
import { ResourceServer } from "./x402_server.mjs";

const kPrice = 1000n;

let stack;
let chain;
let info;

before(async () => {
  stack = await Stack.start();
  chain = new Chain(stack.ready);
  info = (await (await fetch(`${stack.ready.url}/v1/networks`)).json()).networks[0];
});

after(() => stack?.stop());

const facilitator = () => `${stack.ready.url}/x402`;

/** What an app has: the official client with a wallet of the development chain. */
function app(account) {
  const scheme = new BatchSettlementEvmScheme(account, { depositPolicy: { depositMultiplier: 10 } });
  const client = new x402Client()
    .register(info.network, scheme)
    .setSpendControls({ allowedAssets: [{ asset: info.tokens[0].address, network: info.network }] });
  const http = new x402HTTPClient(client);
  return { scheme, fetch: wrapFetchWithPayment(fetch, client), http };
}

const start = (more) =>
  ResourceServer.start({
    facilitator: facilitator(),
    network: info.network,
    token: info.tokens[0],
    price: String(kPrice),
    ...more,
  });

/** Pays for one answer; the decoded PAYMENT-RESPONSE. */
async function pay({ fetch: paidFetch, http }, server, charge) {
  server.charge = charge === undefined ? undefined : String(charge);
  const response = await paidFetch(server.url);
  const body = await response.text();
  assert.equal(response.status, 200, `${body} ${response.headers.get("payment-required")}`);
  assert.deepEqual(JSON.parse(body), { answer: 42 });
  return http.getPaymentSettleResponse((name) => response.headers.get(name));
}

/** Fees of all that was sent are in the books, the books balance, and agree with the contract. */
async function assertBooked() {
  await outboxEmpty(stack.ready);
  const [{ differing }] = await query(
    stack.ready.postgres,
    `select ((select coalesce(sum(fee), 0) from outbox) -
       (select coalesce(sum(debits - credits), 0) from account where kind = 'gas'))::text as differing`,
  );
  assert.equal(differing, "0");
  await assertBalanced(stack.ready);
  const { reconciled, breaks } = await audit(stack.ready, "/v1/ledger/reconciliation");
  assert.deepEqual({ reconciled, breaks }, { reconciled: true, breaks: [] });
}

const facilitated = async (action) => {
  const rows = await query(
    stack.ready.postgres,
    `select count(*)::int as count from facilitated where action = '${action}'`,
  );
  return rows[0].count;
};

/** Deposit, vouchers of different prices, claim and settlement; what was charged in the end. */
async function serveAndSettle(server, customer, payer, payTo) {
  const before = await chain.tokenBalance(payTo);
  const first = await pay(customer, server);
  assert.equal(first.success, true);
  assert.match(first.transaction, /^0x[0-9a-f]{64}$/);
  const { channelId, balance } = first.extra.channelState;
  assert.equal(balance, String(kPrice * 10n));
  let charged = kPrice;
  for (const charge of [250n, 1000n, 1n, 400n]) {
    const paid = await pay(customer, server, charge);
    charged += charge;
    assert.equal(paid.transaction, "");
    assert.equal(paid.extra.chargedAmount, String(charge));
    assert.equal(paid.extra.channelState.chargedCumulativeAmount, String(charged));
  }
  const claims = await server.manager.claim();
  assert.equal(claims.length, 1);
  assert.match(claims[0].transaction, /^0x[0-9a-f]{64}$/);
  assert.equal((await chain.channel(channelId)).totalClaimed, charged);
  const { transaction } = await server.manager.settle();
  assert.match(transaction, /^0x[0-9a-f]{64}$/);
  assert.equal((await chain.tokenBalance(payTo)) - before, charged);
  // Nothing more is owed: for some minutes the same settlement is told, and nothing is paid.
  assert.equal((await server.manager.settle()).transaction, transaction);
  assert.equal((await chain.tokenBalance(payTo)) - before, charged);
  assert.equal((await chain.channel(channelId)).balance, kPrice * 10n);
  return { channelId, charged };
}

test("facilitator: a server with a receiver authorizer of its own", async () => {
  const payTo = newAccount().address;
  const account = devAccount(1);
  const server = await start({ payTo, receiverAuthorizerSigner: newAccount() });
  try {
    const customer = app(account);
    const { channelId, charged } = await serveAndSettle(server, customer, account, payTo);
    // More is charged than claimed when the customer asks for the rest back.
    await pay(customer, server, 300n);
    const wallet = await chain.tokenBalance(account.address);
    const refund = await customer.scheme.refund(server.url);
    assert.equal(refund.success, true);
    assert.equal(refund.amount, String(kPrice * 10n - charged - 300n));
    assert.equal((await chain.tokenBalance(account.address)) - wallet, BigInt(refund.amount));
    assert.equal((await chain.channel(channelId)).totalClaimed, charged + 300n);
    assert.deepEqual(await server.channels(), []);
  } finally {
    await server.stop();
  }
  assert.deepEqual(
    await Promise.all(["deposit", "claim", "settle", "refund"].map(facilitated)),
    [1, 1, 1, 1],
  );
  await assertBooked();
});

test("facilitator: a server that leaves its signatures to this service, and shows who it is", async () => {
  const owner = newAccount();
  const account = devAccount(2);
  const login = await Client.login(stack.ready.stream, owner);
  const { token } = login.session;
  await login.close();
  let shown = token;
  const server = await start({ payTo: owner.address, bearer: () => shown });
  try {
    const customer = app(account);
    const { channelId, charged } = await serveAndSettle(server, customer, account, owner.address);
    const [channel] = await server.channels();
    assert.equal(
      channel.channelConfig.receiverAuthorizer.toLowerCase(),
      info.receiverAuthorizer.toLowerCase(),
    );
    // Nobody else may have a channel emptied that has vouchers this service does not know, nor
    // claim what its last claim left of a voucher.
    await pay(customer, server, 300n);
    shown = undefined;
    await assert.rejects(customer.scheme.refund(server.url), /authorizer_address_mismatch/);
    await assert.rejects(server.manager.claim(), /authorizer_address_mismatch/);
    shown = token;
    assert.equal((await chain.channel(channelId)).balance, kPrice * 10n);

    const refund = await customer.scheme.refund(server.url, { amount: "2000" });
    assert.equal(refund.amount, "2000");
    assert.equal((await chain.channel(channelId)).balance, kPrice * 10n - 2000n);
    assert.equal((await chain.channel(channelId)).totalClaimed, charged + 300n);
    assert.equal((await chain.refundNonce(channelId)), 1n);
    await pay(customer, server, 100n);
    // What is left, asked for by the server.
    const [rest] = await server.manager.refund();
    assert.match(rest.transaction, /^0x[0-9a-f]{64}$/);
    const after = await chain.channel(channelId);
    assert.equal(after.balance, charged + 400n);
    assert.equal(after.totalClaimed, charged + 400n);
  } finally {
    await server.stop();
  }
  assert.deepEqual(await query(stack.ready.postgres, "select channel_id from channel"), []);
  await assertBooked();
});

test("facilitator: many customers of one server, claimed in one transaction", async () => {
  const payTo = newAccount().address;
  const server = await start({ payTo, receiverAuthorizerSigner: newAccount() });
  try {
    const holder = devAccount(3);
    const customers = [];
    for (let n = 0; n < 5; ++n) {
      const account = newAccount();
      await chain.giveTokens(holder, account.address, 50_000n);
      customers.push(app(account));
    }
    await Promise.all(customers.map((customer) => pay(customer, server)));
    await Promise.all(customers.map((customer) => pay(customer, server)));
    const before = await facilitated("claim");
    const { claims, settle } = await server.manager.claimAndSettle();
    assert.deepEqual(claims.map(({ vouchers }) => vouchers), [5]);
    assert.match(settle.transaction, /^0x[0-9a-f]{64}$/);
    assert.equal((await facilitated("claim")) - before, 1);
    assert.equal(await chain.tokenBalance(payTo), kPrice * 10n);
  } finally {
    await server.stop();
  }
  await assertBooked();
});
