// What was answered and charged is held against the service's transparency log, without being asked for.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Millrace, MillraceError, ServerMismatch } from "@millrace/client";
import { WebSocket } from "ws";
import { LyingService } from "./proxy.mjs";
import { devAccount, newAccount, Stack, until } from "./support.mjs";

const kDeposit = 1_000_000n;
const model = "m";
const receiver = newAccount();
const open = [];
let stack;
let service;
let provider;

before(async () => {
  stack = await Stack.start();
  service = await LyingService.start(stack.ready.stream);
  const receiving = await Millrace.connect({ url: stack.ready.stream, account: receiver, WebSocket });
  open.push(receiving);
  provider = receiving.provider();
});

after(async () => {
  for (const one of open) one.close();
  await service?.stop();
  await stack?.stop();
});

/** A channel whose stream goes through the service that lies. Its REST is the real one's, but for what `answer` gives. */
async function opened({ answer = () => undefined, ...options } = {}) {
  const liar = new URL(service.url).host;
  const { host: domain } = new URL(stack.ready.stream);
  const app = await Millrace.connect({
    url: service.url,
    domain,
    account: devAccount(1),
    WebSocket,
    fetch: async (input, init) => {
      const url = String(input).replace(liar, new URL(stack.ready.url).host);
      return answer(new URL(url)) ?? fetch(url, init);
    },
    ...options,
  });
  open.push(app);
  service.lie = (message) => message;
  return app.openChannel({ receiver: receiver.address, deposit: kDeposit });
}

const isProof = ({ pathname }) => pathname.endsWith("/proof");
const problem = (status, reason) => Response.json({ status, reason }, { status });
const proofsOf = (channel, suits, what) => until(() => channel.proofs, suits, { what });
const halted = (channel) =>
  until(
    () => channel.halted?.field,
    (field) => field !== undefined,
    { what: "the lie" },
  );

async function assertNothingMoreIsSigned(channel) {
  const signed = service.signed.length;
  await assert.rejects(channel.pay({ model, amount: 1n }), ServerMismatch);
  await assert.rejects(channel.topUp(5n), ServerMismatch);
  assert.equal(service.signed.length, signed);
}

/** From now on charges are told as `by` more than they are, by figures that follow from each other. */
function chargeMore(by) {
  const more = (amount) => String(BigInt(amount) + by);
  service.lie = (message, method) => {
    const { data } = message.params ?? {};
    if (method !== "event" || data?.name !== "charged") return message;
    const lie = { amount: more(data.amount), chargedCumulativeAmount: more(data.chargedCumulativeAmount) };
    return { ...message, params: { ...message.params, data: { ...data, ...lie } } };
  };
}

test("proofs: every payment is proven where that is wished, and authorizations when they are charged", async () => {
  const channel = await opened({ verifyProofs: true });
  await channel.pay({ model, amount: 10n });
  const charged = await channel.authorize({ model, maxAmount: 50n });
  const released = await channel.authorize({ model, maxAmount: 50n });
  await proofsOf(channel, ({ proven }) => proven === 1, "the payment's proof");
  await provider.charge(channel.id, charged.inferenceId, 10n, { final: false });
  await provider.charge(channel.id, charged.inferenceId, 20n);
  await provider.release(channel.id, released.inferenceId);
  await proofsOf(channel, ({ proven }) => proven === 3, "all proofs");
  assert.deepEqual(channel.proofs, { proven: 3, waiting: 0, error: undefined });
  assert.equal(channel.halted, undefined);
});

test("proofs: the first payment is proven by itself, and as many more as are wished", async () => {
  for (const [verifyProofs, proven] of [
    [undefined, 1],
    [2, 2],
    [false, 0],
  ]) {
    let asked = 0;
    const answer = (url) => void (asked += isProof(url));
    const channel = await opened({ answer, ...(verifyProofs === undefined ? {} : { verifyProofs }) });
    for (let i = 0; i < 4; i += 1) await channel.pay({ model, amount: 10n });
    await proofsOf(channel, ({ waiting }) => waiting === 0, "the proofs");
    assert.equal(channel.proofs.proven, proven, `verifyProofs: ${verifyProofs}`);
    assert.equal(asked > 0, proven > 0);
  }
  await assert.rejects(opened({ verifyProofs: -1 }), TypeError);
});

test("proofs: a charge that the log has otherwise halts the channel", async () => {
  const channel = await opened({ verifyProofs: true });
  const { inferenceId, settled } = await channel.authorize({ model, maxAmount: 500n });
  chargeMore(100n);
  await provider.charge(channel.id, inferenceId, 300n);
  assert.equal(await settled, 400n);
  assert.equal(await halted(channel), "increment");
  await assertNothingMoreIsSigned(channel);
});

test("proofs: who asks for a proof is told of a charge that the log has otherwise", async () => {
  const channel = await opened({ verifyProofs: false });
  const { inferenceId, settled } = await channel.authorize({ model, maxAmount: 500n });
  chargeMore(-100n);
  await provider.charge(channel.id, inferenceId, 300n);
  assert.equal(await settled, 200n);
  await assert.rejects(channel.verifyPayment(inferenceId), { reason: "server_mismatch", field: "increment" });
});

test("proofs: an answer that the log has in another place halts the channel", async () => {
  const channel = await opened({ verifyProofs: true });
  const later = (members) => ({ ...members, seq: String(BigInt(members.seq) + 1_000n) });
  service.lie = (message, method) => {
    if (method === "payment.pay") return { ...message, result: later(message.result) };
    if (method !== "event") return message;
    return { ...message, params: { ...later(message.params), data: later(message.params.data) } };
  };
  await channel.pay({ model, amount: 100n });
  assert.equal(await halted(channel), "seq");
  await assertNothingMoreIsSigned(channel);
});

test("proofs: a payment that was acknowledged and is not in the log halts the channel", async () => {
  const answer = (url) => (isProof(url) ? problem(404, "not_found") : undefined);
  const channel = await opened({ answer });
  await channel.pay({ model, amount: 100n });
  assert.equal(await halted(channel), "updates");
  await assertNothingMoreIsSigned(channel);
});

test("proofs: a log of another key than the operator's halts the channel", async () => {
  const { key } = await (await fetch(`${stack.ready.url}/v1/log/key`)).json();
  const channel = await opened({ logKey: key });
  await channel.pay({ model, amount: 100n });
  await proofsOf(channel, ({ proven }) => proven === 1, "the proof");
  const [name, hash, bytes] = key.split("+");
  const other = await opened({ logKey: [`${name}.example`, hash, bytes].join("+") });
  await other.pay({ model, amount: 100n });
  assert.match(await halted(other), /key|checkpoint/);
  await assertNothingMoreIsSigned(other);
});

test("proofs: a log that cannot be had is asked again, and one that is not there is not missed", async () => {
  let refusals = 2;
  const away = (url) => (isProof(url) && refusals-- > 0 ? problem(503, "unavailable") : undefined);
  const channel = await opened({ answer: away });
  await channel.pay({ model, amount: 100n });
  const { error } = await proofsOf(channel, (status) => status.error !== undefined, "the refusal");
  assert.ok(error instanceof MillraceError && error.reason === "unavailable", String(error));
  await proofsOf(channel, ({ proven }) => proven === 1, "the proof");
  assert.equal(channel.halted, undefined);

  const none = ({ pathname }) => (pathname === "/v1/log/key" ? problem(404, "not_found") : undefined);
  const without = await opened({ answer: none });
  await without.pay({ model, amount: 100n });
  await proofsOf(without, ({ waiting }) => waiting === 0, "the answer");
  assert.deepEqual(without.proofs, { proven: 0, waiting: 0, error: undefined });
  assert.equal((await without.pay({ model, amount: 1n })).charged, 101n);
});
