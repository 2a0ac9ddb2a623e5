/** Tree heads: C2SP checkpoints, which are notes signed with Ed25519. */
import { ed25519 } from "@noble/curves/ed25519";
import { sha256 } from "viem";
import { fromBase64 } from "../base64.js";
import type { Bytes } from "./merkle.js";
import { isEqual } from "./merkle.js";

const kEd25519 = 1;

export interface NoteKey {
  name: string;
  /** First four bytes of the key's hash, by which a signature names it. */
  id: Bytes;
  publicKey: Bytes;
}

export interface TreeHead {
  origin: string;
  size: bigint;
  root: Bytes;
}

const utf8 = (text: string): Bytes => new TextEncoder().encode(text);

/** `NAME+HHHHHHHH+BASE64`; undefined for anything else. */
export function parseKey(text: string): NoteKey | undefined {
  const parts = /^([^\s+]+)\+([0-9a-f]{8})\+(.+)$/u.exec(text);
  const [, name, idText, encoded] = parts ?? [];
  const bytes = encoded === undefined ? undefined : fromBase64(encoded);
  if (!name || !bytes || bytes.length !== 33 || bytes[0] !== kEd25519) return undefined;
  const id = sha256(new Uint8Array([...utf8(`${name}\n`), ...bytes]), "bytes").slice(0, 4);
  const told = Array.from(id, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return told === idText ? { name, id, publicKey: bytes.slice(1) } : undefined;
}

function isSigned(text: string, key: NoteKey, signature: Bytes): boolean {
  try {
    return ed25519.verify(signature, utf8(text), key.publicKey, { zip215: false });
  } catch {
    return false;
  }
}

/** The signed text of a note with a good signature of the key; undefined otherwise. */
export function openNote(note: string, key: NoteKey): string | undefined {
  const cut = note.lastIndexOf("\n\n");
  if (cut < 0 || !note.endsWith("\n")) return undefined;
  const text = note.slice(0, cut + 1);
  let isGood = false;
  for (const line of note.slice(cut + 2, -1).split("\n")) {
    const [, name, encoded] = /^\u2014 (\S+) (\S+)$/u.exec(line) ?? [];
    const bytes = encoded === undefined ? undefined : fromBase64(encoded);
    if (!name || !bytes || bytes.length < 5) return undefined;
    if (name !== key.name || !isEqual(bytes.slice(0, 4), key.id)) continue;
    if (!isSigned(text, key, bytes.slice(4))) return undefined;
    isGood = true;
  }
  return isGood ? text : undefined;
}

/** A head that the key signed for its own log; undefined otherwise. */
export function openHead(note: string, key: NoteKey): TreeHead | undefined {
  const [origin, size, encodedRoot] = openNote(note, key)?.split("\n") ?? [];
  const root = encodedRoot === undefined ? undefined : fromBase64(encodedRoot);
  if (origin !== key.name || !size || !/^(0|[1-9][0-9]{0,18})$/.test(size) || root?.length !== 32)
    return undefined;
  return { origin, size: BigInt(size), root };
}
