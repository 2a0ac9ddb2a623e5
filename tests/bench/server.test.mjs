// The benchmark of a service that runs already: what it deposits is what it pays, and nothing is left over.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { devAccount, newAccount } from "../e2e/chain.mjs";
import { Client } from "../e2e/client.mjs";
import { assertBalanced, kBinary, Stack } from "../e2e/stack.mjs";

const account = devAccount(3);
let stack;
let keyFile;
before(async () => {
  stack = await Stack.start();
  keyFile = join(stack.data, "payer.key");
  writeFileSync(keyFile, `0x${Buffer.from(account.getHdKey().privateKey).toString("hex")}\n`, { mode: 0o600 });
});
after(() => stack?.stop());

/** Not spawnSync: the stack's log would be read by nobody meanwhile, and the stack stand still for it. */
async function bench(...args) {
  const child = spawn(kBinary, ["bench", "--quick", "--json", "-", "--server", ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 120_000,
  });
  const run = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"])
    child[name].setEncoding("utf8").on("data", (text) => (run[name] += text));
  [run.status] = await once(child, "close");
  return run;
}

async function channels() {
  const client = await Client.login(stack.ready.stream, account);
  const found = (await client.call("channel.list", { limit: 1000 })).channels;
  await client.close();
  return found;
}

test("bench: a running service is measured with channels whose deposits are all spent", async () => {
  const run = await bench(stack.ready.stream, "--key-file", keyFile, "--only", "100 channels");
  assert.equal(run.status, 0, run.stderr);
  const report = JSON.parse(run.stdout);
  // Not those of services that are configured otherwise.
  assert.equal(report.rows.length, 4);
  for (const row of report.rows) assert.equal(row.refused, 0, row.name);
  const paid = report.rows.reduce((sum, { count }) => sum + 10n * BigInt(count), 0n);
  assert.match(run.stderr, new RegExp(`opening 100 channels on eip155:31337 with ${paid} base units`));
  const opened = await channels();
  assert.equal(opened.length, 100);
  let charged = 0n;
  for (const one of opened) {
    assert.equal(one.chargedCumulativeAmount, one.balance);
    assert.equal(one.reservedAmount, "0");
    assert.equal(one.config.receiver.toLowerCase(), account.address.toLowerCase());
    charged += BigInt(one.chargedCumulativeAmount);
  }
  assert.equal(charged, paid);
  await assertBalanced(stack.ready);
});

test("bench: another receiver is paid, and not asked to charge", async () => {
  const receiver = newAccount().address;
  const run = await bench(stack.ready.stream, "--key-file", keyFile, "--only", "100 channels", "--receiver", receiver);
  assert.equal(run.status, 0, run.stderr);
  const names = JSON.parse(run.stdout).rows.map(({ name }) => name);
  assert.equal(names.length, 3);
  assert.ok(!names.some((name) => name.includes("authorize")));
  const opened = (await channels()).filter(
    ({ config }) => config.receiver.toLowerCase() === receiver.toLowerCase(),
  );
  assert.equal(opened.length, 100);
});

test("bench: options that name no service, key or receiver are refused by name", async () => {
  const { stream } = stack.ready;
  const refusals = [
    [[stream], /--key-file/],
    [["wss://pay.example/v1/stream", "--key-file", keyFile], /--server: .*TLS/],
    [["ws://127.0.0.1:1", "--key-file", keyFile], /--server: .*\/v1\/stream/],
    [[stream, "--key-file", join(stack.data, "none.key")], /none\.key/],
    [[stream, "--key-file", keyFile, "--receiver", "0x12"], /--receiver/],
    [[stream, "--key-file", keyFile, "--domain", "pay.example"], /not signed/],
    [[stream, "--key-file", keyFile, "--only", "no transparency log"], /no measurement/],
  ];
  for (const [args, message] of refusals) {
    const run = await bench(...args);
    assert.notEqual(run.status, 0, args.join(" "));
    assert.match(run.stderr, message);
  }
});
