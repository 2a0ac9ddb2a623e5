/** Proofs on their own: `verify proofs FILE.json`. */
import { checkFields, type Field, type Json, Malformed } from "./fields.ts";
import type { Finding } from "./finding.ts";
import { consistencyHolds, inclusionHolds } from "./tree.ts";

export interface ProofReport {
  inclusion: number;
  consistency: number;
  findings: Finding[];
}

const kInclusion: readonly Field[] = [
  { name: "index", kind: "int" }, { name: "size", kind: "int" }, { name: "leaf", kind: "bytes", length: 32 },
  { name: "root", kind: "bytes", length: 32 }, { name: "path", kind: "list" },
];
const kConsistency: readonly Field[] = [
  { name: "from", kind: "int" }, { name: "to", kind: "int" }, { name: "fromRoot", kind: "bytes", length: 32 },
  { name: "toRoot", kind: "bytes", length: 32 }, { name: "path", kind: "list" },
];
const kHash = /^0x[0-9a-f]{64}$/;

type Proof = { [name: string]: Json };

function bytes(hex: Json | undefined): Buffer {
  if (typeof hex !== "string" || !kHash.test(hex)) throw new Malformed("a hash of the path is not 32 bytes");
  return Buffer.from(hex.slice(2), "hex");
}

function inclusion(proof: Proof): boolean {
  checkFields(proof, kInclusion, "the proof");
  const [index, size] = [BigInt(proof.index as string), BigInt(proof.size as string)];
  const path = (proof.path as Json[]).map(bytes);
  return index >= 0n && inclusionHolds(index, size, bytes(proof.leaf), path, bytes(proof.root));
}

function consistency(proof: Proof): boolean {
  checkFields(proof, kConsistency, "the proof");
  const [from, to] = [BigInt(proof.from as string), BigInt(proof.to as string)];
  const path = (proof.path as Json[]).map(bytes);
  return from >= 0n && consistencyHolds(from, to, bytes(proof.fromRoot), bytes(proof.toRoot), path);
}

/** Verifies all proofs of a file's text; each that does not hold is a finding. */
export function verifyProofs(text: string): ProofReport {
  const findings: Finding[] = [];
  const found = (rule: "format" | "tree", key: string, explanation: string) =>
    findings.push({ rule, table: "proof", key, line: 1, explanation });
  let file: Proof = {};
  try {
    file = JSON.parse(text) as Proof;
    checkFields(file, [
      { name: "inclusion", kind: "list", optional: true }, { name: "consistency", kind: "list", optional: true },
    ], "the file");
  } catch (error) {
    found("format", "file", error instanceof Malformed ? error.message : "the file is not JSON");
    return { inclusion: 0, consistency: 0, findings };
  }
  const verifyAll = (name: string, holds: (proof: Proof) => boolean): number => {
    const proofs = (file[name] ?? []) as Json[];
    proofs.forEach((proof, i) => {
      try {
        if (!holds(proof as Proof)) found("tree", `${name}[${i}]`, "the proof does not lead to the root");
      } catch (error) {
        if (!(error instanceof Malformed)) throw error;
        found("format", `${name}[${i}]`, error.message);
      }
    });
    return proofs.length;
  };
  const counts = { inclusion: verifyAll("inclusion", inclusion), consistency: verifyAll("consistency", consistency) };
  return { ...counts, findings };
}
