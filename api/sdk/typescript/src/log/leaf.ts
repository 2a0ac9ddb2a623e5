/** The bytes of a number of the ledger: which rows it has, among them a payment's. */
import type { Hex } from "../reading.js";
import type { Bytes } from "./merkle.js";

const kVersion = 1;
const kPayment = 1;
const kNull = 0xffffffff;

/** A payment's row as the log holds it. */
export interface LoggedPayment {
  seq: bigint;
  channelId: Hex;
  inferenceId: string;
  /** 0 for what opens an inference, and then one for each charge or release. */
  step: number;
  kind: string;
  amount: bigint;
  /** What it added to what is charged. */
  increment: bigint;
  charged: bigint;
  reserved: bigint;
  signedMax: bigint;
  balance: bigint;
  /** The voucher that came with it, and its signature; or the number of the payment whose voucher covers it. */
  voucherMax: bigint | undefined;
  signature: Hex | undefined;
  coveredBy: bigint | undefined;
  detail: string;
}

class Reader {
  readonly #view: DataView;
  readonly #bytes: Bytes;
  #at = 0;

  constructor(bytes: Bytes) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }
  byte(): number {
    return this.#view.getUint8(this.#skip(1));
  }
  short(): number {
    return this.#view.getUint16(this.#skip(2));
  }
  long(): bigint {
    return this.#view.getBigUint64(this.#skip(8));
  }
  field(): Bytes | undefined {
    const length = this.#view.getUint32(this.#skip(4));
    if (length === kNull) return undefined;
    const begin = this.#skip(length);
    return this.#bytes.subarray(begin, begin + length);
  }

  #skip(length: number): number {
    const at = this.#at;
    if (at + length > this.#bytes.length) throw new RangeError("the leaf ends too early");
    this.#at += length;
    return at;
  }
}

const textOf = (field: Bytes | undefined): string => {
  if (!field) throw new RangeError("a field is missing");
  return new TextDecoder("utf-8", { fatal: true }).decode(field);
};

function intOf(field: Bytes | undefined): bigint {
  const text = textOf(field);
  if (!/^(0|[1-9][0-9]*)$/.test(text)) throw new RangeError(`${JSON.stringify(text)} is no number`);
  return BigInt(text);
}

const hexOf = (field: Bytes | undefined): Hex => {
  if (!field) throw new RangeError("a field is missing");
  return `0x${Array.from(field, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
};

const optional = <T>(field: Bytes | undefined, read: (field: Bytes | undefined) => T): T | undefined =>
  field && read(field);

function paymentOf(seq: bigint, fields: readonly (Bytes | undefined)[]): LoggedPayment {
  const [
    channelId,
    inferenceId,
    step,
    kind,
    ,
    amount,
    increment,
    charged,
    reserved,
    signedMax,
    balance,
    voucherMax,
    signature,
    coveredBy,
    detail,
  ] = fields;
  return {
    seq,
    channelId: hexOf(channelId),
    inferenceId: textOf(inferenceId),
    step: Number(intOf(step)),
    kind: textOf(kind),
    amount: intOf(amount),
    increment: intOf(increment),
    charged: intOf(charged),
    reserved: intOf(reserved),
    signedMax: intOf(signedMax),
    balance: intOf(balance),
    voucherMax: optional(voucherMax, intOf),
    signature: optional(signature, hexOf),
    coveredBy: optional(coveredBy, intOf),
    detail: textOf(detail),
  };
}

/** The payments in a leaf; throws when it is none. */
export function paymentsOf(leaf: Bytes): LoggedPayment[] {
  const reader = new Reader(leaf);
  if (reader.byte() !== kVersion) throw new RangeError("the leaf is of an unknown version");
  const seq = reader.long();
  const records = reader.short();
  const payments: LoggedPayment[] = [];
  for (let i = 0; i < records; i += 1) {
    const type = reader.byte();
    const fields = Array.from({ length: reader.byte() }, () => reader.field());
    if (type === kPayment) payments.push(paymentOf(seq, fields));
  }
  if (!reader.isAtEnd) throw new RangeError("there is more behind the leaf");
  return payments;
}
