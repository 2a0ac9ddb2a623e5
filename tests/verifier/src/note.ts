/** C2SP signed notes with Ed25519, and the checkpoints (tree heads) that are written as such. */
import { createHash, createPublicKey, type KeyObject, verify } from "node:crypto";

const kEd25519 = 1;
const kSignaturesMax = 100;

export interface NoteKey {
  name: string;
  /** The first four bytes of the key's hash. */
  hash: Buffer;
  key: KeyObject;
}

/** Standard base64 with padding, and nothing else. */
function fromBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, "base64");
  return bytes.toString("base64") === text ? bytes : undefined;
}

function isName(name: string): boolean {
  return name !== "" && !/[\s+]/u.test(name);
}

/** NAME+HHHHHHHH+BASE64; undefined for what is no verifier key of Ed25519. */
export function parseKey(text: string): NoteKey | undefined {
  const [name, hashText, ...rest] = text.split("+");
  // Base64 has plus signs of its own.
  const encoded = rest.join("+");
  if (name === undefined || hashText === undefined || !isName(name)) return undefined;
  const bytes = fromBase64(encoded);
  if (!bytes || bytes.length !== 33 || bytes[0] !== kEd25519) return undefined;
  const hash = createHash("sha256").update(`${name}\n`).update(bytes).digest().subarray(0, 4);
  if (hash.toString("hex") !== hashText) return undefined;
  const x = bytes.subarray(1).toString("base64url");
  try {
    return { name, hash, key: createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" }) };
  } catch {
    return undefined;
  }
}

export interface Note {
  /** What is signed, with its last newline. */
  text: string;
  signatures: { name: string; hash: Buffer; signature: Buffer }[];
}

export function parseNote(note: string): Note | undefined {
  const cut = note.lastIndexOf("\n\n");
  if (cut < 0 || !note.endsWith("\n") || /[\0-\x09\x0b-\x1f]/.test(note)) return undefined;
  const lines = note.slice(cut + 2, -1).split("\n");
  if (lines.length > kSignaturesMax) return undefined;
  const signatures: Note["signatures"] = [];
  for (const line of lines) {
    const parts = /^\u2014 (\S+) (\S+)$/u.exec(line);
    const bytes = parts && fromBase64(parts[2]!);
    if (!bytes || bytes.length < 5 || !isName(parts[1]!)) return undefined;
    signatures.push({ name: parts[1]!, hash: bytes.subarray(0, 4), signature: bytes.subarray(4) });
  }
  return { text: note.slice(0, cut + 1), signatures };
}

/** Whether the key signed it; a second line of the same key that is false spoils the first. */
export function isSignedBy(note: Note, key: NoteKey): boolean {
  const own = note.signatures.filter(({ name, hash }) => name === key.name && hash.equals(key.hash));
  const text = Buffer.from(note.text);
  return own.length > 0 && own.every(({ signature }) => verify(null, text, key.key, signature));
}

export interface TreeHead {
  origin: string;
  size: number;
  root: Buffer;
  /** The size of the head that was signed before this one. */
  previous: number | undefined;
}

const kSize = /^(?:0|[1-9][0-9]{0,15})$/;

function parseSize(text: string | undefined): number | undefined {
  return kSize.test(text ?? "") && Number.isSafeInteger(Number(text)) ? Number(text) : undefined;
}

/** The head in a checkpoint's text. Lines behind the fourth are extensions, for others to read. */
export function parseHead(text: string): TreeHead | undefined {
  const [origin, sizeText, encodedRoot, extension] = text.split("\n");
  const root = fromBase64(encodedRoot ?? "");
  const size = parseSize(sizeText);
  if (!origin || size === undefined || root?.length !== 32) return undefined;
  const previous = extension?.startsWith("previous ") ? parseSize(extension.slice(9)) : undefined;
  return { origin, size, root, previous };
}

/** A head with a good signature of the key, or in words what is wrong. */
export function openHead(note: string, key: NoteKey): TreeHead | string {
  const parsed = parseNote(note);
  if (!parsed) return "the note is malformed";
  const head = parseHead(parsed.text);
  if (!head) return "the note has no tree head";
  if (!isSignedBy(parsed, key)) return `the note has no good signature of ${key.name}`;
  if (head.origin !== key.name) return `the note's origin is ${JSON.stringify(head.origin)}, not ${key.name}`;
  return head;
}
