// An export of any size streams in bounded memory. How fast is told, not asserted.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { devAccount, newAccount } from "../e2e/chain.mjs";
import { Client, until } from "../e2e/client.mjs";
import { connect, query } from "../e2e/postgres.mjs";
import { Stack } from "../e2e/stack.mjs";

const kUpdates = process.env.MILLRACE_LONG === "1" ? 5_000_000 : 100_000;
const kBytesMax = 64 * 2 ** 20;
const kAtOnce = 250_000;

let stack;
before(async () => {
  stack = await Stack.start();
});
after(() => stack?.stop());

/** Resident bytes of a process: now, or the most since its mark was put back. */
function memory(pid, figure) {
  const line = readFileSync(`/proc/${pid}/status`, "utf8")
    .split("\n")
    .find((one) => one.startsWith(figure));
  return Number(line.match(/\d+/)[0]) * 1024;
}

/** Copies of a payment under numbers of their own: that they prove nothing is no matter here. */
async function fill(channelId) {
  // Which waits until the payment is posted.
  await query(stack.ready.postgres, "select");
  const client = await connect(stack.ready.postgres);
  const id = Buffer.from(channelId.slice(2), "hex");
  for (let made = 0; made < kUpdates; made += kAtOnce) {
    const count = Math.min(kAtOnce, kUpdates - made);
    await client.query("begin");
    const { rows } = await client.query(
      "update commit_sequence set last_seq = last_seq + $1 where id = 1 returning last_seq - $1 as base",
      [count],
    );
    const { rowCount } = await client.query(
      `insert into payment select channel_id, $1::bigint + n, 'copy-' || ($1::bigint + n), step, kind, content,
         amount, increment, charged, reserved, signed_max, balance, voucher_max, signature, covered_by,
         detail, at, channel_month
       from payment, generate_series(1, $2::bigint) n where channel_id = $3 and inference_id = 'first'`,
      [rows[0].base, count, id],
    );
    assert.equal(rowCount, count);
    await client.query("commit");
  }
  await client.end();
}

test(`an export of ${kUpdates} updates takes less than 64 MiB`, async (t) => {
  const payer = await Client.login(stack.ready.stream, devAccount(0));
  const channel = await payer.open(newAccount().address, { deposit: 1_000_000n });
  await payer.pay(channel, { id: "first" }, 1n);
  await payer.close();
  await fill(channel.id);
  await until(
    () => query(stack.ready.postgres, "select last_seq - size as left from commit_sequence, log_head"),
    ([{ left }]) => left === "0",
    { what: "the log sealed", milliseconds: 600_000 },
  );
  const pid = stack.ready.pids.service;
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
  const before = memory(pid, "VmRSS");
  const begun = performance.now();
  const response = await fetch(`${stack.ready.url}/v1/ledger/export`, {
    headers: { Authorization: `Bearer ${stack.ready.auditorToken}` },
  });
  assert.equal(response.status, 200);
  const digest = createHash("sha256");
  let held = Buffer.alloc(0);
  let bytes = 0;
  let lines = 0;
  for await (const chunk of response.body) {
    bytes += chunk.length;
    for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, at + 1)) ++lines;
    // The trailer is the last line and does not count itself.
    held = Buffer.concat([held, chunk]);
    const keep = held.lastIndexOf("\n", -2) + 1;
    digest.update(held.subarray(0, keep));
    held = held.subarray(keep);
  }
  const seconds = (performance.now() - begun) / 1000;
  const taken = memory(pid, "VmHWM") - before;
  const trailer = JSON.parse(held.toString());
  assert.equal(trailer.type, "trailer");
  assert.equal(trailer.lines, lines - 1);
  assert.equal(trailer.sha256, digest.digest("hex"));
  assert.ok(lines > kUpdates);
  assert.ok(taken < kBytesMax, `${taken} bytes more than before`);
  t.diagnostic(
    `${kUpdates} updates, ${(bytes / 2 ** 20).toFixed(0)} MiB in ${seconds.toFixed(1)} s, ` +
      `${(taken / 2 ** 20).toFixed(1)} MiB of memory`,
  );
});
