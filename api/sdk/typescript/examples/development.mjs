/** What the examples need of a development stack: `millrace dev > ready.json`, and its accounts with tokens. */
import { readFileSync } from "node:fs";
import { generatePrivateKey, mnemonicToAccount, privateKeyToAccount } from "viem/accounts";

const kMnemonic = "test test test test test test test test test test test junk";

/** The line that `millrace dev` printed into the file named on the command line. */
export function readyLine() {
  const file = process.argv[2];
  if (!file) {
    console.error(
      `usage: node ${process.argv[1]} READY_LINE_FILE [URL [MODEL]]   (millrace dev > READY_LINE_FILE &)`,
    );
    process.exit(2);
  }
  return JSON.parse(readFileSync(file, "utf8").trim().split("\n").at(-1));
}

/** An account of the development chain, which holds tokens. */
export const richAccount = (index) => mnemonicToAccount(kMnemonic, { addressIndex: index });

/** A new account without anything: all that a provider needs. */
export const newAccount = () => privateKeyToAccount(generatePrivateKey());

/** 1234567n → "1.234567" */
export const usdc = (amount) => `${amount / 1_000_000n}.${String(amount % 1_000_000n).padStart(6, "0")}`;
