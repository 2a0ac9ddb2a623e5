// The comparison with the official resource server works and its figures hang together; how fast
// anybody is, is not asserted.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const script = fileURLToPath(new URL("x402/against_x402.mjs", import.meta.url));

function run(args) {
  const directory = mkdtempSync(join(tmpdir(), "millrace-against-"));
  try {
    const file = join(directory, "report.json");
    const { status, signal, stdout, stderr } = spawnSync(
      process.execPath,
      [script, ...args, "--json", file],
      { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], timeout: 600_000 },
    );
    const lastWords = stderr.trimEnd().split("\n").slice(-15).join("\n");
    assert.equal(status, 0, `ended (${status ?? signal}):\n${lastWords}`);
    return { table: stdout, report: JSON.parse(readFileSync(file, "utf8")) };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

test("bench: both sides are paid for every request, and stand beside each other", () => {
  const { table, report } = run(["--quick"]);
  const names = report.rows.map(({ name, channels }) => `${name}, ${channels}`);
  // Four servers of theirs and a gate, on many channels and on one; two rows of the stream.
  assert.equal(new Set(names).size, 12, names.join("; "));
  assert.equal(names.length, 12);
  for (const row of report.rows) {
    const told = JSON.stringify(row);
    assert.ok(row.requests > 0, told);
    assert.equal(row.refused, 0, told);
    assert.ok(row.p99Microseconds >= row.p50Microseconds && row.p50Microseconds > 0, told);
    assert.ok(table.includes(row.name), row.name);
    if (row.transport !== "HTTP") continue;
    // Paid for, but not in the rate, is only what was in flight when the clock stopped.
    const beyond = row.requests - row.perSecond * row.seconds;
    assert.ok(beyond > -0.5 && beyond < row.channels + 0.5, told);
    // It has verified every voucher by itself.
    assert.equal(row.facilitatorCalls, 0, told);
  }
  assert.ok(report.ratios.length > 0);
  for (const ratio of report.ratios) {
    const on = report.rows.filter(({ channels }) => channels === ratio.channels);
    const ours = on.find(({ name, by }) => by === "millrace" && name === ratio.name);
    const theirs = on.filter(({ by }) => by === "x402");
    assert.ok(theirs.length > 0, ratio.name);
    assert.ok(theirs.every((row) => ratio.rate <= ours.perSecond / row.perSecond + 1e-9));
    assert.ok(theirs.every((row) => ratio.p50 >= ours.p50Microseconds / row.p50Microseconds - 1e-9));
  }
});
