// The benchmark works and its figures hang together; how fast it is, is not asserted.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const binary =
  process.env.MILLRACE_BIN ?? fileURLToPath(new URL("../../build/dev/millrace", import.meta.url));

test("bench: a quick run acknowledges every update and reports each measurement", () => {
  const report = JSON.parse(
    execFileSync(binary, ["bench", "--quick", "--json", "--only", "100 channels"], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
      timeout: 300_000,
    }),
  );
  assert.ok(report.verifyPerSecondOneCore > 0);
  assert.ok(report.verifyPerSecondAllCores > 0);
  assert.ok(report.fdatasyncPerSecond > 0);
  assert.equal(report.measurements.length, 4);
  for (const row of report.measurements) {
    assert.equal(row.refused, 0, row.name);
    assert.ok(row.updates >= 400, `${row.name}: ${row.updates}`);
    assert.ok(row.p99Microseconds >= row.p50Microseconds, row.name);
    const yardstick =
      row.yardstick === "verify, one core"
        ? report.verifyPerSecondOneCore
        : report.verifyPerSecondAllCores;
    assert.ok(Math.abs(row.ratio - row.updatesPerSecond / yardstick) < 1e-6, row.name);
  }
});
