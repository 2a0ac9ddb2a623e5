// Whatever single figure the service alters: it is noticed, and nothing more is signed.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { FileStorage, kEscrow, MemoryStorage, Millrace, ServerMismatch } from "@millrace/client";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WebSocket } from "ws";
import { LyingService } from "./proxy.mjs";
import { devAccount, newAccount, Stack, until } from "./support.mjs";

const kDeposit = 1_000_000n;
let stack;
let service;
let app;
let provider;
let receiving;
const receiver = newAccount();

before(async () => {
  stack = await Stack.start();
  service = await LyingService.start(stack.ready.stream);
  app = await connect();
  receiving = await Millrace.connect({ url: stack.ready.stream, account: receiver, WebSocket });
  provider = receiving.provider();
});

after(async () => {
  app?.close();
  receiving?.close();
  await service?.stop();
  await stack?.stop();
});

/** Its logins are for the real service's name. */
function connect(options = {}) {
  const domain = new URL(stack.ready.stream).host;
  return Millrace.connect({ url: service.url, domain, account: devAccount(1), WebSocket, ...options });
}

const opened = () => app.openChannel({ receiver: receiver.address, deposit: kDeposit });
const mismatch = (field) => (error) => {
  assert.ok(error instanceof ServerMismatch, `${error.name}: ${error.message}`);
  assert.equal(error.field, field, error.message);
  return true;
};
const more =
  (figure, by = 1n) =>
  (members) => ({ ...members, [figure]: String(BigInt(members[figure]) + by) });
const set = (figure, value) => (members) => ({ ...members, [figure]: value });

/** Alters the next answer to `method`, or the next event with this name. */
function lieOnce(method, alter, eventName) {
  let isTold = false;
  service.lie = (message, one) => {
    if (isTold || one !== method) return message;
    if (eventName !== undefined && message.params.data.name !== eventName) return message;
    isTold = true;
    if (method !== "event") return { ...message, result: alter(message.result) };
    return { ...message, params: { ...message.params, data: alter(message.params.data) } };
  };
}

async function assertNothingMoreIsSigned(channel) {
  const signed = service.signed.length;
  await assert.rejects(channel.pay({ model: "m", amount: 1n }), ServerMismatch);
  await assert.rejects(channel.authorize({ model: "m", maxAmount: 1n }), ServerMismatch);
  await assert.rejects(channel.topUp(5n), ServerMismatch);
  await assert.rejects(channel.refund(), ServerMismatch);
  assert.equal(service.signed.length, signed);
}

const kHash = `0x${"7".repeat(64)}`;
const answers = [
  ["channelId", "channelId", set("channelId", kHash)],
  ["inferenceId", "inferenceId", set("inferenceId", "another")],
  ["amount", "amount", more("amount")],
  ["amount, less", "amount", more("amount", -1n)],
  ["charged more", "chargedCumulativeAmount", more("chargedCumulativeAmount")],
  ["charged less", "chargedCumulativeAmount", more("chargedCumulativeAmount", -1n)],
  ["charged much more", "chargedCumulativeAmount", more("chargedCumulativeAmount", 500_000n)],
  ["reserved more", "reservedAmount", more("reservedAmount")],
  ["a voucher that was never signed", "signedMaxClaimable", more("signedMaxClaimable")],
  ["a voucher below that of the request", "signedMaxClaimable", more("signedMaxClaimable", -1n)],
  ["balance, more", "balance", more("balance")],
  ["balance, less", "balance", more("balance", -1n)],
  ["a number that was there before", "seq", set("seq", "1")],
  ["an amount that is none", "balance", set("balance", 1_000_000)],
  ["a figure left out", "reservedAmount", set("reservedAmount", undefined)],
];
for (const [name, field, alter] of answers) {
  test(`an answer to a payment: ${name}`, async () => {
    const channel = await opened();
    await channel.pay({ model: "m", amount: 100n });
    lieOnce("payment.pay", alter);
    await assert.rejects(channel.pay({ model: "m", amount: 100n }), mismatch(field));
    await assertNothingMoreIsSigned(channel);
  });
}

for (const [name, field, alter] of [
  ["reserved less", "reservedAmount", more("reservedAmount", -1n)],
  ["reserved more", "reservedAmount", more("reservedAmount")],
  ["charged", "chargedCumulativeAmount", more("chargedCumulativeAmount")],
]) {
  test(`an answer to an authorization: ${name}`, async () => {
    const channel = await opened();
    await channel.pay({ model: "m", amount: 100n });
    lieOnce("payment.authorize", alter);
    await assert.rejects(channel.authorize({ model: "m", maxAmount: 100n }), mismatch(field));
    await assertNothingMoreIsSigned(channel);
  });
}

const events = [
  ["paid", "charged more", "chargedCumulativeAmount", more("chargedCumulativeAmount")],
  ["paid", "amount", "amount", more("amount")],
  ["paid", "balance", "balance", more("balance", -5n)],
  ["paid", "a voucher that was never signed", "signedMaxClaimable", more("signedMaxClaimable")],
  ["charged", "more than was authorized", "amount", more("amount", 100_000n)],
  ["charged", "more than its amount", "chargedCumulativeAmount", more("chargedCumulativeAmount")],
  ["charged", "the rest is not freed", "reservedAmount", more("reservedAmount")],
  ["released", "charged all the same", "chargedCumulativeAmount", more("chargedCumulativeAmount", 10n)],
];
for (const [name, what, field, alter] of events) {
  test(`an event ${name}: ${what}`, async () => {
    const channel = await opened();
    await channel.pay({ model: "m", amount: 100n });
    const { inferenceId } = await channel.authorize({ model: "m", maxAmount: 500n });
    await until(
      () => channel.reserved,
      (reserved) => reserved === 500n,
      { what: "the authorization" },
    );
    lieOnce("event", alter, name);
    if (name === "charged") await provider.charge(channel.id, inferenceId, 300n);
    else if (name === "released") await provider.release(channel.id, inferenceId);
    else await channel.pay({ model: "m", amount: 100n }).catch(() => {});
    await until(
      () => channel.halted?.field,
      (halted) => halted !== undefined,
      { what: "the lie" },
    );
    assert.equal(channel.halted.field, field, channel.halted.message);
    await assertNothingMoreIsSigned(channel);
  });
}

test("an event of a payment that nobody asked for", async () => {
  const channel = await opened();
  await channel.pay({ model: "m", amount: 100n });
  lieOnce("event", (data) => ({ ...data, inferenceId: "invented" }), "paid");
  await channel.pay({ model: "m", amount: 100n }).catch(() => {});
  await until(
    () => channel.halted?.field,
    (halted) => halted !== undefined,
    { what: "the lie" },
  );
  await assertNothingMoreIsSigned(channel);
});

test("a deposit that is said to be another one", async () => {
  for (const alter of [more("amount"), more("balance"), more("balance", -1n)]) {
    const channel = await opened();
    lieOnce("event", alter, "topped_up");
    await assert.rejects(channel.topUp(500n), ServerMismatch);
    await assertNothingMoreIsSigned(channel);
  }
});

test("a refund that is said to be another one", async () => {
  const channel = await opened();
  await channel.pay({ model: "m", amount: 100n });
  lieOnce("channel.refund", more("amount", -1n));
  await assert.rejects(channel.refund({ amount: 500n }), mismatch("amount"));
  await assertNothingMoreIsSigned(channel);
});

const objects = [
  ["channelId", "config", set("channelId", kHash)],
  [
    "another receiver",
    "config",
    (found) => ({ ...found, config: { ...found.config, receiver: newAccount().address } }),
  ],
  [
    "another delay",
    "config",
    (found) => ({ ...found, config: { ...found.config, withdrawDelay: 2_000_000 } }),
  ],
  ["another escrow", "contract", set("contract", newAccount().address)],
  ["another network", "contract", set("network", "eip155:1")],
  ["charged more", "chargedCumulativeAmount", more("chargedCumulativeAmount", 1_000n)],
  ["signed more", "signature", more("signedMaxClaimable")],
  ["a signature of somebody else", "signature", set("signature", `0x${"1".repeat(128)}1b`)],
  ["no signature", "signature", set("signature", null)],
  ["claimed more than charged", "totalClaimed", more("totalClaimed", 1_000n)],
  ["less than is promised", "balance", set("balance", "1")],
];
for (const [name, field, alter] of objects) {
  test(`a channel that is resumed: ${name}`, async () => {
    service.lie = (message) => message;
    const channel = await opened();
    await channel.pay({ model: "m", amount: 100n });
    for (const storage of [undefined, new MemoryStorage()]) {
      const again = await connect(storage ? { storage } : {});
      lieOnce("channel.get", alter);
      const signed = service.signed.length;
      await assert.rejects(again.resumeChannel(channel.id), mismatch(field));
      assert.equal(service.signed.length, signed);
      again.close();
    }
    lieOnce("channel.get", alter);
    await assert.rejects(channel.check(), ServerMismatch);
    await assertNothingMoreIsSigned(channel);
  });
}

test("a channel that was charged for what this client has never signed, by its memory", async () => {
  service.lie = (message) => message;
  const folder = mkdtempSync(join(tmpdir(), "millrace-sdk-"));
  const storage = new FileStorage(folder);
  const first = await connect({ storage });
  const channel = await first.openChannel({ receiver: receiver.address, deposit: kDeposit });
  await channel.pay({ model: "m", amount: 100n });
  first.close();
  const second = await connect({ storage });
  const resumed = await second.resumeChannel(channel.id);
  assert.equal(resumed.charged, 100n);
  lieOnce("payment.pay", (result) => ({
    ...result,
    chargedCumulativeAmount: "201",
    signedMaxClaimable: "201",
  }));
  await assert.rejects(resumed.pay({ model: "m", amount: 100n }), ServerMismatch);
  await assertNothingMoreIsSigned(resumed);
  second.close();
  rmSync(folder, { recursive: true });
});

test("a channel that the service opens under another id", async () => {
  lieOnce("channel.open", set("channelId", kHash));
  await assert.rejects(opened(), mismatch("channelId"));
});

test("an escrow that is not the canonical one, and a login for another site", async () => {
  const foreign = newAccount().address;
  lieOnce("server.info", (info) => ({
    ...info,
    networks: info.networks.map((one) => ({ ...one, contract: foreign })),
  }));
  await assert.rejects(connect(), mismatch("contract"));
  service.lie = (message) => message;
  await assert.rejects(connect({ contract: foreign }), mismatch("contract"));
  lieOnce("auth.challenge", (challenge) => ({
    ...challenge,
    message: challenge.message.replace(/^\S+/, "bank.example"),
  }));
  await assert.rejects(connect(), mismatch("message"));
  await assert.rejects(connect({ domain: "elsewhere.example" }), mismatch("message"));
  assert.equal(app.info.networks[0].contract, kEscrow.toLowerCase());
});

test("a service that is another one after a reconnect is not paid any more", async () => {
  service.lie = (message) => message;
  const client = await connect();
  const channel = await client.openChannel({ receiver: receiver.address, deposit: kDeposit });
  await channel.pay({ model: "m", amount: 100n });
  const foreign = newAccount().address;
  service.lie = (message, method) =>
    method === "server.info" && message.result
      ? {
          ...message,
          result: {
            ...message.result,
            networks: message.result.networks.map((one) => ({ ...one, contract: foreign })),
          },
        }
      : message;
  const signed = service.signed.length;
  service.cut();
  await assert.rejects(channel.pay({ model: "m", amount: 100n }), mismatch("contract"));
  assert.equal(service.signed.length, signed);
});
