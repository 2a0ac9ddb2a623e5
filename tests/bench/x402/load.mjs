// The load generator, a process of its own. Its only argument is JSON: url, path, price; its first message
// has the lanes, whose keys are nothing for an argument. Each message { run: { lanes, count, seconds } } is
// a run over the first `lanes` channels: `count` vouchers of each are signed, then `go` starts the clock,
// and it ends after `seconds`, or when all are spent.
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { Lane } from "./lane.mjs";
import { signVouchers } from "./vouchers.mjs";

const { url, path, price } = JSON.parse(process.argv[2]);
const [{ lanes }] = await once(process, "message");
const connections = await Promise.all(lanes.map(() => Lane.open(url)));

const base64 = (value) => Buffer.from(JSON.stringify(value)).toString("base64");

function request(lane, voucher) {
  const { channelConfig, rest } = lane.payment;
  const payload = { type: "voucher", channelConfig, voucher };
  const header = base64({ ...rest, payload });
  return Buffer.from(
    `GET ${path} HTTP/1.1\r\nHost: ${new URL(url).host}\r\nPAYMENT-SIGNATURE: ${header}\r\n\r\n`,
  );
}

/** What a channel has been charged by an answer; undefined where it is not one to a paid request. */
function chargedBy(head) {
  if (!head.startsWith("HTTP/1.1 200 ")) return undefined;
  const receipt = /^payment-response: *(\S+)/im.exec(head);
  if (!receipt) return undefined;
  const { success, extra } = JSON.parse(Buffer.from(receipt[1], "base64").toString());
  return success === true ? extra?.channelState?.chargedCumulativeAmount : undefined;
}

/** Counts what was paid for; each answer has to say exactly what its voucher has added. */
function judge(lane, heads) {
  let paid = 0;
  for (const head of heads) {
    const expected = String(BigInt(lane.charged) + BigInt(price));
    if (chargedBy(head) !== expected) return { paid, refusal: head.slice(0, 2000) };
    lane.charged = expected;
    ++paid;
  }
  return { paid };
}

const percentile = (sorted, part) => sorted[Math.ceil(sorted.length * part) - 1];

async function run({ lanes: wanted, count, seconds }) {
  const chosen = lanes.slice(0, wanted);
  const vouchers = await signVouchers(chosen, { count, price, threads: availableParallelism() });
  const requests = chosen.map((lane, n) => vouchers[n].map((voucher) => request(lane, voucher)));
  process.send({ ready: true });
  await new Promise((go) => process.once("message", go));

  const cpu = process.cpuUsage();
  const begun = performance.now();
  let endsAt = seconds === undefined ? Infinity : begun + seconds * 1000;
  // A channel whose vouchers are spent ends the run for all: with fewer it would be another one.
  const goesOn = (sent) => {
    if (performance.now() >= endsAt) return false;
    if (seconds !== undefined && sent === count - 1) endsAt = performance.now();
    return true;
  };
  const running = connections.slice(0, wanted);
  await Promise.all(running.map((one, n) => one.run(requests[n], goesOn)));
  const ended = performance.now();
  const used = process.cpuUsage(cpu);

  const judged = running.map((one, n) => judge(chosen[n], one.heads));
  const stoppedAt = Math.min(endsAt, ended);
  const milliseconds = Float64Array.from(running.flatMap((one) => one.milliseconds)).sort();
  return {
    answered: milliseconds.length,
    paid: judged.reduce((sum, { paid }) => sum + paid, 0),
    // Beyond the end fewer and fewer are in flight: these are paid for, but not in the rate.
    inTime: running.reduce((sum, one) => sum + one.at.filter((at) => at <= stoppedAt).length, 0),
    refusal: judged.find(({ refusal }) => refusal)?.refusal,
    seconds: (stoppedAt - begun) / 1000,
    wholeSeconds: (ended - begun) / 1000,
    p50Microseconds: Math.round(percentile(milliseconds, 0.5) * 1000),
    p99Microseconds: Math.round(percentile(milliseconds, 0.99) * 1000),
    cpuSeconds: (used.user + used.system) / 1e6,
    charged: lanes.map(({ channelId, charged }) => ({ channelId, charged })),
  };
}

process.once("disconnect", () => process.exit());
process.send({ connected: true });
process.on("message", (message) => {
  if (message.run)
    run(message.run).then(
      (result) => process.send({ result }),
      (error) => process.send({ error: error.stack }),
    );
});
