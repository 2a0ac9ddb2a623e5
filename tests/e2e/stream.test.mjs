import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Chain, devAccount, escrowAbi, newAccount } from "./chain.mjs";
import { Client, until } from "./client.mjs";
import { assertBalanced, Stack } from "./stack.mjs";

const kDeposit = 1_000_000n;

let stack;
let chain;
let payer;
let provider;

before(async () => {
  stack = await Stack.start();
  chain = new Chain(stack.ready);
  payer = await Client.login(stack.ready.stream, devAccount(1));
  provider = await Client.login(stack.ready.stream, newAccount());
});

after(async () => {
  await payer?.close();
  await provider?.close();
  await stack?.stop();
});

/** Collects events and waits for as many as are due. */
function collector() {
  const events = [];
  return {
    events,
    take: (event) => events.push(event),
    async first(count) {
      await until(
        () => events.length,
        (length) => length >= count,
        { what: "events" },
      );
      return events;
    },
  };
}

test("ready: the line says what the service and the chain say", async () => {
  const { ready } = stack;
  assert.equal(ready.ready, true);
  assert.equal(ready.network, "eip155:31337");
  assert.equal(payer.network.network, ready.network);
  assert.equal(payer.network.contract, ready.contract.toLowerCase());
  assert.equal(payer.token.address, ready.token.toLowerCase());
  assert.equal(payer.network.receiverAuthorizer, ready.receiverAuthorizer.toLowerCase());
  assert.equal(payer.token.decimals, 6);
  for (const which of ["service", "postgres", "chain"]) process.kill(ready.pids[which], 0);
  for (const index of [0, 9]) {
    const held = await chain.tokenBalance(devAccount(index).address);
    assert.ok(held > 0n && held <= 1_000_000_000_000n, `account ${index} holds ${held}`);
  }
});

test("login: the token of a login opens a connection of its own and reads over REST", async () => {
  assert.equal(payer.session.address, payer.account.address.toLowerCase());
  assert.ok(new Date(payer.session.expiresAt) > new Date());
  const { token } = payer.session;
  const second = await Client.withToken(stack.ready.stream, payer.account, token);
  assert.ok(Array.isArray((await second.call("channel.list", {})).channels));
  await second.close();
  const response = await fetch(`${stack.ready.url}/v1/networks`);
  assert.deepEqual((await response.json()).networks[0].contract, payer.network.contract);
});

test("open: a gasless deposit puts the payer's tokens into the contract", async () => {
  const held = await chain.tokenBalance(payer.account.address);
  const channel = await payer.open(provider.account.address, { deposit: kDeposit, app: "app-1" });

  const onChain = await chain.rpc.readContract({
    address: stack.ready.contract,
    abi: escrowAbi,
    functionName: "getChannelId",
    args: [channel.config],
  });
  assert.equal(onChain, channel.id);
  assert.deepEqual(await chain.channel(channel.id), { balance: kDeposit, totalClaimed: 0n });
  assert.equal(await chain.tokenBalance(payer.account.address), held - kDeposit);
  assert.match(channel.opened.transaction, /^0x[0-9a-f]{64}$/);

  const { seq, ...found } = await payer.get(channel.id);
  assert.match(seq, /^[1-9][0-9]*$/);
  assert.deepEqual(found, {
    channelId: channel.id,
    network: stack.ready.network,
    contract: stack.ready.contract.toLowerCase(),
    config: {
      ...channel.config,
      payer: channel.config.payer.toLowerCase(),
      receiver: channel.config.receiver.toLowerCase(),
    },
    app: "app-1",
    status: "open",
    balance: String(kDeposit),
    chargedCumulativeAmount: "0",
    reservedAmount: "0",
    voucherSigner: "key",
    refundingAmount: "0",
    signedMaxClaimable: "0",
    signature: null,
    totalClaimed: "0",
    withdrawRequestedAt: 0,
    refundNonce: "0",
    reservations: [],
  });
  assert.deepEqual(await provider.get(channel.id), { seq, ...found });
});

test("pay, authorize, charge, release: each result adds up", async () => {
  const channel = await payer.open(provider.account.address, { deposit: kDeposit });
  const figures = (result) => [
    result.inferenceId,
    result.amount,
    result.chargedCumulativeAmount,
    result.reservedAmount,
    result.signedMaxClaimable,
    result.balance,
  ];
  const balance = String(kDeposit);

  const paid = await payer.pay(channel, { id: "i-1", units: 12 }, 250);
  assert.equal(paid.channelId, channel.id);
  assert.deepEqual(figures(paid), ["i-1", "250", "250", "0", "250", balance]);

  const reserved = await payer.authorize(channel, { id: "i-2" }, 1000);
  assert.deepEqual(figures(reserved), ["i-2", "1000", "250", "1000", "1250", balance]);
  const other = await payer.authorize(channel, { id: "i-3" }, 400);
  assert.deepEqual(figures(other), ["i-3", "400", "250", "1400", "1650", balance]);

  const part = await provider.charge(channel.id, "i-2", 300, { final: false });
  assert.deepEqual(figures(part), ["i-2", "300", "550", "1100", "1650", balance]);
  const usage = { inputTokens: 90, outputTokens: 30 };
  const rest = await provider.charge(channel.id, "i-2", 700, { usage });
  assert.deepEqual(figures(rest), ["i-2", "700", "950", "400", "1650", balance]);
  const released = await provider.release(channel.id, "i-3", "timed out");
  assert.deepEqual(figures(released).slice(2), ["950", "0", "1650", balance]);

  const sequence = [paid, reserved, other, part, rest, released].map(({ seq }) => BigInt(seq));
  assert.deepEqual(
    sequence,
    [...sequence].sort((a, b) => (a < b ? -1 : 1)),
  );
  assert.equal(new Set(sequence).size, sequence.length);

  const { signature, signedMaxClaimable } = await payer.get(channel.id);
  const own = await payer.voucher(channel.id, signedMaxClaimable);
  assert.equal(signature, own.signature);

  // What was released stays covered by the standing voucher.
  const again = await payer.call("payment.authorize", {
    channelId: channel.id,
    inference: { id: "i-4", model: "model-a" },
    maxAmount: "700",
  });
  assert.deepEqual(figures(again), ["i-4", "700", "950", "700", "1650", balance]);
  await provider.charge(channel.id, "i-4", 0);
  assert.equal((await payer.get(channel.id)).chargedCumulativeAmount, "950");
});

test("repeat: the same request again gets the first result and changes nothing", async () => {
  const channel = await payer.open(provider.account.address, { deposit: kDeposit });
  const params = {
    channelId: channel.id,
    inference: { id: "once", model: "model-a" },
    amount: "10",
    voucher: await payer.promise(channel, 10),
  };
  const first = await payer.call("payment.pay", params);
  await payer.pay(channel, { id: "next" }, 10);
  const state = await payer.get(channel.id);
  assert.deepEqual(await payer.call("payment.pay", params), first);
  assert.deepEqual(await payer.get(channel.id), state);

  await payer.authorize(channel, { id: "job" }, 50);
  const charged = await provider.charge(channel.id, "job", 20);
  assert.deepEqual(await provider.charge(channel.id, "job", 20), charged);
  assert.equal((await payer.get(channel.id)).chargedCumulativeAmount, "40");
});

test("pipelined: five hundred payments without waiting are each answered once", async () => {
  const channel = await payer.open(provider.account.address, { deposit: kDeposit });
  const answers = [];
  for (let i = 0; i < 500; ++i) {
    const voucher = await payer.promise(channel, 3);
    const inference = { id: `p-${i}`, model: "model-a" };
    answers.push(
      payer.call("payment.pay", { channelId: channel.id, inference, amount: "3", voucher }),
    );
  }
  const results = await Promise.all(answers);
  results.forEach((result, i) => {
    assert.equal(result.inferenceId, `p-${i}`);
    assert.equal(result.chargedCumulativeAmount, String(3 * (i + 1)));
  });
  assert.equal(new Set(results.map(({ seq }) => seq)).size, 500);
});

test("metrics: the time of payments is told by stage", async () => {
  const text = await (await fetch(`${stack.ready.url}/metrics`)).text();
  const figure = (name) => Number(text.split(`\n${name} `)[1]?.split("\n")[0]);
  for (const stage of ["parse", "verify", "decide", "commit", "reply"])
    assert.ok(figure(`millrace_stage_cpu_seconds_total{stage="${stage}"}`) > 0, stage);
  assert.ok(figure('millrace_commit_wait_seconds_total{for="database"}') > 0);
});

test("top up: the balance rises by the second deposit, on chain and here", async () => {
  const channel = await payer.open(provider.account.address, { deposit: 1000n });
  await payer.pay(channel, { id: "all" }, 1000);
  await assert.rejects(payer.pay(channel, { id: "more" }, 1), (error) => {
    assert.equal(error.reason, "invalid_batch_settlement_evm_cumulative_exceeds_balance");
    assert.equal(error.data.limit, "1000");
    return true;
  });
  channel.promised -= 1n;
  await payer.topUp(channel, 500n);
  assert.equal((await chain.channel(channel.id)).balance, 1500n);
  const paid = await payer.pay(channel, { id: "more" }, 500);
  assert.equal(paid.chargedCumulativeAmount, "1500");
});

test("subscribe: both parties hear of what they share, a third hears nothing", async () => {
  const heard = { payer: collector(), provider: collector(), stranger: collector() };
  const listening = {
    payer: await Client.withToken(stack.ready.stream, payer.account, payer.session.token),
    provider: await Client.withToken(stack.ready.stream, provider.account, provider.session.token),
    stranger: await Client.login(stack.ready.stream, newAccount()),
  };
  const channel = await payer.open(provider.account.address, { deposit: kDeposit });
  for (const who of Object.keys(heard)) {
    const topics = ["channel", "payment"];
    const { subscription, seq } = await listening[who].subscribe({ topics }, heard[who].take);
    assert.equal(typeof subscription, "string");
    assert.match(seq, /^[0-9]+$/);
  }
  const results = [
    await payer.pay(channel, { id: "e-1" }, 5),
    await payer.authorize(channel, { id: "e-2" }, 20),
    await provider.charge(channel.id, "e-2", 7),
  ];
  for (const who of ["payer", "provider"]) {
    const events = await heard[who].first(3);
    assert.deepEqual(
      events.map(({ topic, seq, data }) => [topic, seq, data.name, data.channelId, data.amount]),
      [
        ["payment", results[0].seq, "paid", channel.id, "5"],
        ["payment", results[1].seq, "authorized", channel.id, "20"],
        ["payment", results[2].seq, "charged", channel.id, "7"],
      ],
    );
  }
  assert.deepEqual(heard.stranger.events, []);
  for (const client of Object.values(listening)) await client.close();
});

test("reconnect: with fromSeq every later event comes again, in order, and then new ones", async () => {
  const channel = await payer.open(provider.account.address, { deposit: kDeposit });
  const topics = ["channel", "payment"];
  const { token } = provider.session;
  const listen = () => Client.withToken(stack.ready.stream, provider.account, token);

  const before = collector();
  const first = await listen();
  await first.subscribe({ topics, channelId: channel.id }, before.take);
  const known = await payer.pay(channel, { id: "r-0" }, 1);
  await before.first(1);
  first.connection.cut();

  const missed = [];
  for (let i = 1; i <= 40; ++i) missed.push(await payer.pay(channel, { id: `r-${i}` }, 1));
  await payer.topUp(channel, 100n);

  const later = collector();
  const second = await listen();
  // Payments go on while the missed events are delivered: none may be lost in between.
  const during = [];
  const goOn = (async () => {
    for (let i = 41; i <= 80; ++i) during.push(await payer.pay(channel, { id: `r-${i}` }, 1));
  })();
  await second.subscribe({ topics, channelId: channel.id, fromSeq: known.seq }, later.take);
  await goOn;
  const events = await later.first(81);
  const unique = [...new Map(events.map((event) => [event.seq, event])).values()];
  assert.deepEqual(
    unique.filter(({ topic }) => topic === "payment").map(({ seq }) => seq),
    [...missed, ...during].map(({ seq }) => seq),
  );
  assert.deepEqual(
    unique.filter(({ topic }) => topic === "channel").map(({ data }) => data.name),
    ["topped_up"],
  );
  const sequence = events.map(({ seq }) => BigInt(seq));
  for (let i = 1; i < sequence.length; ++i) assert.ok(sequence[i] > sequence[i - 1]);
  await second.close();
});

test("resume: a client that lost its state takes it from the service and pays on", async () => {
  const channel = await payer.open(provider.account.address, { deposit: kDeposit });
  await payer.pay(channel, { id: "a" }, 11);
  await payer.authorize(channel, { id: "b" }, 22);

  const forgetful = await Client.login(stack.ready.stream, payer.account);
  const ids = (await forgetful.list({ limit: 2 })).map(({ channelId }) => channelId);
  assert.ok(ids.includes(channel.id));
  assert.equal(new Set(ids).size, ids.length);
  const resumed = await forgetful.resume(channel.id);
  assert.equal(resumed.promised, 33n);
  const paid = await forgetful.pay(resumed, { id: "c" }, 4);
  assert.equal(paid.chargedCumulativeAmount, "15");
  assert.equal(paid.signedMaxClaimable, "37");
  await forgetful.close();

  // The same address, another key: the signature it finds is not its own.
  const impostor = new Client(provider.connection, provider.account, provider.network);
  await assert.rejects(impostor.resume(channel.id), /signed by/);
});

test("delegation: vouchers are signed by the payerAuthorizer when there is one", async () => {
  const authorizer = newAccount();
  const config = payer.configFor(provider.account.address, {
    payerAuthorizer: authorizer.address,
  });
  const channel = await payer.open(provider.account.address, { deposit: kDeposit, config });
  const delegate = await Client.login(stack.ready.stream, authorizer);
  const paid = await delegate.pay({ ...channel }, { id: "d-1" }, 9);
  assert.equal(paid.chargedCumulativeAmount, "9");
  await assert.rejects(payer.pay({ ...channel, promised: 9n }, { id: "d-2" }, 1), {
    reason: "invalid_batch_settlement_evm_voucher_signature",
  });
  await delegate.close();
});

test("claim: the provider's tokens on chain rise by exactly the sum of the charges", async () => {
  const earner = await Client.login(stack.ready.stream, newAccount());
  const settled = collector();
  await earner.subscribe({ topics: ["settlement"] }, settled.take);
  const apps = [];
  for (const index of [2, 3, 4]) {
    const app = await Client.login(stack.ready.stream, devAccount(index));
    apps.push({ app, channel: await app.open(earner.account.address, { deposit: kDeposit }) });
  }
  let charged = 0n;
  for (const [round, { app, channel }] of apps.entries()) {
    await app.pay(channel, { id: "one" }, 100 + round);
    await app.authorize(channel, { id: "two" }, 1000);
    await earner.charge(channel.id, "two", 333);
    await app.authorize(channel, { id: "open" }, 50);
    charged += BigInt(100 + round + 333);
  }
  const before = await chain.tokenBalance(earner.account.address);
  const claim = await earner.claim({ network: stack.ready.network });
  assert.equal(claim.channels, 3);
  assert.equal(claim.amount, String(charged));
  const rise = (await chain.tokenBalance(earner.account.address)) - before;
  assert.equal(rise, charged);
  for (const hash of claim.transactions) {
    const receipt = await chain.rpc.getTransactionReceipt({ hash });
    assert.equal(receipt.status, "success");
  }
  for (const { channel, app } of apps) {
    const found = await until(
      () => app.get(channel.id),
      ({ totalClaimed, chargedCumulativeAmount }) => totalClaimed === chargedCumulativeAmount,
      { what: "the claim in the channel" },
    );
    assert.equal((await chain.channel(channel.id)).totalClaimed, BigInt(found.totalClaimed));
  }
  const names = (await settled.first(3)).map(({ data }) => data.name);
  assert.equal(names[0], "queued");
  assert.equal(names.at(-1), "confirmed");

  // What was claimed once is not claimed again; what is charged later is.
  await assert.rejects(earner.claim(), {
    reason: "invalid_batch_settlement_evm_nothing_to_settle",
  });
  await earner.charge(apps[0].channel.id, "open", 50);
  assert.equal((await earner.claim()).amount, "50");
  assert.equal((await chain.tokenBalance(earner.account.address)) - before, charged + 50n);

  await assertBalanced(stack.ready);
  for (const { app } of apps) await app.close();
  await earner.close();
});
