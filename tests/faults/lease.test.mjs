import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { devAccount, newAccount } from "../e2e/chain.mjs";
import { Client, until, wait } from "../e2e/client.mjs";
import { query } from "../e2e/postgres.mjs";
import { assertBalanced, kBinary, Stack } from "../e2e/stack.mjs";

/** Longer than the lease of the development stack. */
const kLongerThanLease = 8000;

let stack;
let second;
let secondReady;
let provider;
let app;
let channel;
let untouched;
let first;

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

const readyz = (url) =>
  fetch(`${url}/readyz`).then(
    ({ status }) => status,
    () => 0,
  );

const epochs = async () =>
  (
    await query(stack.ready.postgres, "select shard, epoch::text from shard_lease order by shard")
  ).map(({ epoch }) => BigInt(epoch));

/** Of a process, as /proc has them: T is stopped. */
const threadStates = (pid) =>
  readdirSync(`/proc/${pid}/task`).map((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/stat`, "utf8").split(") ").at(-1)[0],
  );

const isOnRecord = async (inference) =>
  (await query(stack.ready.postgres, "select 1 from payment where inference_id = $1", [inference]))
    .length > 0;

before(async () => {
  stack = await Stack.start({ env: { MILLRACE_LEDGER__LEASE_DURATION_MS: "6000" } });
  const receiver = newAccount();
  provider = await Client.login(stack.ready.stream, receiver);
  app = await Client.login(stack.ready.stream, devAccount(1));
  channel = await app.open(receiver.address, { deposit: 1_000_000n });
  untouched = await app.open(receiver.address, { deposit: 1_000_000n });
});

after(async () => {
  if (second && second.exitCode === null) second.kill("SIGKILL");
  app?.connection.cut();
  provider?.connection.cut();
  await stack?.stop();
});

/** A second service on the first one's database and chain. */
async function startSecond() {
  const port = await freePort();
  secondReady = { url: `http://127.0.0.1:${port}`, stream: `ws://127.0.0.1:${port}/v1/stream` };
  second = spawn(kBinary, ["serve", "--config", join(stack.data, "millrace.toml")], {
    env: { ...process.env, MILLRACE_SERVER__PORT: String(port) },
    stdio: ["ignore", "ignore", process.env.MILLRACE_VERBOSE ? "inherit" : "ignore"],
  });
}

test("while the first holds the lease, a second service cannot commit", async () => {
  const held = await epochs();
  assert.ok(held.length > 0);
  await startSecond();
  const end = Date.now() + kLongerThanLease;
  for (let i = 0; Date.now() < end; ++i) {
    await app.pay(channel, { id: `first-${i}` }, 1);
    assert.notEqual(await readyz(secondReady.url), 200);
    await wait(50);
  }
  assert.equal(second.exitCode, null, "it waits");
  assert.deepEqual(await epochs(), held);
});

test("a first that is paused is taken over from, and once awake cannot commit", async () => {
  const held = await epochs();
  first = stack.ready.pids.service;
  process.kill(first, "SIGSTOP");
  // The signal reaches one thread after the other; until then they may commit, and still hold the lease.
  await until(() => threadStates(first), (states) => states.every((state) => state === "T"), {
    what: "all threads to stop",
  });
  // It will read this when it wakes.
  const params = {
    channelId: untouched.id,
    inference: { id: "too-late", model: "m" },
    amount: "5",
    voucher: await app.voucher(untouched.id, 5n),
  };
  const late = app.call("payment.pay", params).then(
    (result) => ({ result }),
    (error) => ({ error }),
  );

  await until(
    () => readyz(secondReady.url),
    (status) => status === 200,
    { what: "take-over", milliseconds: 20_000 },
  );
  (await epochs()).forEach((epoch, shard) => assert.ok(epoch > held[shard], `shard ${shard}`));
  const elsewhere = await Client.withToken(secondReady.stream, app.account, app.session.token);
  const resumed = await elsewhere.resume(channel.id);
  assert.equal(resumed.promised, channel.promised);
  const paid = await elsewhere.pay(resumed, { id: "second-1" }, 7);
  assert.equal(paid.chargedCumulativeAmount, String(channel.promised + 7n));

  process.kill(first, "SIGCONT");
  const outcome = await late;
  assert.equal(outcome.result, undefined, "the first has committed without a lease");
  await until(
    () => isRunning(first),
    (running) => !running,
    { what: "the end of the first", milliseconds: 20_000 },
  );
  await until(
    () => stack.hasLogged(/service ended \(exit code 3\)/),
    (logged) => logged,
    { what: "the first's own end" },
  );
  assert.equal(await isOnRecord("too-late"), false);

  // The second was not disturbed.
  await elsewhere.pay(resumed, { id: "second-2" }, 1);
  await elsewhere.close();
});

test("when the second ends, the first's successor takes over at once and knows everything", async () => {
  second.kill("SIGTERM");
  const [code] = await once(second, "exit");
  assert.equal(code, 0);
  const ready = await stack.readyWhere(({ pids }) => pids.service !== first);
  await assertBalanced(ready);
  const again = await Client.withToken(ready.stream, app.account, app.session.token);
  const resumed = await again.resume(channel.id);
  assert.equal(resumed.promised, channel.promised + 8n);
  // What the first could not commit can be asked for again, and is then paid once.
  const params = {
    channelId: untouched.id,
    inference: { id: "too-late", model: "m" },
    amount: "5",
    voucher: await again.voucher(untouched.id, 5n),
  };
  const paid = await again.call("payment.pay", params);
  assert.equal(paid.chargedCumulativeAmount, "5");
  assert.deepEqual(await again.call("payment.pay", params), paid);
  await again.close();
});

function isRunning(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
