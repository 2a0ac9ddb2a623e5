// Payments per second beside the official x402 TypeScript resource server: ../README.md, "Beside the official x402 server".
import { availableParallelism } from "node:os";
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { compare } from "./compare.mjs";
import { asTable } from "./table.mjs";

const kUsage = `Usage: node against_x402.mjs [--quick] [--rounds N] [--seconds N] [--channels N] [--only TEXT]
                            [--json FILE]

  --quick       a hundredth of the work, to see that it works
  --rounds N    how often each row is measured, in turns: the run of the median rate is told (1)
  --seconds N   of each run (10)
  --channels N  that pay at the same time (100)
  --only TEXT   rows whose name contains this: "x402", "memory", "gate", "WebSocket"; may be repeated
  --json FILE   the report for programs, besides the table`;

const { values: given } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    rounds: { type: "string", default: "1" },
    seconds: { type: "string" },
    channels: { type: "string" },
    only: { type: "string", multiple: true, default: [""] },
    json: { type: "string" },
    help: { type: "boolean", short: "h", default: false },
  },
});

if (given.help) {
  console.log(kUsage);
} else {
  const report = await compare({
    quick: given.quick,
    rounds: Number(given.rounds),
    seconds: Number(given.seconds ?? (given.quick ? 0.3 : 10)),
    channels: Number(given.channels ?? (given.quick ? 4 : 100)),
    only: given.only,
    processes: availableParallelism(),
    say: (text) => console.error(`bench: ${text}`),
  });
  console.log(asTable(report));
  if (given.json) writeFileSync(given.json, `${JSON.stringify(report, undefined, 2)}\n`);
}
