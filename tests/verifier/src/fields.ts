/** Reading of lines and rows: the `format` rule. What is malformed is thrown as Malformed. */

export class Malformed extends Error {}

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
export type Row = { [name: string]: string | undefined };

/** What a field may look like in the export. `number` is the only one that is no string in JSON. */
export type Kind = "int" | "text" | "bytes" | "time" | "date" | "number" | "object" | "list" | "seq";

export interface Field {
  name: string;
  kind: Kind;
  /** Of bytes: how many; without it any number of them. */
  length?: number;
  optional?: boolean;
  /** Part of the key that rows of one type are ordered by. */
  key?: boolean;
}

const kInt = /^(?:0|-?[1-9][0-9]{0,38})$/;
const kSeq = /^(?:0|[1-9][0-9]{0,15})$/;
const kBytes = /^0x(?:[0-9a-f]{2})*$/;
const kDate = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])$/;
const kTime = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{6})Z$/;
const kLoneSurrogate = /\p{Surrogate}/u;

let lastSecond = "";
let lastSecondAt = 0;

/** Microseconds since 1970; undefined for what is not a time of this form. */
export function microseconds(time: string): string | undefined {
  const parts = kTime.exec(time);
  if (!parts) return undefined;
  const [, second, fraction] = parts as unknown as [string, string, string];
  if (second !== lastSecond) {
    const at = Date.parse(`${second}Z`);
    // Date.parse takes the 30th of February for the 1st of March.
    if (Number.isNaN(at) || !new Date(at).toISOString().startsWith(second)) return undefined;
    lastSecond = second;
    lastSecondAt = at / 1000;
  }
  return String(BigInt(lastSecondAt) * 1_000_000n + BigInt(fraction));
}

function isOf(field: Field, value: Json): boolean {
  switch (field.kind) {
    case "number": return Number.isSafeInteger(value) && (value as number) >= 0;
    case "object": return typeof value === "object" && value !== null && !Array.isArray(value);
    case "list": return Array.isArray(value);
  }
  if (typeof value !== "string") return false;
  switch (field.kind) {
    case "int": return kInt.test(value);
    case "seq": return kSeq.test(value) && Number.isSafeInteger(Number(value));
    case "text": return !kLoneSurrogate.test(value);
    case "bytes":
      return kBytes.test(value) && (field.length === undefined || value.length === 2 + 2 * field.length);
    case "time": return microseconds(value) !== undefined;
    case "date": return kDate.test(value);
  }
}

const kForms: Record<Kind, string> = {
  int: "a decimal string",
  seq: "a decimal string below 2^53",
  text: "text",
  bytes: "0x and lower-case hex",
  time: "YYYY-MM-DDTHH:MM:SS.ffffffZ",
  date: "YYYY-MM-DD",
  number: "a whole number",
  object: "an object",
  list: "a list",
};

/** Throws unless `value` is an object with exactly these fields, each in its form. */
export function checkFields(value: Json | undefined, fields: readonly Field[], what: string): void {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Malformed(`${what} is not an object`);
  }
  let present = 0;
  for (const field of fields) {
    const member = Object.hasOwn(value, field.name) ? value[field.name] : undefined;
    if (member === undefined) {
      if (!field.optional) throw new Malformed(`${what} has no ${field.name}`);
      continue;
    }
    present += 1;
    if (isOf(field, member)) continue;
    const length = field.length === undefined ? "" : ` of ${field.length} bytes`;
    throw new Malformed(`${field.name} of ${what} is not ${kForms[field.kind]}${length}`);
  }
  if (Object.keys(value).length === present) return;
  const unknown = Object.keys(value).find((name) => !fields.some((field) => field.name === name));
  throw new Malformed(`${what} has ${JSON.stringify(unknown)}, which the format does not know`);
}

/** The lists of `value` that stand at `name`, each a row of these fields, in the order of their keys. */
export function rowsOf(value: { [name: string]: Json }, name: string, fields: readonly Field[]): Row[] {
  const rows = value[name];
  if (rows === undefined) return [];
  if (!Array.isArray(rows) || rows.length === 0) {
    throw new Malformed(`${name} is not a list of rows; an empty one is left out`);
  }
  for (let i = 0; i < rows.length; i += 1) {
    checkFields(rows[i], fields, `${name}[${i}]`);
    if (i > 0 && compareKeys(rows[i - 1] as Row, rows[i] as Row, fields) >= 0) {
      throw new Malformed(`${name}[${i}] is not behind the row before it in the order of its key`);
    }
  }
  return rows as Row[];
}

function compareKeys(a: Row, b: Row, fields: readonly Field[]): number {
  for (const { name, kind, key } of fields) {
    if (!key) continue;
    const order = kind === "int" || kind === "seq"
      ? compareNumbers(BigInt(a[name]!), BigInt(b[name]!))
      : Buffer.compare(Buffer.from(a[name]!), Buffer.from(b[name]!));
    if (order !== 0) return order;
  }
  return 0;
}

function compareNumbers(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Parses one line. A name that stands twice is refused: two readers would take different ones. */
export function parseObject(text: string, what: string): { [name: string]: Json } {
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch {
    throw new Malformed(`${what} is not JSON`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Malformed(`${what} is not a JSON object`);
  }
  if (JSON.stringify(value) !== text && hasRepeatedName(text)) {
    throw new Malformed(`${what} has a name twice in one object`);
  }
  return value;
}

/** Of valid JSON: whether some object has two members of one name. */
function hasRepeatedName(text: string): boolean {
  const kTokens = /"(?:[^"\\]|\\.)*"|[{}[\]:,]/g;
  const open: (Set<string> | undefined)[] = [];
  let lastString = "";
  for (const [token] of text.matchAll(kTokens)) {
    if (token === "{") open.push(new Set());
    else if (token === "[") open.push(undefined);
    else if (token === "}" || token === "]") open.pop();
    else if (token[0] === '"') lastString = token;
    else if (token === ":") {
      const names = open.at(-1)!;
      const name = JSON.parse(lastString) as string;
      if (names.has(name)) return true;
      names.add(name);
    }
  }
  return false;
}
