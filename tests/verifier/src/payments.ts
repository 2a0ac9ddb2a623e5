/** The rules of a payment: content, evidence, payment, authorization, inference. */
import { keccak_256 } from "@noble/hashes/sha3";
import { type Channel, type Reservation, SignedPayments } from "./channel.ts";
import type { Row } from "./fields.ts";
import type { Findings, Place, Rule } from "./finding.ts";
import type { InferenceIds } from "./inference_ids.ts";
import type { Signatures } from "./signatures.ts";
import { voucherDigest, word } from "./typed_data.ts";

interface Figures {
  charged: bigint;
  reserved: bigint;
  signedMax: bigint;
  balance: bigint;
}

function contentOf(kind: string, amount: bigint, inferenceId: string, detail: string): string {
  const bytes = Buffer.concat([
    Buffer.from(kind), word(amount), Buffer.from(inferenceId), Buffer.of(0), Buffer.from(detail),
  ]);
  return `0x${Buffer.from(keccak_256(bytes).subarray(0, 16)).toString("hex")}`;
}

const kContentKinds: Record<string, readonly string[]> = {
  pay: ["p"], authorize: ["a"], charge: ["c", "i"], release: ["r"],
};

function largest(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

export class Payments {
  private readonly findings: Findings;
  private readonly signatures: Signatures;
  private readonly inferenceIds: InferenceIds;
  /** The first number of the export: what came before it cannot be looked up. */
  private readonly from: number;

  constructor(findings: Findings, signatures: Signatures, inferenceIds: InferenceIds, from: number) {
    this.findings = findings;
    this.signatures = signatures;
    this.inferenceIds = inferenceIds;
    this.from = from;
  }

  /** Checks the row against the channel, and leaves the row's figures there, whatever was found. */
  apply(channel: Channel, row: Row, place: Place): void {
    const seq = place.seq!;
    const kind = row.kind!;
    if (!Object.hasOwn(kContentKinds, kind)) {
      this.findings.add("payment", place, `there is no kind ${JSON.stringify(kind)} of payments`);
      return;
    }
    const after: Figures = {
      charged: BigInt(row.charged!),
      reserved: BigInt(row.reserved!),
      signedMax: BigInt(row.signedMax!),
      balance: BigInt(row.balance!),
    };
    const contentKind = this.content(row, kind, place);
    const voucherMax = row.voucherMax === undefined ? undefined : BigInt(row.voucherMax);
    this.evidence(channel, row, voucherMax, place);
    this.inference(channel, row, place);
    this.figures(channel, row, after, contentKind, place);
    this.authorization(channel, kind, row, voucherMax, after, place);
    this.adopt(channel, row, voucherMax, after, seq);
  }

  private fail(rule: Rule, place: Place, explanation: string): void {
    this.findings.add(rule, place, explanation);
  }

  /** The letter that the content was made with; only it says whether a charge is the final one. */
  private content(row: Row, kind: string, place: Place): string | undefined {
    const amount = BigInt(row.amount!);
    for (const letter of amount < 0n ? [] : kContentKinds[kind]!) {
      if (contentOf(letter, amount, row.inferenceId!, row.detail!) === row.content) return letter;
    }
    this.fail("content", place, "content is not the hash of kind, amount, inference id and detail");
    return undefined;
  }

  private evidence(channel: Channel, row: Row, max: bigint | undefined, place: Place): void {
    const { kind, signature, coveredBy } = row;
    const wrong = (explanation: string) => this.fail("evidence", place, explanation);
    if (kind === "pay" && max === undefined) wrong("a pay without a voucher");
    if ((kind === "charge" || kind === "release") && max !== undefined) wrong(`a ${kind} with a voucher`);
    if (max === undefined) {
      if (signature !== undefined || coveredBy !== undefined) wrong("evidence, but no voucherMax that it is for");
    } else if ((signature === undefined) === (coveredBy === undefined)) {
      wrong("a voucher has a signature or a payment that covers it, and not both");
    } else if (max < 0n || max >> 128n !== 0n) {
      wrong("voucherMax is no unsigned number of 128 bits");
    } else if (signature !== undefined) {
      this.checkSignature(channel, max, signature, place);
      channel.signed ??= new SignedPayments();
      channel.signed.push(place.seq!, max);
    } else {
      this.refer(channel, Number(coveredBy), max, place);
    }
    this.resolve(channel, signature === undefined ? undefined : max, place);
  }

  checkSignature(channel: Channel, max: bigint, signature: string, place: Place): void {
    const voucher = `${max} ${signature}`;
    if (!channel.signerIsKey || !channel.domain || channel.lastChecked === voucher) return;
    channel.lastChecked = voucher;
    const digest = voucherDigest(channel.domain, channel.id, max);
    this.signatures.expect(channel.signer, digest, signature, place);
  }

  private refer(channel: Channel, target: number, max: bigint, place: Place): void {
    const seq = place.seq!;
    if (target < this.from && this.from > 1) return;
    if (target > seq) {
      channel.references ??= new Map();
      const reference = { seq, line: place.line, max };
      const others = channel.references.get(target);
      if (others) others.push(reference);
      else channel.references.set(target, [reference]);
      return;
    }
    const covering = channel.signed?.maxOf(target);
    if (covering === undefined) {
      this.fail("evidence", place, `coveredBy ${target} is no payment of this channel with a signature`);
    } else if (covering < max) {
      this.fail("evidence", place, `the voucher of ${target} covers ${covering}, not ${max}`);
    }
  }

  /** What is wrong with a cover shows at the payment that is to cover, and is told there. */
  private resolve(channel: Channel, max: bigint | undefined, covering: Place): void {
    const seq = covering.seq!;
    const references = channel.references?.get(seq);
    if (!references) return;
    channel.references!.delete(seq);
    for (const reference of references) {
      const place = { seq: reference.seq, table: "payment", key: channel.id, line: covering.line };
      if (max === undefined) this.fail("evidence", place, `coveredBy ${seq} is a payment without a signature`);
      else if (max < reference.max) {
        this.fail("evidence", place, `the voucher of ${seq} covers ${max}, not ${reference.max}`);
      }
    }
  }

  /** At the end of the log: what was referred to and never came. */
  unresolved(channel: Channel, line: number): void {
    for (const [target, references] of channel.references ?? []) {
      for (const { seq } of references) {
        const place = { seq, table: "payment", key: channel.id, line };
        this.fail("evidence", place, `coveredBy ${target} is no payment of this channel with a signature`);
      }
    }
  }

  private inference(channel: Channel, row: Row, place: Place): void {
    if (row.kind !== "pay" && row.kind !== "authorize") return;
    if (this.inferenceIds.add(channel.id, row.inferenceId!)) return;
    this.fail("inference", place, `inference ${JSON.stringify(row.inferenceId)} was opened before`);
  }

  private figures(
    channel: Channel, row: Row, after: Figures, contentKind: string | undefined, place: Place,
  ): void {
    const kind = row.kind!;
    const amount = BigInt(row.amount!);
    const increment = BigInt(row.increment!);
    const step = BigInt(row.step!);
    const wrong = (explanation: string) => this.fail("payment", place, explanation);
    if (amount < 0n || increment < 0n || after.charged < 0n || after.reserved < 0n || after.balance < 0n) {
      wrong("a figure is negative");
    }
    if (row.channelMonth !== channel.month) wrong(`channelMonth is not ${channel.month}, in which it was opened`);
    let expectedIncrement = 0n;
    let reservedChange: bigint | undefined = 0n;
    if (kind === "pay" || kind === "authorize") {
      if (step !== 0n) wrong(`step is ${step}, and it opens the inference`);
      if (kind === "pay") expectedIncrement = amount;
      else {
        reservedChange = amount;
        channel.open.set(row.inferenceId!, { max: amount, charged: 0n, steps: 1 });
      }
    } else {
      const reservation = this.reservationOf(channel, row, step, place);
      if (kind === "charge") expectedIncrement = amount - reservation.charged;
      else if (amount !== 0n) wrong("a release has an amount");
      if (kind === "charge" && reservation.max !== undefined && amount > reservation.max) {
        wrong(`amount ${amount} is above the ${reservation.max} of the reservation`);
      }
      const rest = reservation.max === undefined ? undefined : reservation.max - reservation.charged;
      const isFinal = kind === "release" || contentKind === "c" ||
        (contentKind === undefined && after.reserved !== channel.reserved - increment);
      if (!isFinal) reservedChange = -increment;
      else reservedChange = rest === undefined ? undefined : -rest;
      reservation.charged += increment;
      reservation.steps += 1;
      if (isFinal) channel.open.delete(row.inferenceId!);
    }
    if (increment !== expectedIncrement) wrong(`increment is ${increment}, not ${expectedIncrement}`);
    if (!channel.isKnown) return;
    const charged = channel.charged + increment;
    if (after.charged !== charged) wrong(`charged is ${after.charged}, not ${charged}`);
    if (reservedChange !== undefined && after.reserved !== channel.reserved + reservedChange) {
      wrong(`reserved is ${after.reserved}, not ${channel.reserved + reservedChange}`);
    }
    if (after.balance !== channel.balance) wrong(`balance is ${after.balance}, and was ${channel.balance}`);
  }

  /** The open reservation; one that makes the row right where there is none. */
  private reservationOf(channel: Channel, row: Row, step: bigint, place: Place): Reservation {
    const known = channel.open.get(row.inferenceId!);
    if (known) {
      if (BigInt(known.steps) !== step) this.fail("payment", place, `step is ${step}, not ${known.steps}`);
      return known;
    }
    if (this.from === 1) {
      this.fail("payment", place, `there is no open reservation ${JSON.stringify(row.inferenceId)}`);
    }
    const charged = row.kind === "charge" ? BigInt(row.amount!) - BigInt(row.increment!) : 0n;
    const reservation = { max: undefined, charged, steps: Number(step) };
    channel.open.set(row.inferenceId!, reservation);
    return reservation;
  }

  private authorization(
    channel: Channel, kind: string, row: Row, voucherMax: bigint | undefined, after: Figures, place: Place,
  ): void {
    const wrong = (explanation: string) => this.fail("authorization", place, explanation);
    const { charged, reserved, signedMax, balance } = after;
    const expected = largest(channel.signedMax, voucherMax ?? 0n);
    if (channel.isKnown ? signedMax !== expected : signedMax < expected) {
      wrong(`signedMax is ${signedMax}, not ${expected}`);
    }
    if ((kind === "pay" || kind === "authorize") && charged + reserved > signedMax) {
      wrong(`charged and reserved are ${charged + reserved}, above signedMax ${signedMax}`);
    }
    if (kind === "charge" && BigInt(row.increment!) > 0n && charged > signedMax) {
      wrong(`charged is ${charged}, above signedMax ${signedMax}`);
    }
    if (charged + reserved > balance) {
      wrong(`charged and reserved are ${charged + reserved}, above the balance ${balance}`);
    }
  }

  private adopt(
    channel: Channel, row: Row, voucherMax: bigint | undefined, after: Figures, seq: number,
  ): void {
    if (voucherMax !== undefined) {
      // In a part of the log an earlier voucher of the same amount or more may have left its signature.
      if (!channel.isKnown) channel.signature = undefined;
      else if (voucherMax > channel.signedMax) channel.signature = row.signature;
      else if (voucherMax === channel.signedMax) {
        // Which of two signatures over the same amount the service keeps is its own affair, and a third tells no more.
        if (channel.signature !== row.signature) channel.signature = undefined;
      }
    }
    const increment = BigInt(row.increment!);
    if (increment !== 0n) {
      if (channel.unposted === 0n) channel.firstUnposted = seq;
      channel.unposted += increment;
      channel.owed = after.charged;
    }
    Object.assign(channel, after);
    channel.isKnown = true;
    channel.lastSeq = seq;
  }
}
