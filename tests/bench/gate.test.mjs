// The benchmark of the gate works and its figures hang together; how fast it is, is not asserted.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const binary =
  process.env.MILLRACE_BIN ?? fileURLToPath(new URL("../../build/dev/millrace", import.meta.url));

test("bench: streams through a gate are all paid for, and every token is measured", () => {
  const report = JSON.parse(
    execFileSync(binary, ["bench", "gate", "--quick", "--json", "-"], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
      timeout: 120_000,
    }),
  );
  assert.equal(report.version, 1);
  assert.equal(report.suite, "gate");
  assert.equal(report.figures.channelsNotChargedRight, 0);
  const disk = report.rows.pop();
  assert.equal(disk.name, "fdatasync, by itself");
  assert.ok(disk.count > 20 && disk.p99Microseconds >= disk.p50Microseconds);
  assert.equal(report.rows.length, 8);
  for (const row of report.rows) {
    assert.equal(row.count, row.name.endsWith("per token") ? 200 : 20, row.name);
    assert.equal(row.refused, 0, row.name);
    assert.ok(row.p99Microseconds >= row.p50Microseconds, row.name);
    assert.ok(row.maxMicroseconds >= row.p99Microseconds, row.name);
  }
  const p99 = (end) => report.rows.find(({ name }) => name === end).p99Microseconds;
  assert.equal(report.marks.length, 4);
  for (const { name, value, atMost } of report.marks) {
    assert.equal(atMost, 5);
    const [prompt, what] = name.split(": added ");
    const kind = what.split(", ")[0];
    const added = (p99(`${prompt}, gate: ${kind}`) - p99(`${prompt}, alone: ${kind}`)) / 1000;
    assert.ok(Math.abs(value - added) < 1e-6, name);
  }
  const streams = Object.entries(report.figures).filter(([name]) => name.endsWith(": streams"));
  assert.deepEqual(streams.map(([, count]) => count), [20, 20, 20, 20]);
  assert.ok(report.figures.gateResidentBytesLeast > 1_000_000);
  assert.ok(report.figures.gateResidentBytesMost >= report.figures.gateResidentBytesLeast);
});
