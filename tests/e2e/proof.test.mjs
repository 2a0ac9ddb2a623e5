// What the service has done is proven to somebody who trusts neither it nor its code.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Chain, devAccount, newAccount } from "./chain.mjs";
import { Client, until } from "./client.mjs";
import { connect, query } from "./postgres.mjs";
import { kBinary, Stack } from "./stack.mjs";

const kVerifier = fileURLToPath(new URL("../verifier/verify.mjs", import.meta.url));

let stack;
let folder;
let payer;
let provider;
let channel;

before(async () => {
  stack = await Stack.start();
  folder = mkdtempSync(join(tmpdir(), "millrace-proof-"));
  payer = await Client.login(stack.ready.stream, devAccount(0));
  provider = await Client.login(stack.ready.stream, newAccount());
  channel = await payer.open(provider.account.address, { deposit: 1_000_000n, app: "an \"app\"" });
  await Promise.all(Array.from({ length: 20 }, (_, n) => payer.pay(channel, { id: `p-${n}` }, 100n)));
  await payer.authorize(channel, { id: "job" }, 5_000n);
  await provider.charge(channel.id, "job", 3_300n);
  await payer.authorize(channel, { id: "open" }, 70n);
  await claimed(2_000n + 3_300n);
  // The next claim has a tree head to carry.
  await sealed();
  await payer.pay(channel, { id: "more" }, 10n);
  await claimed(2_000n + 3_300n + 10n);
  await payer.refund(channel, 500n);
  await until(() => payer.get(channel.id), ({ balance }) => balance === "999500", { what: "refund" });
});

after(async () => {
  for (const client of [payer, provider]) client?.connection.cut();
  rmSync(folder, { recursive: true, force: true });
  await stack?.stop();
});

async function claimed(total) {
  await provider.claim();
  await until(() => payer.get(channel.id), ({ totalClaimed }) => totalClaimed === String(total), {
    what: `${total} claimed`,
  });
}

const get = (path, token = stack.ready.auditorToken) =>
  fetch(stack.ready.url + path, { headers: { Authorization: `Bearer ${token}` } });

async function sealed() {
  await until(
    () => query(stack.ready.postgres, "select last_seq - size as left from commit_sequence, log_head"),
    ([{ left }]) => left === "0",
    { what: "the log sealed" },
  );
}

async function exported() {
  await sealed();
  const response = await get("/v1/ledger/export");
  assert.equal(response.status, 200);
  const file = join(folder, "books.ndjson");
  writeFileSync(file, await response.text());
  return file;
}

/** Exit code and what was said, as JSON. */
const run = (program, args) =>
  new Promise((done) => {
    execFile(program, [...args, "--json"], { env: process.env }, (error, stdout, stderr) => {
      const line = stdout.split("\n").find((one) => one.startsWith("{"));
      done({ code: error?.code ?? 0, said: line && JSON.parse(line), stderr });
    });
  });
const verify = (...args) => run(kBinary, ["audit", "verify", ...args]);
const independently = (...args) => run(process.execPath, [kVerifier, ...args]);
const config = () => ["--config", join(stack.data, "millrace.toml")];

test("the books hold in both verifiers, and are those of the chain", async () => {
  const file = await exported();
  const { key } = await (await get("/v1/log/key")).json();
  const own = await verify(file, "--key", key, "--rpc", stack.ready.rpc);
  assert.equal(own.code, 0, JSON.stringify(own));
  assert.ok(own.said.anchors >= 1, "a claim carries a tree head");
  assert.equal(own.said.payments, 24);
  const direct = await verify(...config(), "--rpc", stack.ready.rpc);
  assert.equal(direct.code, 0, JSON.stringify(direct));
  const other = await independently(file, "--key", key);
  assert.equal(other.code, 0, JSON.stringify(other));
  assert.equal(other.said.payments, 24);
});

test("a payer proves its payment by its id, with arithmetic of its own", async () => {
  await sealed();
  const { token } = payer.session;
  const proof = await (await get(`/v1/channels/${channel.id}/proof?inferenceId=job`, token)).json();
  assert.equal(proof.updates.length, 2);
  for (const { leaf, leafHash } of proof.updates) {
    const hash = createHash("sha256").update(Buffer.from([0])).update(Buffer.from(leaf.slice(2), "hex"));
    assert.equal(`0x${hash.digest("hex")}`, leafHash);
    assert.ok(Buffer.from(leaf.slice(2), "hex").includes("job"));
  }
  const inclusion = proof.updates.map(({ leafIndex, leafHash, path }) => ({
    index: leafIndex,
    size: proof.treeSize,
    leaf: leafHash,
    root: proof.root,
    path,
  }));
  const file = join(folder, "proof.json");
  writeFileSync(file, JSON.stringify({ inclusion, consistency: [] }));
  assert.equal((await independently("proofs", file)).code, 0);
  assert.equal((await get(`/v1/channels/${channel.id}/proof?inferenceId=job`, "nobody")).status, 401);
});

test("an older export holds as of the blocks that it had reached", async () => {
  const chain = new Chain(stack.ready);
  const other = await payer.open(newAccount().address, { deposit: 700n });
  const file = await exported();
  assert.equal((await verify(file, "--rpc", stack.ready.rpc)).code, 0);
  await chain.transact(payer.account, "initiateWithdraw", [other.config, 700n]);
  await chain.passTime(other.config.withdrawDelay);
  await chain.transact(payer.account, "finalizeWithdraw", [other.config]);
  // The export is of before: the channel as of its last event still is as it says.
  assert.equal((await verify(file, "--rpc", stack.ready.rpc)).code, 0);
});

test("decimals that are not the token's are named, where a node is", async () => {
  const file = await exported();
  const ofToken = "network like 'eip155:%' and token <> decode(repeat('00', 20), 'hex')";
  const client = await connect(stack.ready.postgres);
  await client.query(`update asset set decimals = decimals + 1 where ${ofToken}`);
  const found = await verify(...config(), "--rpc", stack.ready.rpc);
  await client.query(`update asset set decimals = decimals - 1 where ${ofToken}`);
  await client.end();
  assert.equal(found.code, 1, JSON.stringify(found));
  assert.deepEqual([found.said.rule, found.said.table], ["chain", "asset"]);
  assert.equal((await verify(file, "--rpc", stack.ready.rpc)).code, 0);
});

test("an edit by whoever owns the database is named", async () => {
  await sealed();
  const head = join(folder, "kept.note");
  writeFileSync(head, await (await get("/v1/log/checkpoint")).text());
  await query(stack.ready.postgres, "alter table payment disable trigger user");
  await query(
    stack.ready.postgres,
    "update payment set detail = detail || ' ' where inference_id = 'job' and step = 1",
  );
  const [{ seq }] = await query(
    stack.ready.postgres,
    "select seq from payment where inference_id = 'job' and step = 1",
  );
  const found = await verify(...config(), "--head", head);
  assert.equal(found.code, 1);
  assert.equal(found.said.rule, "leaf");
  assert.equal(found.said.seq, seq);
  const other = await independently(await exported());
  assert.equal(other.code, 1);
  assert.equal(other.said.findings[0].seq, seq);
});
