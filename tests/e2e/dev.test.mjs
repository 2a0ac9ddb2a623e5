import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Chain, devAccount, newAccount } from "./chain.mjs";
import { Client } from "./client.mjs";
import { assertBalanced, kBinary, Stack } from "./stack.mjs";

let data;
let stack;

before(async () => {
  data = mkdtempSync(join(tmpdir(), "millrace-dev-"));
  stack = await Stack.start({ data });
});

after(async () => {
  await stack?.stop();
  rmSync(data, { recursive: true, force: true });
});

const run = (...args) =>
  spawnSync(kBinary, ["dev", ...args], { encoding: "utf8", timeout: 20_000 });

test("dev: a later start with the same data goes on where it was, chain included", async () => {
  const provider = newAccount();
  const first = await Client.login(stack.ready.stream, devAccount(1));
  const channel = await first.open(provider.address, { deposit: 1_000_000n });
  await first.pay(channel, { id: "before" }, 400);
  const earlier = { ready: stack.ready, channel: await first.get(channel.id) };
  first.connection.cut();

  await stack.stop();
  stack = await Stack.start({ data });
  const { ready } = stack;
  for (const same of ["contract", "token", "network", "receiverAuthorizer", "auditorToken"])
    assert.equal(ready[same], earlier.ready[same], same);
  assert.equal((await new Chain(ready).channel(channel.id)).balance, 1_000_000n);

  const token = first.session.token;
  const again = await Client.withToken(ready.stream, devAccount(1), token);
  assert.deepEqual(await again.get(channel.id), earlier.channel);
  const resumed = await again.resume(channel.id);
  const paid = await again.pay(resumed, { id: "after" }, 100);
  assert.equal(paid.chargedCumulativeAmount, "500");
  await again.topUp(resumed, 50n);
  await again.close();

  const earner = await Client.login(ready.stream, provider);
  assert.equal((await earner.claim()).amount, "500");
  assert.equal(await new Chain(ready).tokenBalance(provider.address), 500n);
  await earner.close();
  await assertBalanced(ready);
});

test("dev: a port in use, and data in use, are told clearly", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await new Promise((listening) => taken.once("listening", listening));
  const { port } = taken.address();
  const other = mkdtempSync(join(tmpdir(), "millrace-dev-"));
  const refused = run("--port", String(port), "--rpc-port", "0", "--data", other);
  taken.close();
  rmSync(other, { recursive: true, force: true });
  assert.notEqual(refused.status, 0);
  assert.equal(refused.stdout, "");
  assert.match(refused.stderr, new RegExp(`port ${port} .*in use.*--port`));

  const second = run("--port", "0", "--rpc-port", "0", "--data", data);
  assert.notEqual(second.status, 0);
  assert.equal(second.stdout, "");
  assert.match(second.stderr, /another development stack/);
});

test("dev: keys and configuration are for their owner only", () => {
  for (const file of ["keys/relayer", "keys/receiver_authorizer", "keys/token_secret"])
    assert.equal(statSync(join(data, file)).mode & 0o777, 0o600, file);
  assert.equal(statSync(join(data, "millrace.toml")).mode & 0o777, 0o600);
});
