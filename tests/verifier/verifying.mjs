/** Verifies what a test has made. */
import { fileOf, logKey } from "./ledger.mjs";
import "./typescript.mjs";

const { verifyExport } = await import("./src/export.ts");
const { parseKey } = await import("./src/note.ts");

export const trustedKey = parseKey(logKey(7).text);

/** The report on a file of these bytes; `limit` 1 is what the command does without --all. */
export function verifyBytes(bytes, { limit = 1, ...trusted } = {}) {
  const lines = bytes.toString().split("\n");
  const proofLine = lines.length > 3 ? Buffer.from(lines.at(-3)) : undefined;
  return verifyExport([bytes], { key: trustedKey, heads: [], contracts: new Map(), ...trusted }, limit, proofLine);
}

export const verifyLines = (lines, options) => verifyBytes(fileOf(lines), options);
export const verifyLedger = (ledger, options) => verifyLines(ledger.lines(), options);
