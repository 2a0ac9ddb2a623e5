// `audit verify --rpc`: books that hold in themselves are still found out when the chain says something
// else. The chain is altered with anvil's own methods; the books by whoever owns the database, with all
// that hangs together made to fit and the log thrown away, so that nothing but the chain tells.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { encodeAbiParameters, encodeFunctionData, keccak256, numberToHex } from "viem";
import { Chain, devAccount, newAccount, tokenAbi } from "./chain.mjs";
import { Client, until } from "./client.mjs";
import { query } from "./postgres.mjs";
import { kBinary, Stack } from "./stack.mjs";

let data;
let stack;
let chain;
let channel;
let receiver;
let payer;

before(async () => {
  data = mkdtempSync(join(tmpdir(), "millrace-chain-audit-"));
  stack = await Stack.start({ data });
  chain = new Chain(stack.ready);
  payer = await Client.login(stack.ready.stream, devAccount(0));
  const provider = await Client.login(stack.ready.stream, newAccount());
  receiver = provider.account.address;
  channel = await payer.open(receiver, { deposit: 1_000_000n });
  let total = 0n;
  for (const amount of [5_000n, 300n]) {
    await payer.pay(channel, { id: `p-${amount}` }, amount);
    // The next claim has a tree head to carry.
    await sealed();
    total += amount;
    await provider.claim();
    const claimed = ({ totalClaimed }) => totalClaimed === String(total);
    await until(() => payer.get(channel.id), claimed, { what: `${total} claimed` });
  }
  await provider.close();
  await settled();
});

const kLeft = `
  select (select count(*) from outbox where status <> 'confirmed')
       + (select sum(credits - debits) from account where kind = 'claimed') as left`;

/** Everything that was sent is confirmed, and what was claimed is settled, in the books as well. */
const settled = () =>
  until(() => query(stack.ready.postgres, kLeft), ([{ left }]) => left === "0", { what: "everything settled" });

after(async () => {
  payer?.connection.cut();
  await stack?.stop();
  if (data) rmSync(data, { recursive: true, force: true });
});

const sealed = () =>
  until(
    () => query(stack.ready.postgres, "select last_seq - size as left from commit_sequence, log_head"),
    ([{ left }]) => left === "0",
    { what: "the log sealed" },
  );

/** Exit code and what was said, as JSON, of the books as they are in the database now. */
const verify = (...args) =>
  new Promise((done) => {
    const command = ["audit", "verify", "--config", join(data, "millrace.toml"), ...args, "--json"];
    execFile(kBinary, command, { env: process.env }, (error, stdout, stderr) => {
      const line = stdout.split("\n").find((one) => one.startsWith("{"));
      done({ code: error?.code ?? 0, said: line && JSON.parse(line), stderr });
    });
  });
const verifyWithChain = () => verify("--rpc", stack.ready.rpc);

async function assertSound() {
  const { code, said, stderr } = await verifyWithChain();
  assert.equal(code, 0, JSON.stringify(said) + stderr);
  return said;
}

async function assertFound(expected, explanation) {
  const { code, said, stderr } = await verifyWithChain();
  assert.equal(code, 1, JSON.stringify(said) + stderr);
  const { rule, table, key, seq } = said;
  assert.deepEqual({ rule, table, key, ...(expected.seq && { seq }) }, expected, said.explanation);
  assert.match(said.explanation, explanation);
}

/** Where the escrow keeps two figures of 128 bits, the first one in the lower half. */
const mapped = (type, key, slot) => keccak256(encodeAbiParameters([{ type }, { type: "bytes32" }], [key, slot]));
const slotNumber = (number) => numberToHex(number, { size: 32 });
const channelSlot = () => mapped("bytes32", channel.id, slotNumber(0));
const receiverSlot = () => mapped("address", chain.token, mapped("address", receiver, slotNumber(3)));

/** The two figures are changed while `look` looks. */
async function withStorage(slot, change, look) {
  const { contract: address } = chain;
  const word = BigInt(await chain.rpc.getStorageAt({ address, slot }));
  const half = (1n << 128n) - 1n;
  const [low, high] = change(word & half, word >> 128n);
  const set = (value) =>
    chain.rpc.request({ method: "anvil_setStorageAt", params: [address, slot, numberToHex(value, { size: 32 })] });
  await set((high << 128n) | low);
  await chain.rpc.request({ method: "evm_mine", params: [] });
  try {
    await look();
  } finally {
    await set(word);
    await chain.rpc.request({ method: "evm_mine", params: [] });
  }
}

const account = (kind, owner = "") => `${stack.ready.network} ${chain.token.toLowerCase()} ${kind} ${owner.toLowerCase()}`;

test("what holds is said to hold, receivers included", async () => {
  await sealed();
  const said = await assertSound();
  assert.ok(said.anchors >= 1, "a claim carries a tree head");
  assert.equal(said.receivers, 1);
});

/** Changes the books as somebody can whom nothing refuses anything. */
async function rewrite(...statements) {
  const guarded = ["chain_event", "transfer", "payment", "event", "log_checkpoint"];
  const guard = (how) => guarded.map((table) => `alter table ${table} ${how} trigger append_only`);
  const all = ["begin", ...guard("disable"), ...statements, ...guard("enable always"), "commit"];
  await query(stack.ready.postgres, all.join(";\n"));
}

const kForgetLog = ["delete from log_checkpoint", "delete from log_tile", "update log_head set size = 0"];
const kRewritten = ["chain_event", "transfer", "account", "event", "log_checkpoint", "log_tile", "log_head"];

/** The books are rewritten while `look` looks, in a way that does not show without the chain. */
async function withBooks(statements, look) {
  const keep = kRewritten.map((table) => `create table kept_${table} as table ${table}`);
  const restore = (table) => [
    `delete from ${table}`,
    `insert into ${table} table kept_${table}`,
    `drop table kept_${table}`,
  ];
  await rewrite(...keep, ...statements, ...kForgetLog);
  try {
    const { code, said, stderr } = await verify();
    assert.equal(code, 0, JSON.stringify(said) + stderr);
    await look();
  } finally {
    await rewrite(...kRewritten.flatMap(restore));
  }
}

const eventOf = async (kind, order = "") => {
  const [event] = await query(
    stack.ready.postgres,
    `select seq::text, network || ' 0x' || encode(transaction_hash, 'hex') || ' ' || log_index as log
     from chain_event where kind = $1 order by chain_event.seq ${order} limit 1`,
    [kind],
  );
  return { seq: event.seq, found: { rule: "chain", table: "chain_event", key: event.log, seq: event.seq } };
};

/** The size of the tree whose head the first claim carries. */
async function anchored() {
  const [{ data: input }] = await query(
    stack.ready.postgres,
    "select encode(data, 'hex') as data from outbox where purpose = 'claim' order by outbox_id limit 1",
  );
  const at = input.lastIndexOf("4d4c5231");
  assert.equal(at, input.length - 88);
  return BigInt(`0x${input.slice(at + 8, at + 24)}`);
}

/** Without the settlement, all that hangs together with it made to fit. */
async function withoutSettlement(order, look) {
  const { seq } = await eventOf("settled", order);
  const moved = `(select amount from transfer where seq = ${seq})`;
  const statements = [
    `update account set debits = debits - ${moved} where kind = 'claimed'`,
    `update account set credits = credits - ${moved} where kind = 'escrow'`,
    `delete from transfer where seq = ${seq}`,
    `delete from chain_event where seq = ${seq}`,
    // A number without any row would tell by itself.
    "create temp table told on commit drop as select * from event where topic = 'settlement' order by seq limit 1",
    `update told set seq = ${seq}`,
    "insert into event table told",
  ];
  await withBooks(statements, look);
}

const ofReceiver = () => ({ rule: "chain", table: "account", key: account("claimed", receiver) });
const otherHead = async () => ({ rule: "anchor", table: "log_checkpoint", key: String(await anchored()) });

test("a settlement that the books have lost is found by what the receiver is owed", async () => {
  await withoutSettlement("asc", () =>
    assertFound(ofReceiver(), /the contract owes 0, and 5000 is booked as claimed/),
  );
  // That of the newest block may be still to be posted: nothing but the lost log is found.
  await withoutSettlement("desc", async () => assertFound(await otherHead(), /another tree head/));
  await payer.refund(channel, 500n);
  await until(() => payer.get(channel.id), ({ balance }) => balance === "999500", { what: "refund" });
  await settled();
  await withoutSettlement("desc", () =>
    assertFound(ofReceiver(), /the contract owes 0, and 300 is booked as claimed/),
  );
  await sealed();
  await assertSound();
});

test("figures that the contract has otherwise are found, channel by channel and receiver by receiver", async () => {
  const ofChannel = { rule: "chain", table: "channel", key: channel.id };
  await withStorage(channelSlot(), (balance, claimed) => [balance - 1n, claimed], () =>
    assertFound(ofChannel, /something else than balance 999500 and claimed 5300/),
  );
  await withStorage(channelSlot(), (balance, claimed) => [balance, claimed + 1n], () =>
    assertFound(ofChannel, /something else than balance 999500 and claimed 5300/),
  );
  await withStorage(channelSlot(), (balance) => [balance, balance + 1n], () =>
    assertFound(ofChannel, /more of it is claimed on chain than was deposited/),
  );
  await withStorage(receiverSlot(), (claimed, settled) => [claimed - 1n, settled - 1n], () =>
    assertFound(ofReceiver(), /has claimed 5299 in all, and 5300 of the channels/),
  );
  await withStorage(receiverSlot(), (claimed, settled) => [claimed, settled - 1n], () =>
    assertFound(ofReceiver(), /has settled 5299, and 5300 is posted/),
  );
  await withStorage(receiverSlot(), (claimed, settled) => [claimed, claimed + 1n], () =>
    assertFound(ofReceiver(), /settled more than was claimed/),
  );
  // Of channels that are not in these books there may be more of both.
  await withStorage(receiverSlot(), (claimed, settled) => [claimed + 7n, settled + 7n], assertSound);
  await assertSound();
});

test("an escrow without the tokens that it owes is found", async () => {
  const thief = devAccount(9);
  const ask = (method, ...params) => chain.rpc.request({ method, params });
  await ask("anvil_setBalance", chain.contract, numberToHex(10n ** 18n));
  await ask("anvil_impersonateAccount", chain.contract);
  const take = { abi: tokenAbi, functionName: "transfer", args: [thief.address, 1n] };
  const transaction = { from: chain.contract, to: chain.token, data: encodeFunctionData(take) };
  const { status } = await chain.receipt(await ask("eth_sendTransaction", transaction));
  assert.equal(status, "success");
  await assertFound(
    { rule: "chain", table: "account", key: account("escrow") },
    /owes 994200 to the channels and receivers of the books, and holds less/,
  );
  await chain.giveTokens(thief, chain.contract, 1n);
  await assertSound();
});

test("an event that is posted of another block is found", async () => {
  for (const kind of ["claimed", "settled", "deposited", "refunded", "fee_paid"]) {
    const { seq, found } = await eventOf(kind);
    await withBooks([`update chain_event set block_hash = decode(repeat('ab', 32), 'hex') where seq = ${seq}`], () =>
      assertFound(found, /is in block 0x[0-9a-f]{64}, not in 0x(ab){32}/),
    );
  }
  const { seq, found } = await eventOf("claimed");
  await withBooks([`update chain_event set transaction_hash = decode(repeat('ab', 32), 'hex') where seq = ${seq}`], () =>
    assertFound({ ...found, key: found.key.replace(/0x[0-9a-f]+/, `0x${"ab".repeat(32)}`) }, /no such transaction/),
  );
  await withBooks([`update chain_event set log_index = 77 where seq = ${seq}`], () =>
    assertFound({ ...found, key: found.key.replace(/\d+$/, "77") }, /no such log/),
  );
});

test("a fee that is booked as more than the transaction took is found", async () => {
  const { seq, found } = await eventOf("fee_paid");
  await withBooks(
    [
      `update chain_event set amount = amount + 1 where seq = ${seq}`,
      `update transfer set amount = amount + 1 where seq = ${seq}`,
      "update account set debits = debits + 1 where kind = 'gas'",
      "update account set credits = credits + 1 where kind = 'wallet'",
    ],
    () => assertFound(found, /gas at \d+, and \d+ is booked as its fee/),
  );
});

test("a log that was signed anew differs from the head that a settlement carries", async () => {
  await rewrite("update payment set at = at + interval '1 second' where inference_id = 'p-5000'", ...kForgetLog);
  // Without the head that it kept, the service signs what it finds when it starts.
  await stack.stop();
  const [, kept] = readFileSync(join(data, "millrace.toml"), "utf8").match(/^state_file = "(.+)"$/m);
  rmSync(kept);
  stack = await Stack.start({ data });
  await sealed();
  const { code, said, stderr } = await verify();
  assert.equal(code, 0, JSON.stringify(said) + stderr);
  assert.ok(said.heads >= 1);
  await assertFound(await otherHead(), /another tree head/);
});
