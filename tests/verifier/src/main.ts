/** The command line. Exit code 0: everything holds; 1: something does not; 2: it could not be read. */
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { chainIdOf } from "./domains.ts";
import { type Report, type Trusted, verifyExport } from "./export.ts";
import type { Finding } from "./finding.ts";
import type { KeptHead } from "./heads.ts";
import { chunksOf, lastLineButOne } from "./lines.ts";
import { type NoteKey, openHead, parseHead, parseKey, parseNote } from "./note.ts";
import { verifyProofs } from "./proofs.ts";

const kUsage = `Usage: verify EXPORT.ndjson… [--key VKEY] [--head KEPT.note]… [--anchor 0x…]…
                              [--contract NETWORK=ADDRESS]… [--all] [--json]
       verify proofs FILE.json [--json]

  --key       the log's verifier key, from its owner and not from the export
  --head      a tree head that was verified before (a file): the log must still have it
  --anchor    the 44 bytes at the end of a settlement's transaction: a head as well
  --contract  the escrow of a network
  --all       do not stop at the first finding (up to 100)
  --json      one line of JSON for each file
`;
const kFindingsMax = 100;

class Usage extends Error {}

interface Options {
  trusted: Trusted;
  limit: number;
  json: boolean;
}

async function keptHead(path: string, key: NoteKey | undefined): Promise<KeptHead> {
  const text = await readFile(path, "utf8");
  const head = key ? openHead(text, key) : parseHead(parseNote(text)?.text ?? "");
  if (head === undefined || typeof head === "string") throw new Usage(`${path}: ${head ?? "it is no tree head"}`);
  return { size: head.size, root: head.root, source: path };
}

function anchor(hex: string): KeptHead {
  const parts = /^0x4d4c5231([0-9a-f]{16})([0-9a-f]{64})$/.exec(hex.toLowerCase());
  if (!parts) throw new Usage(`${hex} is no anchor: MLR1, a size of 8 bytes, a root of 32`);
  const size = Number(BigInt(`0x${parts[1]}`));
  return { size, root: Buffer.from(parts[2]!, "hex"), source: `anchor ${size}` };
}

function contract(text: string): [string, string] {
  const [network = "", address = ""] = text.split("=");
  if (chainIdOf(network) === undefined || !/^0x[0-9a-fA-F]{40}$/.test(address)) {
    throw new Usage(`${text} is not eip155:N=0x…`);
  }
  return [network, address.toLowerCase()];
}

async function verifyFile(path: string, { trusted, limit, json }: Options): Promise<number> {
  const began = performance.now();
  const proofLine = await lastLineButOne(path);
  const report = await verifyExport(chunksOf(path), trusted, limit, proofLine, progress(path));
  const { findings, ...rest } = report;
  const ok = findings.length === 0;
  const seconds = Number(((performance.now() - began) / 1000).toFixed(3));
  if (json) process.stdout.write(`${JSON.stringify({ file: path, ok, findings, ...rest, seconds })}\n`);
  else print(path, report, seconds);
  return ok ? 0 : 1;
}

/** On a terminal, a line that is written over and over. */
function progress(path: string): (entries: number) => void {
  if (!process.stderr.isTTY) return () => {};
  let last = performance.now();
  return (entries) => {
    const now = performance.now();
    if (now - last < 500) return;
    last = now;
    process.stderr.write(`\r${path}: ${entries} entries`);
  };
}

function lineOf({ rule, seq, table, key, line, explanation }: Finding): string {
  const number = seq === undefined ? "" : ` seq ${seq}`;
  return `  ${rule}:${number} ${table} ${key} (line ${line}): ${explanation}\n`;
}

function print(path: string, report: Report, seconds: number): void {
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  for (const warning of report.warnings) process.stderr.write(`${path}: note: ${warning}\n`);
  const { findings, entries, channels, payments, signatures, heads, head } = report;
  if (findings.length > 0) {
    process.stdout.write(`${path}: does NOT hold\n${findings.map(lineOf).join("")}`);
    return;
  }
  const sealed = head ? `sealed up to ${head.size}, root ${head.root}` : "not sealed";
  process.stdout.write(
    `${path}: everything holds: ${entries} entries, ${payments} payments of ${channels} channels, ` +
      `${signatures} signatures, ${heads} heads; ${sealed} (${seconds} s)\n`,
  );
}

async function proofs(path: string, json: boolean): Promise<number> {
  const { inclusion, consistency, findings } = verifyProofs(await readFile(path, "utf8"));
  const ok = findings.length === 0;
  if (json) process.stdout.write(`${JSON.stringify({ file: path, ok, findings, inclusion, consistency })}\n`);
  else {
    const counts = `${inclusion} inclusion and ${consistency} consistency proofs`;
    process.stdout.write(`${path}: ${counts}, ${findings.length} do not hold\n${findings.map(lineOf).join("")}`);
  }
  return ok ? 0 : 1;
}

async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      key: { type: "string" },
      head: { type: "string", multiple: true },
      anchor: { type: "string", multiple: true },
      contract: { type: "string", multiple: true },
      all: { type: "boolean" },
      json: { type: "boolean" },
      help: { type: "boolean" },
    },
  });
  const json = values.json ?? false;
  if (values.help) {
    process.stdout.write(kUsage);
    return 0;
  }
  if (positionals[0] === "proofs" && positionals.length === 2) return await proofs(positionals[1]!, json);
  if (positionals.length === 0 || positionals[0] === "proofs") throw new Usage("which file?");
  const key = values.key === undefined ? undefined : parseKey(values.key);
  if (values.key !== undefined && !key) throw new Usage(`${values.key} is no verifier key`);
  const heads = await Promise.all((values.head ?? []).map((path) => keptHead(path, key)));
  heads.push(...(values.anchor ?? []).map(anchor));
  const trusted: Trusted = { key, heads, contracts: new Map((values.contract ?? []).map(contract)) };
  const options = { trusted, limit: values.all ? kFindingsMax : 1, json };
  const codes = new Set<number>();
  for (const path of positionals) {
    try {
      codes.add(await verifyFile(path, options));
    } catch (error) {
      codes.add(unreadable(error, json ? path : undefined));
    }
  }
  return codes.has(1) ? 1 : codes.has(2) ? 2 : 0;
}

/** What the system says; anything else is a mistake of this program, and is not hidden. */
function unreadable(error: unknown, file?: string): number {
  const { code, message } = error as NodeJS.ErrnoException;
  if (!(error instanceof Usage) && typeof code !== "string") throw error;
  if (file !== undefined) process.stdout.write(`${JSON.stringify({ file, ok: false, error: message })}\n`);
  process.stderr.write(`verify: ${message}\n`);
  if (error instanceof Usage || code?.startsWith("ERR_PARSE_ARGS")) process.stderr.write(kUsage);
  return 2;
}

export async function main(args: readonly string[]): Promise<number> {
  try {
    return await run(args);
  } catch (error) {
    return unreadable(error);
  }
}
