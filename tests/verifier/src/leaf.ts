/** The bytes of a number's leaf, of which the tree has the hash. */
import { type Field, microseconds, type Row } from "./fields.ts";
import { kTables } from "./tables.ts";
import { sha256 } from "./tree.ts";

const kVersion = 1;
const kNull = 0xffffffff;

/** Grows to the largest leaf and is used again for each. */
let scratch = Buffer.alloc(1 << 16);
let end = 0;

function reserve(bytes: number): void {
  if (end + bytes <= scratch.length) return;
  const larger = Buffer.alloc(2 * (end + bytes));
  scratch.copy(larger);
  scratch = larger;
}

function putField(field: Field, value: string | undefined): void {
  if (value === undefined) {
    reserve(4);
    end = scratch.writeUInt32BE(kNull, end);
    return;
  }
  // At most three bytes of UTF-8 for each unit of a string's length.
  reserve(4 + 3 * value.length + 32);
  const begin = end + 4;
  let length: number;
  if (field.kind === "bytes") length = scratch.write(value.slice(2), begin, "hex");
  else if (field.kind === "time") length = scratch.write(microseconds(value)!, begin, "latin1");
  else length = scratch.write(value, begin, "utf8");
  scratch.writeUInt32BE(length, end);
  end = begin + length;
}

/** Lists in the order of `kTables`; the rows of each are in the order of their keys. */
export function leafHashOf(seq: number, lists: readonly (readonly Row[])[]): Buffer {
  let records = 0;
  for (const rows of lists) records += rows.length;
  end = 0;
  // RFC 6962 puts a zero in front of a leaf before it hashes it.
  end = scratch.writeUInt8(0, end);
  end = scratch.writeUInt8(kVersion, end);
  end = scratch.writeBigUInt64BE(BigInt(seq), end);
  end = scratch.writeUInt16BE(records & 0xffff, end);
  for (let i = 0; i < kTables.length; i += 1) {
    const { type, fields } = kTables[i]!;
    for (const row of lists[i]!) {
      reserve(2);
      end = scratch.writeUInt8(type, end);
      end = scratch.writeUInt8(fields.length, end);
      for (const field of fields) putField(field, row[field.name]);
    }
  }
  return sha256(scratch.subarray(0, end));
}
