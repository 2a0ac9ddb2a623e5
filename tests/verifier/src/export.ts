/** One export, line by line: the order of its lines, and what each of them is handed to. */
import { createHash } from "node:crypto";
import { isUtf8 } from "node:buffer";
import { Accounts } from "./accounts.ts";
import { Channel, type Snapshot } from "./channel.ts";
import { Domains } from "./domains.ts";
import { Events } from "./events.ts";
import { checkFields, type Json, Malformed, microseconds, parseObject, type Row, rowsOf } from "./fields.ts";
import { type Finding, Findings, type Place } from "./finding.ts";
import { Heads, type KeptHead } from "./heads.ts";
import { InferenceIds } from "./inference_ids.ts";
import { leafHashOf } from "./leaf.ts";
import { type Line, LineTooLong, linesOf } from "./lines.ts";
import { type NoteKey, parseKey } from "./note.ts";
import { Payments } from "./payments.ts";
import { Postings } from "./postings.ts";
import { Signatures } from "./signatures.ts";
import { compareSnapshot, type Range } from "./snapshot.ts";
import { kConfig, kLines, kTables } from "./tables.ts";
import { type ChannelConfig, channelId } from "./typed_data.ts";

export interface Trusted {
  /** The log's key, if the auditor has it. */
  key: NoteKey | undefined;
  heads: readonly KeptHead[];
  /** Escrow contracts by network. */
  contracts: ReadonlyMap<string, string>;
}

export interface Report {
  findings: Finding[];
  warnings: string[];
  entries: number;
  payments: number;
  channels: number;
  signatures: number;
  heads: number;
  range: Range | undefined;
  head: { size: number; root: string } | undefined;
}

/** Kinds of lines in the order in which they may stand; entries and checkpoints take turns. */
const kStages: Record<string, number> = {
  header: 0, asset: 1, channel: 2, reservation: 3, opening_balance: 4, stray: 5, entry: 6, checkpoint: 6,
  account: 7, proof: 8, trailer: 9,
};
const kEntryStage = kStages.entry!;
/**
 * So old, in microseconds and by the export's time, no number is without a head of a log whose key the
 * auditor has: the service seals within seconds.
 */
const kSealedWithin = 600_000_000;

/** Everything that is there once the header was read. */
interface Checks {
  range: Range;
  payments: Payments;
  events: Events;
  accounts: Accounts;
  postings: Postings;
  heads: Heads;
}

/** The subtrees on the left, told early by whoever could look at the end of the file. */
function leftOf(proofLine: Buffer | undefined): Buffer[] | undefined {
  if (!proofLine) return undefined;
  try {
    const line = parseObject(proofLine.toString(), "the proof");
    checkFields(line, kLines.proof!, "the proof");
    return hashesOf(line.left);
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
}

function hashesOf(list: Json | undefined): Buffer[] {
  return (list as Json[]).map((hash) => {
    if (typeof hash !== "string" || !/^0x[0-9a-f]{64}$/.test(hash)) throw new Malformed("a root is not 32 bytes");
    return Buffer.from(hash.slice(2), "hex");
  });
}

function bytesOf(hex: string): Buffer {
  return Buffer.from(hex.slice(2), "hex");
}

export class ExportCheck {
  private readonly findings: Findings;
  private readonly trusted: Trusted;
  private readonly proofLine: Buffer | undefined;
  private readonly signatures: Signatures;
  private readonly domains: Domains;
  private readonly channels = new Map<string, Channel>();
  private readonly assets = new Set<string>();
  private readonly warnings = new Set<string>();
  private readonly hash = createHash("sha256");
  private checks: Checks | undefined;
  private stage = -1;
  private line = 0;
  private nextSeq = 0;
  /** Of the entry that is being read. */
  private entrySeq: number | undefined;
  private checkpointAllowed = false;
  /** Of the export, in microseconds since 1970. */
  private exportedAt = 0;
  /** The first number that was committed long before the export and has no leaf. */
  private overdue: number | undefined;
  private payments = 0;
  entries = 0;

  constructor(trusted: Trusted, limit: number, proofLine: Buffer | undefined) {
    this.findings = new Findings(limit);
    this.trusted = trusted;
    this.proofLine = proofLine;
    this.signatures = new Signatures(this.findings);
    this.domains = new Domains(trusted.contracts);
  }

  /** False once there is no point in reading on. */
  take({ bytes, ended }: Line): boolean {
    this.line += 1;
    this.entrySeq = undefined;
    try {
      if (this.stage === kStages.trailer) throw new Malformed("there is more behind the trailer");
      if (!ended) throw new Malformed("the file ends within a line");
      if (!isUtf8(bytes)) throw new Malformed("the line is not UTF-8");
      this.read(parseObject(bytes.toString(), "the line"));
    } catch (error) {
      // A line can be made to nest deeper, or be longer, than the interpreter can bear.
      if (!(error instanceof Malformed || error instanceof RangeError)) throw error;
      this.malformed(error.message);
    }
    this.hash.update(bytes).update("\n");
    return !this.findings.full && this.checks !== undefined;
  }

  private malformed(explanation: string): void {
    const place = { seq: this.entrySeq, table: "export", key: `line ${this.line}`, line: this.line };
    this.findings.add("format", place, explanation);
  }

  /** After the last line. */
  finish(): Report {
    if (!this.findings.full && this.stage !== kStages.trailer) {
      this.line += 1;
      this.malformed("the file ends before its trailer");
    }
    this.signatures.flush();
    const { checks } = this;
    const head = checks?.heads.newest;
    this.warn();
    return {
      findings: this.findings.inOrder(),
      warnings: [...this.warnings],
      entries: this.entries,
      payments: this.payments,
      channels: this.channels.size,
      signatures: this.signatures.checked,
      heads: checks?.heads.checked ?? 0,
      range: checks?.range,
      head: head && { size: head.size, root: `0x${head.root.toString("hex")}` },
    };
  }

  /** What a reader has to know although no rule is broken. */
  private warn(): void {
    const { checks, warnings } = this;
    if (!checks) return;
    const { range, heads } = checks;
    for (const warning of heads.warnings) warnings.add(warning);
    if (this.stage < kStages.proof!) return;
    const sealed = heads.newest?.size ?? 0;
    if (sealed === 0) warnings.add("there is no head: the log proves nothing");
    else if (sealed < range.to) warnings.add(`numbers above ${sealed} are not sealed yet`);
    if (range.from > 1) warnings.add(`figures from before ${range.from} are taken as they are`);
    const contracts = [...this.channels.values()].filter(({ signerIsKey }) => !signerIsKey).length;
    if (contracts > 0) warnings.add(`signatures of ${contracts} channels are a contract's, and not checked`);
  }

  private read(line: { [name: string]: Json }): void {
    const { type } = line;
    if (typeof type !== "string" || !Object.hasOwn(kLines, type)) {
      throw new Malformed("the line is of no known type");
    }
    const stage = kStages[type]!;
    this.enter(type, stage);
    checkFields(line, kLines[type]!, "the line");
    const row = line as Row;
    switch (type) {
      case "header": return this.header(row);
      case "asset": return this.asset(row);
      case "channel": return this.channel(line);
      case "reservation": return this.reservation(row);
      case "opening_balance": return this.checks!.accounts.open(row, this.line);
      case "stray": return this.stray(row);
      case "entry": return this.entry(line, row);
      case "checkpoint": return this.checkpoint(row);
      case "account": return this.checks!.accounts.compare(row, this.line);
      case "proof": return this.proof(line, row);
      default: return this.trailer(line);
    }
  }

  /** Refuses a line that is not at its place, and closes what ends where it begins. */
  private enter(type: string, stage: number): void {
    if (this.stage < 0 && type !== "header") throw new Malformed("the first line is not the header");
    const once = type === "header" || type === "proof" || type === "trailer";
    if (stage < this.stage || (once && stage === this.stage)) {
      throw new Malformed(`a line of type ${type} is not at its place`);
    }
    const { stage: before, checks } = this;
    this.stage = stage;
    if (!checks) return;
    const { range } = checks;
    if (before < kEntryStage && stage >= kEntryStage && range.from > 1) {
      checks.accounts.assertOpeningBalanced(this.line);
    }
    if (before <= kEntryStage && stage > kEntryStage) this.finishEntries(checks);
    if (before < kStages.proof! && stage >= kStages.proof! && range.to === range.seq) {
      checks.accounts.finish(this.line);
    }
    if (type === "opening_balance" && range.from === 1) {
      throw new Malformed("an opening balance of an export from 1");
    }
    if (type === "account" && range.to < range.seq) {
      throw new Malformed("an account of an export that does not reach the newest number");
    }
    if (type === "trailer" && before < kStages.proof!) throw new Malformed("there is no proof before the trailer");
  }

  private header(row: Row): void {
    const range = { from: Number(row.from), to: Number(row.to), seq: Number(row.seq) };
    if (row.format !== "millrace-export/2") throw new Malformed(`the format is ${JSON.stringify(row.format)}`);
    if (range.from < 1 || range.to < range.from - 1 || range.to > range.seq) {
      throw new Malformed("from, to and seq are not in order");
    }
    const place = { table: "header", key: "key", line: this.line };
    const said = parseKey(row.key!);
    const key = this.trusted.key ?? said;
    if (!said) this.findings.add("format", place, "the key is no verifier key");
    if (this.trusted.key && said && !isSameKey(this.trusted.key, said)) {
      this.findings.add("head_signature", place, `the key is not the trusted one of ${this.trusted.key.name}`);
    } else if (key && key.name !== row.origin) {
      this.findings.add("head_signature", place, `the origin is ${JSON.stringify(row.origin)}, not ${key.name}`);
    }
    if (!this.trusted.key) this.warnings.add("the log's key is the one that the export names itself (see --key)");
    const { findings, channels } = this;
    const payments = new Payments(findings, this.signatures, new InferenceIds(), range.from);
    const events = new Events(findings, payments, channels, range.from);
    const accounts = new Accounts(findings);
    const postings = new Postings(findings, accounts, channels, this.assets, range.from);
    const heads = new Heads(findings, key, this.trusted.heads, range.from, leftOf(this.proofLine));
    this.checks = { range, payments, events, accounts, postings, heads };
    this.nextSeq = range.from;
    this.exportedAt = Number(microseconds(row.at!));
  }

  private asset(row: Row): void {
    const asset = `${row.network}:${row.token}`;
    const place = { table: "asset", key: asset, line: this.line };
    if (this.assets.has(asset)) return this.findings.add("format", place, "the asset is there twice");
    this.assets.add(asset);
    if (row.contract === undefined || this.domains.add(row.network!, row.contract)) return;
    this.findings.add("channel_id", place, `the escrow of ${row.network} is another contract`);
  }

  private channel(line: { [name: string]: Json }): void {
    const row = line as Row;
    checkFields(line.config, kConfig, "config");
    const config = line.config as unknown as ChannelConfig;
    const id = row.channelId!;
    const network = row.network!;
    if (row.voucherSigner !== "key" && row.voucherSigner !== "contract") {
      throw new Malformed("voucherSigner is neither key nor contract");
    }
    const place = { seq: Number(row.seq), table: "channel", key: id, line: this.line };
    if (this.channels.has(id)) return this.findings.add("format", place, "the channel is there twice");
    const domain = this.domains.of(network);
    if (this.domains.isGuessed(network)) {
      this.warnings.add(`no contract of ${network} is named: its canonical address was assumed`);
    }
    if (!domain || channelId(domain, config) !== id || config.token !== row.token) {
      this.findings.add("channel_id", place, "it is not the digest of config under the escrow's domain");
    }
    if (!this.assets.has(`${network}:${row.token}`)) {
      this.findings.add("channel", place, "its asset is not there");
    }
    const isKey = row.voucherSigner === "key";
    const { range } = this.checks!;
    const channel = new Channel(
      id, network, config, domain, isKey, row.openedAt!, snapshotOf(row), range.from === 1,
    );
    // Only the payer itself may be a contract.
    if (!isKey && channel.signer !== config.payer) {
      this.findings.add("evidence", place, "a payer authorizer signs with its key, and is no contract");
    }
    this.channels.set(id, channel);
  }

  private reservation(row: Row): void {
    const id = row.inferenceId!;
    const channel = this.channels.get(row.channelId!);
    const key = `${row.channelId}/${id}`;
    if (!channel) {
      this.findings.add("channel", { table: "reservation", key, line: this.line }, "its channel is not there");
      return;
    }
    channel.snapshot.reservations ??= new Map();
    const { reservations } = channel.snapshot;
    if (reservations.has(id)) {
      const place = { table: "reservation", key, line: this.line };
      return this.findings.add("format", place, "the reservation is there twice");
    }
    const max = BigInt(row.maxAmount!);
    reservations.set(id, { max, charged: BigInt(row.charged!), steps: Number(row.steps) });
  }

  /** A row that no entry has: there is nothing to check, for it should not be. */
  private stray({ table, seq, key }: Row): void {
    const name = seq === undefined ? "no number" : `number ${seq}`;
    const number = seq === undefined || seq.startsWith("-") || seq === "0" ? {} : { seq: Number(seq) };
    const place = { ...number, table: table!, key: `${name}: ${key}`, line: this.line };
    this.findings.add("number", place, "the row has a number that was never given out");
  }

  private entry(line: { [name: string]: Json }, row: Row): void {
    const { payments, events, postings, heads, range } = this.checks!;
    const seq = Number(row.seq);
    this.entrySeq = seq;
    if (seq > range.to) throw new Malformed(`number ${seq} is behind the last one, ${range.to}`);
    if (seq !== this.nextSeq) this.malformed(`number ${seq} is where ${this.nextSeq} should be`);
    this.nextSeq = seq + 1;
    this.checkpointAllowed = true;
    this.entries += 1;
    const at = { seq, line: this.line };
    const lists = kTables.map(({ list, fields }) => rowsOf(line, list, fields));
    const computed = leafHashOf(seq, lists);
    const leaf = row.leaf === undefined ? undefined : bytesOf(row.leaf);
    if (leaf && !leaf.equals(computed)) {
      const place = { ...at, table: "log_tile", key: String(seq) };
      heads.differing += 1;
      this.findings.add("leaf", place, "the rows of the number are not those that its leaf was made of");
    }
    heads.leaf(leaf, computed, at);
    // Of an empty one that is sealed the log's owner has said that there was no row.
    if (leaf === undefined && lists.every((rows) => rows.length === 0)) {
      const place = { ...at, table: "commit_sequence", key: String(seq) };
      this.findings.add("number", place, "the number was given out, and there is no row of it");
    }
    if (leaf === undefined && this.overdue === undefined && this.isOld(lists)) this.overdue = seq;
    const [paid, transfers, chainEvents, openings, reversals, told] =
      lists as [Row[], Row[], Row[], Row[], Row[], Row[]];
    for (const payment of paid) {
      const place = { ...at, table: "payment", key: payment.channelId! };
      const channel = this.channels.get(payment.channelId!);
      this.payments += 1;
      if (channel) payments.apply(channel, payment, place);
      else this.findings.add("channel", place, "the payment is of a channel that is not there");
    }
    events.apply(chainEvents, openings, reversals, told, at);
    postings.apply(transfers, chainEvents, openings, reversals, told, at);
  }

  private isOld(lists: readonly Row[][]): boolean {
    const times = lists.flat().flatMap(({ at }) => (at === undefined ? [] : [Number(microseconds(at))]));
    return times.length > 0 && this.exportedAt - Math.min(...times) > kSealedWithin;
  }

  private checkpoint(row: Row): void {
    const size = Number(row.size);
    const place = { seq: size, table: "log_checkpoint", key: row.size!, line: this.line };
    if (!this.checkpointAllowed || size !== this.nextSeq - 1) {
      throw new Malformed(`a checkpoint of ${size} is not behind the entry of that number`);
    }
    this.checkpointAllowed = false;
    this.checks!.heads.checkpoint({ size, root: bytesOf(row.root!), note: row.note! }, place);
  }

  private finishEntries({ range, payments, postings }: Checks): void {
    const last = this.nextSeq - 1;
    if (last !== range.to) this.malformed(`the last number is ${last}, not ${range.to}`);
    const isWhole = range.to === range.seq;
    const at = { seq: range.to, line: this.line };
    for (const channel of this.channels.values()) {
      if (isWhole) {
        payments.unresolved(channel, this.line);
        postings.finishChannel(channel, at);
      }
      compareSnapshot(channel, range, this.findings, payments, this.line);
    }
  }

  private proof(line: { [name: string]: Json }, row: Row): void {
    const { heads, range } = this.checks!;
    const head = { size: Number(row.size), root: bytesOf(row.root!), note: row.note! };
    const place = { seq: head.size, table: "log_checkpoint", key: row.size!, line: this.line };
    heads.proof(head, hashesOf(line.left), hashesOf(line.right), range.to, range.seq, place);
    if (this.trusted.key) this.sealed(head.size, range, place);
  }

  /** Of a log whose key is trusted: that it was not cut off, nor taken away with all that it would show. */
  private sealed(size: number, range: Range, place: Place): void {
    const { overdue } = this;
    if (overdue === undefined) return;
    const late = { ...place, seq: overdue, key: `numbers ${overdue} to ${range.to}` };
    const explanation = `they are behind the newest head, of ${size}, and the first is older than ten minutes`;
    this.findings.add("tree", late, explanation);
  }

  private trailer(line: { [name: string]: Json }): void {
    if (line.lines !== this.line - 1) this.malformed(`lines is ${line.lines}, not ${this.line - 1}`);
    const sum = this.hash.copy().digest("hex");
    if (line.sha256 !== sum) this.malformed(`sha256 is not ${sum}`);
  }
}

function isSameKey(a: NoteKey, b: NoteKey): boolean {
  return a.name === b.name && a.key.equals(b.key);
}

function snapshotOf(row: Row): Snapshot {
  return {
    status: row.status!,
    app: row.app,
    balance: BigInt(row.balance!),
    charged: BigInt(row.charged!),
    owed: BigInt(row.owed!),
    reserved: BigInt(row.reserved!),
    refunding: BigInt(row.refunding!),
    refundsBegun: BigInt(row.refundsBegun!),
    signedMax: BigInt(row.signedMax!),
    signature: row.signature,
    totalClaimed: BigInt(row.totalClaimed!),
    withdrawRequestedAt: row.withdrawRequestedAt!,
    refundNonce: row.refundNonce!,
    inDoubt: row.inDoubt!,
    seq: Number(row.seq),
    reservations: undefined,
  };
}

/** Verifies an export. `onEntries` hears now and then how many entries were read. */
export async function verifyExport(
  chunks: AsyncIterable<Buffer> | Iterable<Buffer>, trusted: Trusted, limit: number,
  proofLine?: Buffer, onEntries: (entries: number) => void = () => {},
): Promise<Report> {
  const check = new ExportCheck(trusted, limit, proofLine);
  try {
    reading: for await (const lines of linesOf(chunks)) {
      for (const line of lines) if (!check.take(line)) break reading;
      onEntries(check.entries);
    }
  } catch (error) {
    if (!(error instanceof LineTooLong)) throw error;
  }
  return check.finish();
}
