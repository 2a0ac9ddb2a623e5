/** What the rows so far say of a channel. */
import type { ChannelConfig } from "./typed_data.ts";

export interface Reservation {
  /** Undefined where it was opened before the export begins. */
  max: bigint | undefined;
  charged: bigint;
  steps: number;
  /** An event of reservedAmount 0 may have ended it: it had nothing left, so that the figures do not tell. */
  maybeEnded?: boolean;
}

/** The channel's line: as of the snapshot, to be compared with the rows at the end. */
export interface Snapshot {
  status: string;
  app: string | undefined;
  balance: bigint;
  charged: bigint;
  owed: bigint;
  reserved: bigint;
  refunding: bigint;
  refundsBegun: bigint;
  signedMax: bigint;
  signature: string | undefined;
  totalClaimed: bigint;
  withdrawRequestedAt: string;
  refundNonce: string;
  inDoubt: string;
  seq: number;
  reservations: Map<string, Reservation> | undefined;
}

/** Numbers and maxima of the payments that have a signature, which others may refer to. */
export class SignedPayments {
  private seqs = new Float64Array(8);
  private maxima = new BigUint64Array(16);
  private used = 0;

  push(seq: number, max: bigint): void {
    if (this.used === this.seqs.length) {
      const seqs = new Float64Array(2 * this.used);
      const maxima = new BigUint64Array(4 * this.used);
      seqs.set(this.seqs);
      maxima.set(this.maxima);
      this.seqs = seqs;
      this.maxima = maxima;
    }
    this.seqs[this.used] = seq;
    this.maxima[2 * this.used] = max >> 64n;
    this.maxima[2 * this.used + 1] = max;
    this.used += 1;
  }

  maxOf(seq: number): bigint | undefined {
    let [low, high] = [0, this.used];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.seqs[middle]! < seq) low = middle + 1;
      else high = middle;
    }
    if (low === this.used || this.seqs[low] !== seq) return undefined;
    return (this.maxima[2 * low]! << 64n) | this.maxima[2 * low + 1]!;
  }
}

/** A payment that refers to a later one, which is still to come. */
export interface Reference {
  seq: number;
  line: number;
  max: bigint;
}

export class Channel {
  readonly id: string;
  readonly network: string;
  readonly token: string;
  readonly config: ChannelConfig;
  /** Undefined where signatures cannot be checked: a contract's, or without a domain. */
  readonly domain: Buffer | undefined;
  readonly signerIsKey: boolean;
  /** The first day of the month in which it was opened: where its payments are kept. */
  readonly month: string;
  readonly snapshot: Snapshot;

  /** Whether the figures below are those before the next row: not yet, where an export begins late. */
  isKnown: boolean;
  balance = 0n;
  charged = 0n;
  reserved = 0n;
  signedMax = 0n;
  /** Of these, undefined is what no row has told yet. */
  refunding: bigint | undefined;
  totalClaimed: bigint | undefined;
  signature: string | undefined;
  withdrawRequestedAt: string | undefined;
  refundNonce: string | undefined;
  status: string | undefined;
  app: string | undefined;
  /** What no event tells, and payments and the names of events do. */
  owed: bigint | undefined;
  refundsBegun: bigint | undefined;
  inDoubt: string | undefined;
  hadEvent = false;
  lastSeq = 0;
  readonly open = new Map<string, Reservation>();

  /** Made when there is something to keep: most of many channels have little. */
  signed: SignedPayments | undefined;
  /** By the number that is referred to. */
  references: Map<number, Reference[]> | undefined;
  /** The voucher that was handed to the check last: rows repeat it. */
  lastChecked = "";

  /** Increments that no transfer has posted yet. */
  unposted = 0n;
  firstUnposted = 0;
  lastPosted = 0;

  constructor(
    id: string, network: string, config: ChannelConfig, domain: Buffer | undefined, signerIsKey: boolean,
    openedAt: string, snapshot: Snapshot, isKnown: boolean,
  ) {
    this.id = id;
    this.network = network;
    this.token = config.token;
    this.config = config;
    this.domain = domain;
    this.signerIsKey = signerIsKey;
    this.month = `${openedAt.slice(0, 7)}-01`;
    this.snapshot = snapshot;
    this.isKnown = isKnown;
    if (isKnown) {
      this.refunding = 0n;
      this.totalClaimed = 0n;
      this.owed = 0n;
      this.refundsBegun = 0n;
      this.inDoubt = "false";
    }
  }

  get signer(): string {
    const { payer, payerAuthorizer } = this.config;
    return /^0x0+$/.test(payerAuthorizer) ? payer : payerAuthorizer;
  }
}
