import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { until, wait } from "../e2e/client.mjs";
import { Stack } from "../e2e/stack.mjs";
import { Load } from "./load.mjs";
import { seededRandom } from "./seed.mjs";

const kLong = process.env.MILLRACE_LONG === "1";
const kServiceKills = kLong ? 50 : 6;
const kPostgresKills = kLong ? 10 : 2;
const kChannels = 6;
const kRecoverMilliseconds = 60_000;

const random = seededRandom("kill.test.mjs");
let stack;
let load;

before(async () => {
  stack = await Stack.start({ env: { MILLRACE_LEDGER__SHARDS: "2" } });
  load = await Load.open(stack.ready, random, kChannels);
});

after(async () => {
  load?.close();
  await stack?.stop();
});

/** Kills one process of the stack while payments stream, and waits until all is well again. */
async function killUnderLoad(which) {
  let killed = false;
  const running = load.run(() => killed);
  await wait(random.between(20, 1200));
  const pid = stack.ready.pids[which];
  process.kill(pid, "SIGKILL");
  await wait(random.between(0, 100));
  killed = true;
  await stack.readyWhere((ready) => ready.pids[which] !== pid);
  load.lanes.forEach(({ app }) => app.connection.cut());
  load.provider.connection.cut();
  await running;
}

/** The service may end once more after its database has gone: then another ready line follows. */
async function recover() {
  const deadline = Date.now() + kRecoverMilliseconds;
  for (;;) {
    try {
      await load.reconnect(stack.ready);
      return await load.repeat();
    } catch (error) {
      if (error instanceof assert.AssertionError && !/in doubt/.test(error.message)) throw error;
      if (Date.now() > deadline) throw error;
      await wait(200);
    }
  }
}

function killTest(which, times) {
  test(`kill -9 of ${which}, ${times} times: nothing acknowledged is lost or doubled`, async (t) => {
    for (let round = 1; round <= times; ++round) {
      await killUnderLoad(which);
      const acknowledged = load.acknowledged;
      await load.reconnect(stack.ready).catch(() => {});
      await recover();
      await load.verify(stack.ready);
      t.diagnostic(
        `${which} ${round}: ${acknowledged} acknowledged, ` +
          `${load.acknowledged - acknowledged} repeated`,
      );
    }
    assert.ok(load.acknowledged > times * kChannels, `only ${load.acknowledged} updates`);
  });
}

killTest("service", kServiceKills);
killTest("postgres", kPostgresKills);

/** Anvil writes its state every few seconds, in place: killed meanwhile, it could not be started again. */
async function untilStateIsWhole() {
  const state = join(stack.data, "chain", "state.json");
  const from = Date.now();
  await until(
    () => {
      const age = Date.now() - statSync(state, { throwIfNoEntry: false })?.mtimeMs;
      return { age, isNew: Date.now() - from > age };
    },
    ({ age, isNew }) => isNew && age > 300 && age < 2000,
    { what: "the chain's state written" },
  );
}

test("the chain is started again as well", async () => {
  const pid = stack.ready.pids.chain;
  await untilStateIsWhole();
  process.kill(pid, "SIGKILL");
  await stack.readyWhere((ready) => ready.pids.chain !== pid);
  await recover();
  await load.verify(stack.ready);
});
