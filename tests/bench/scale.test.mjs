// The measurements of many connections, many channels and a long history work, at a hundredth of
// their size; how fast anything is, and how much memory it takes, is not asserted.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const binary =
  process.env.MILLRACE_BIN ?? fileURLToPath(new URL("../../build/dev/millrace", import.meta.url));

function report(suite) {
  const text = execFileSync(binary, ["bench", suite, "--quick", "--json", "-"], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 300_000,
  });
  const parsed = JSON.parse(text);
  assert.equal(parsed.suite, suite);
  assert.equal(parsed.marks.length, 2);
  return parsed;
}

const figure = (row, name) => {
  assert.equal(typeof row.figures[name], "number", `${row.name}: ${name}`);
  return row.figures[name];
};

test("bench connections: all are open at once, and every payment of each is acknowledged", () => {
  const { rows } = report("connections");
  assert.deepEqual(
    rows.map((row) => [row.count, figure(row, "offeredPerSecond")]),
    [
      [100 * 2, 50],
      [100 * 4, 100],
    ],
  );
  for (const row of rows) {
    assert.equal(row.refused, 0);
    assert.ok(figure(row, "connectionsOpen") >= 100);
  }
});

test("bench channels: the service starts with all channels that were opened on the chain", () => {
  const { rows } = report("channels");
  assert.deepEqual(
    rows.map((row) => row.count),
    [0, 500],
  );
  for (const row of rows) {
    assert.ok(figure(row, "secondsToStart") > 0, row.name);
    assert.ok(figure(row, "residentMebibytesMax") >= figure(row, "residentMebibytes"), row.name);
  }
});

test("bench growth: rates are told of few and many, and the history is there", () => {
  const { rows } = report("growth");
  assert.equal(rows.length, 4);
  for (const [small, large] of [rows.slice(0, 2), rows.slice(2)]) {
    assert.equal(small.refused, 0);
    assert.equal(large.refused, 0);
    assert.equal(large.yardstick, small.name);
    const kept = large.perSecond / small.perSecond;
    assert.ok(Math.abs(large.ratio - kept) < 1e-6, large.name);
  }
  assert.equal(figure(rows[1], "channelsOpen"), 500);
  assert.ok(figure(rows[3], "updatesBefore") >= 2000);
  assert.ok(figure(rows[3], "databaseBytesPerRow") > 0);
});
