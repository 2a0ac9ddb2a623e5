const kAbout = `What differs:
- The official server (express, @x402/express, @x402/evm 2.27.0) is set as is fastest for it: it verifies
  each voucher in its own process and asks the facilitator for deposits alone ("facilitator" counts what it
  asked while measured). More processes with memory storage hold only while each payer stays with its own.
- Memory storage is lost with the process; file storage writes without a flush to the disk. An answer of
  Millrace is a commit in Postgres with synchronous_commit=on; an answer of the gate two of them, since it
  takes a payment and then charges it.
- HTTP rows: the same client, load generator, handler and vouchers, one request in flight on each channel,
  as the scheme demands. WebSocket rows: vouchers of the same kind and amounts in payment.pay, sent by
  millrace bench; no handler is called.
- Shares are of one core: of the server's processes (those of the gate: gate, handler, service, Postgres),
  of the load generator, and of everything else on the machine, which all share its cores.`;

// With more than this the figures say something of what else ran as well.
const kOthersMax = 0.2;

const head = "payments/s   p50 ms   p99 ms  durable       server  load other  facilitator";

/** The report for people. */
export function asTable({ cores, node, seconds, rounds, rows, ratios }) {
  const lines = [`${cores} cores, Node ${node}, ${seconds} s a run over HTTP, rounds: ${rounds}`];
  for (const channels of [...new Set(rows.map((row) => row.channels))]) {
    lines.push("", `${label(`${channels} channel${channels === 1 ? "" : "s"}`)}${head}`);
    for (const row of rows.filter((one) => one.channels === channels)) lines.push(rowLine(row));
    const compared = ratios.filter((one) => one.channels === channels);
    if (compared.length === 0) continue;
    lines.push("", `${label("  beside the best of x402")} x rate    x p50`);
    for (const { name, rate, p50 } of compared)
      lines.push(`${label(`  ${name}`)}${fixed(rate, 1, 7)}${fixed(p50, 3, 9)}`);
  }
  const disturbed = rows.filter(({ otherCores }) => otherCores > kOthersMax);
  if (disturbed.length > 0) lines.push("", `Disturbed by other processes: ${namesOf(disturbed)}`);
  return [...lines, "", kAbout].join("\n");
}

const namesOf = (rows) =>
  rows.map(({ name, channels }) => `${name} (${channels})`).join("; ");
const label = (text) => text.padEnd(52);
const fixed = (value, digits, width) => value.toFixed(digits).padStart(width);

function rowLine(row) {
  const figures =
    fixed(row.perSecond, 0, 10) +
    fixed(row.p50Microseconds / 1000, 2, 9) +
    fixed(row.p99Microseconds / 1000, 2, 9);
  // The stream's load generator and its stack end with their run.
  const shares =
    row.serverCores === undefined
      ? " ".repeat(12)
      : fixed(row.serverCores, 2, 6) + fixed(row.loadCores, 2, 6);
  const asked = row.facilitatorCalls === undefined ? "" : fixed(row.facilitatorCalls, 0, 13);
  const rest = shares + fixed(row.otherCores, 2, 6) + asked;
  return `${label(row.name)}${figures}  ${row.durable.padEnd(12)}${rest}`;
}
