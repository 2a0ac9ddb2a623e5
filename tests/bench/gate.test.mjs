// The benchmark of the gate works and its figures hang together; how fast it is, is not asserted.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const binary =
  process.env.MILLRACE_BIN ?? fileURLToPath(new URL("../../build/dev/millrace", import.meta.url));

test("bench: streams through a gate are all paid for, and every token is measured", () => {
  const report = JSON.parse(
    execFileSync(binary, ["bench", "--gate", "--quick", "--json"], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
      timeout: 120_000,
    }),
  );
  assert.equal(report.notCharged, 0);
  for (const row of [report.direct, report.gate]) {
    assert.equal(row.streams, 20);
    assert.equal(row.refused, 0);
    assert.equal(row.tokens, 200);
    assert.ok(row.firstByteP99Microseconds >= row.firstByteP50Microseconds);
    assert.ok(row.tokenP99Microseconds >= row.tokenP50Microseconds);
  }
  assert.ok(report.gateResidentBytes.every((bytes) => bytes > 1_000_000));
});
