import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { devAccount, newAccount } from "../../e2e/chain.mjs";
import { Gate } from "../../e2e/gate.mjs";
import { query } from "../../e2e/postgres.mjs";
import { kBinary, Stack } from "../../e2e/stack.mjs";
import { kPath } from "./answer.mjs";
import { busySeconds, Child, endedSeconds } from "./child.mjs";
import { Load } from "./measure.mjs";
import { openChannels } from "./open_channels.mjs";

/** Base units; `millrace bench` pays as much with each update. */
const kPrice = "10";

const kGate = { name: "millrace gate, the handler behind it" };
const kStream = { name: "millrace, WebSocket" };

/**
 * All channels are opened within seconds, by one address and with deposits that the service's
 * facilitator relays: more than it does for strangers.
 */
const kFacilitatorLimits = {
  MILLRACE_SIGNER__SIGNATURES_PER_MINUTE_MAX: "1000000",
  MILLRACE_X402__VERIFY_PER_MINUTE_MAX: "1000000",
  MILLRACE_X402__SETTLE_PER_MINUTE_MAX: "1000000",
};

/** Rows of `millrace bench payments`. */
const kStreamRows = [
  "1 channel, one in flight",
  "100 channels, one in flight",
  "100 channels, 16 in flight, each checked",
  "100 channels, pipelined (64 in flight)",
  "1 channel, pipelined (512 in flight)",
];

/** What it is measured against, in each of its storages that need no other server. */
const x402Servers = (processes) => [
  { name: "x402 TypeScript, memory storage", durable: "no", processes: 1 },
  { name: `x402 TypeScript, memory, ${processes} processes`, durable: "no", processes },
  { name: "x402 TypeScript, file storage", durable: "not flushed", files: true, processes: 1 },
  {
    name: `x402 TypeScript, files, ${processes} processes`,
    durable: "not flushed",
    files: true,
    processes,
  },
];

/** All rows, and how those of ours stand to the best of theirs. */
export async function compare(options) {
  const isWanted = ({ name }) => options.only.some((text) => name.includes(text));
  const rows = [];
  for (let round = 0; round < options.rounds; ++round) {
    await withStack(async (stack) => {
      for (const server of x402Servers(options.processes).filter(isWanted))
        rows.push(...(await measureX402(stack, server, options)));
      if (isWanted(kGate)) rows.push(...(await measureGate(stack, options)));
    });
    if (isWanted(kStream)) rows.push(...measureStream(options));
  }
  const { rounds, seconds, channels } = options;
  const medians = mediansOf(rows);
  const machine = { cores: availableParallelism(), node: process.version };
  const setting = { rounds, seconds, channels, price: kPrice };
  return { version: 1, ...machine, ...setting, rows: medians, ratios: ratiosOf(medians) };
}

/** What is started for `work` is stopped with it. */
async function during(started, work) {
  const one = await started;
  try {
    return await work(one);
  } finally {
    await one.stop();
  }
}

function withStack(work) {
  return during(Stack.start({ env: kFacilitatorLimits }), async ({ ready }) => {
    const info = await (await fetch(`${ready.url}/v1/networks`)).json();
    return work({ ready, network: info.networks[0] });
  });
}

/** A directory that goes with the work in it. */
async function withDirectory(work) {
  const directory = mkdtempSync(join(tmpdir(), "millrace-x402-"));
  try {
    return await work(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** How often the service was asked for anything as a facilitator. */
async function facilitatorCallsOf({ ready }) {
  const metrics = await (await fetch(`${ready.url}/metrics`)).text();
  const asked = metrics.matchAll(/^millrace_requests_total\{method="POST \/x402\/.*\} (\d+)$/gm);
  return [...asked].reduce((sum, [, count]) => sum + Number(count), 0);
}

/** Many channels at once, then a single one: what it takes when nobody else is served. */
async function measureHttp(stack, { name, url, pids, ...row }, options) {
  const { say, quick, seconds } = options;
  say(`${name}: opening ${options.channels} channels by deposits`);
  const { network, contract } = stack.network;
  const payer = devAccount(0);
  const to = { url: url + kPath, payer, network, contract, count: options.channels };
  const lanes = await openChannels(to);
  return during(Load.start({ url, lanes, price: kPrice }), async (load) => {
    const rows = [];
    for (const channels of [options.channels, 1]) {
      say(`${name}: signing vouchers, then ${seconds} s on ${channels} of them`);
      const rate = await load.warmUp({ channels, requests: quick ? 20 : 2000, pids });
      const before = await facilitatorCallsOf(stack);
      const measured = await load.measure({ channels, seconds, rate, pids });
      const facilitatorCalls = (await facilitatorCallsOf(stack)) - before;
      rows.push({ name, ...row, channels, inFlight: 1, ...figuresOf(measured), facilitatorCalls });
    }
    return { rows, charged: load.charged };
  });
}

const kFigures = [
  "seconds",
  "perSecond",
  "p50Microseconds",
  "p99Microseconds",
  "serverCores",
  "loadCores",
  "otherCores",
];

function figuresOf(measured) {
  const figures = Object.fromEntries(kFigures.map((name) => [name, measured[name]]));
  return { requests: measured.paid, refused: measured.answered - measured.paid, ...figures };
}

function measureX402(stack, { name, durable, files, processes }, options) {
  return withDirectory((directory) => {
    const server = Child.start("resource_server.mjs", {
      facilitator: `${stack.ready.url}/x402`,
      network: stack.network.network,
      token: stack.network.tokens[0],
      payTo: newAccount().address,
      price: kPrice,
      directory: files ? directory : undefined,
      processes,
    });
    return during(server, async ({ first, pid }) => {
      const on = { name, by: "x402", transport: "HTTP", durable, url: first.url, pids: [pid] };
      const { rows } = await measureHttp(stack, on, options);
      return rows;
    });
  });
}

/** Like with like: the same protocol, client, load and handler, which is now behind a proxy. */
function measureGate(stack, options) {
  return during(Child.start("free_server.mjs"), (handler) => {
    const gate = Gate.start({
      service: stack.ready.stream,
      upstream: handler.first.url,
      prices: `[[prices]]\npaths = ["${kPath}"]\nrequest = "${kPrice}"\n`,
    });
    return during(gate, async ({ url, pid }) => {
      const { service, postgres } = stack.ready.pids;
      const pids = [pid, handler.pid, service, postgres];
      const on = { ...kGate, by: "millrace", transport: "HTTP", durable: "each answer", url, pids };
      const { rows, charged } = await measureHttp(stack, on, options);
      await assertStored(stack.ready.postgres, charged);
      return rows;
    });
  });
}

/** What clients were told is what is on the disk. */
async function assertStored(postgres, charged) {
  const stored = await query(
    postgres,
    "select '0x' || encode(channel_id, 'hex') as id, charged::text from channel",
  );
  const byId = new Map(stored.map((channel) => [channel.id, channel.charged]));
  for (const channel of charged)
    if (byId.get(channel.channelId) !== channel.charged)
      throw new Error(
        `${channel.channelId}: answered ${channel.charged}, stored ${byId.get(channel.channelId)}`,
      );
}

/** The stream, by the product's own load generator, each row on a stack of its own. */
function measureStream({ quick, say }) {
  return (quick ? kStreamRows.slice(0, 2) : kStreamRows).map((wanted) => {
    say(`${kStream.name}: ${wanted}`);
    const begun = performance.now();
    const [own, busy] = [endedSeconds(), busySeconds()];
    const { rows } = benchReport(["--only", wanted, ...(quick ? ["--quick"] : [])]);
    const others = busySeconds() - busy - (endedSeconds() - own);
    const row = rows.find(({ name }) => name === wanted);
    if (!row) throw new Error(`millrace bench has no row named ${wanted}`);
    const [, channels, how] = /^(\d+) channels?, (.*)$/.exec(wanted);
    return {
      name: `${kStream.name}, ${how}`,
      by: "millrace",
      transport: "WebSocket",
      durable: "each answer",
      channels: Number(channels),
      inFlight: Number(/(\d+) in flight/.exec(how)?.[1] ?? 1),
      requests: row.count,
      refused: row.refused,
      perSecond: row.perSecond,
      p50Microseconds: row.p50Microseconds,
      p99Microseconds: row.p99Microseconds,
      // Of the whole time that this took, with signing and starting the stack.
      otherCores: Math.max(0, others) / ((performance.now() - begun) / 1000),
    };
  });
}

function benchReport(args) {
  return JSON.parse(
    execFileSync(kBinary, ["bench", "payments", "--json", "-", ...args], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
      maxBuffer: 2 ** 26,
    }),
  );
}

/** Of the runs of each row the one of the median rate. */
function mediansOf(rows) {
  const runs = new Map();
  for (const row of rows) {
    const key = `${row.name}, ${row.channels}`;
    runs.set(key, [...(runs.get(key) ?? []), row]);
  }
  return [...runs.values()].map((same) => {
    const sorted = same.sort((a, b) => a.perSecond - b.perSecond);
    return sorted[Math.floor(sorted.length / 2)];
  });
}

/** Each row of ours beside the best rate and the best median latency of theirs on as many channels. */
function ratiosOf(rows) {
  return rows
    .filter(({ by }) => by === "millrace")
    .flatMap(({ name, channels, perSecond, p50Microseconds }) => {
      const theirs = rows.filter((row) => row.by === "x402" && row.channels === channels);
      if (theirs.length === 0) return [];
      const fastest = Math.max(...theirs.map((row) => row.perSecond));
      const soonest = Math.min(...theirs.map((row) => row.p50Microseconds));
      return [{ name, channels, rate: perSecond / fastest, p50: p50Microseconds / soonest }];
    });
}
