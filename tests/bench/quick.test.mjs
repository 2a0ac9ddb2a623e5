// The benchmark works and its figures hang together; how fast it is, is not asserted.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

const binary =
  process.env.MILLRACE_BIN ?? fileURLToPath(new URL("../../build/dev/millrace", import.meta.url));

let folder;
before(() => {
  folder = mkdtempSync(join(tmpdir(), "millrace-bench-"));
});
after(() => rmSync(folder, { recursive: true }));

function bench(...args) {
  return execFileSync(binary, ["bench", ...args], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 300_000,
  });
}

/** What a command line that cannot be followed is told. */
function refusal(...args) {
  const { status, stdout, stderr } = spawnSync(binary, ["bench", ...args], { encoding: "utf8" });
  assert.notEqual(status, 0);
  assert.equal(stdout, "");
  return stderr;
}

test("bench: a quick run acknowledges every update and reports each measurement", () => {
  const file = join(folder, "report.json");
  const table = bench("payments", "--quick", "--json", file, "--only", "100 channels");
  const report = JSON.parse(readFileSync(file, "utf8"));
  assert.equal(report.version, 1);
  assert.equal(report.suite, "payments");
  assert.equal(report.quick, true);
  assert.ok(report.machine.cores > 0);
  assert.ok(report.machine.cpu.length > 0);
  assert.ok(Math.abs(Date.now() - Date.parse(report.date)) < 3_600_000, report.date);
  assert.ok(report.raw.fdatasyncPerSecond > 0);
  assert.equal(report.rows.length, 6);
  const byName = (part) => report.rows.find(({ name }) => name.includes(part));
  const yardsticks = {
    "verify, one core": report.raw.verifyPerSecondOneCore,
    "verify, all cores": report.raw.verifyPerSecondAllCores,
    "pay, pipelined": byName("pipelined (64 in flight)").perSecond,
  };
  for (const row of report.rows) {
    assert.ok(table.includes(row.name), row.name);
    assert.equal(row.refused, 0, row.name);
    assert.ok(row.count >= 400, `${row.name}: ${row.count}`);
    assert.ok(row.p50Microseconds > 0, row.name);
    assert.ok(row.p99Microseconds >= row.p50Microseconds, row.name);
    assert.ok(row.p999Microseconds >= row.p99Microseconds, row.name);
    assert.ok(row.maxMicroseconds >= row.p999Microseconds, row.name);
    if (row.figures?.offeredPerSecond) continue;
    const expected = row.perSecond / yardsticks[row.yardstick];
    assert.ok(Math.abs(row.ratio - expected) < 1e-6, row.name);
  }
  const offered = byName("10,000/s offered");
  assert.equal(offered.figures.offeredPerSecond, 10_000);
  assert.ok(offered.figures.generatorLatenessMaxMicroseconds >= 0);
  // More than the plan's share of the time, which the last answers add to, is not possible.
  assert.ok(offered.perSecond <= (10_000 * offered.count) / (offered.count - 1));
  assert.equal(byName("authorize").yardstick, "pay, pipelined");
  assert.ok(report.marks.length >= 4);
  for (const mark of report.marks)
    assert.equal(mark.holds, "atMost" in mark ? mark.value <= mark.atMost : mark.value >= mark.atLeast);

  const compared = bench("--compare", file, file);
  for (const { name } of report.rows) assert.ok(compared.includes(name), name);
  const lines = compared.split("\n").filter((line) => line.startsWith("  per second"));
  assert.equal(lines.length, report.rows.length);
  for (const line of lines) assert.ok(line.endsWith(" 1.00x"), line);

  const later = join(folder, "later.json");
  writeFileSync(later, JSON.stringify({ ...report, version: 2 }));
  assert.match(refusal("--compare", file, later), /later\.json is a report of version 2/);
});

test("bench: one channel is compared with what a payment cannot do without", () => {
  const report = JSON.parse(
    bench("--quick", "--times", "2", "--only", "1 channel, one in flight", "--json", "-"),
  );
  const [row] = report.rows;
  assert.equal(row.count, 60);
  assert.equal(report.figures.times, 2);
  const { fdatasyncPerSecond, verifyPerSecondOneCore } = report.raw;
  const floor = 1e6 / fdatasyncPerSecond + 1e6 / verifyPerSecondOneCore;
  const ratio = row.figures.p50ToOneFdatasyncAndOneVerify;
  assert.ok(Math.abs(ratio - row.p50Microseconds / floor) < 1e-6);
  const [mark] = report.marks;
  assert.match(mark.name, /fdatasync/);
  assert.equal(mark.value, ratio);
  assert.equal(mark.atMost, 1.5);
  const { postgresCommitP50Microseconds, p50ToOnePostgresCommit } = row.figures;
  assert.ok(postgresCommitP50Microseconds > 0);
  assert.ok(Math.abs(p50ToOnePostgresCommit - row.p50Microseconds / postgresCommitP50Microseconds) < 1e-6);
});

test("bench: what cannot be done is said before anything is measured", () => {
  assert.match(refusal("--only", "no such row"), /no measurement is named like no such row/);
  assert.match(refusal("paiments"), /paiments not in/);
  assert.match(refusal("gate", "--costs"), /bench gate has no --costs/);
  assert.match(refusal("channels", "--only", "x"), /bench channels has no --only/);
  assert.match(refusal("gate", "--times", "2"), /bench gate has no --times/);
  assert.match(refusal("--json", join(folder, "none", "x.json")), /cannot write/);
  const broken = join(folder, "broken.json");
  writeFileSync(broken, "{");
  assert.match(refusal("--compare", broken, broken), /broken\.json is no report/);
  assert.match(refusal("--compare", join(folder, "none.json"), broken), /cannot read .*none\.json/);
});
