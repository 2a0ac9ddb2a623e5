// node build.mjs OUT_FILE [src|test]: compiles the contracts, or those that tests of the service
// deploy, and writes their code as a C++ header.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import solc from "solc";

const root = dirname(fileURLToPath(import.meta.url));

const constantsOf = {
  src: [
    ["kBatchSettlementRuntime", "BatchSettlement", "deployedBytecode"],
    ["kErc3009DepositCollectorRuntime", "ERC3009DepositCollector", "deployedBytecode"],
    ["kPermit2DepositCollectorRuntime", "Permit2DepositCollector", "deployedBytecode"],
    ["kDevPermit2Runtime", "DevPermit2", "deployedBytecode"],
    ["kDevTokenCreation", "DevToken", "bytecode"],
  ],
  test: [["kTwoOwnerWalletCreation", "TwoOwnerWallet", "bytecode"]],
};

const [outFile, folder = "src"] = process.argv.slice(2);
const constants = constantsOf[folder];

/// The reentrancy guard clears its slot at the end of each call, the use this warning calls safe.
const kTransientStorageUsed = "2394";

const foundry = readFileSync(join(root, "foundry.toml"), "utf8");

function setting(name) {
  const found = foundry.match(new RegExp(`^${name} = (.+)$`, "m"));
  if (!found) throw new Error(`foundry.toml does not set ${name}`);
  return JSON.parse(found[1]);
}

function read(path) {
  return readFileSync(join(root, path.startsWith("@") ? join("node_modules", path) : path), "utf8");
}

function sourceOf(contract) {
  return `${folder}/${contract}.sol`;
}

function compile() {
  const paths = constants.map(([, contract]) => sourceOf(contract));
  const input = {
    language: "Solidity",
    sources: Object.fromEntries(paths.map((path) => [path, { content: read(path) }])),
    settings: {
      evmVersion: setting("evm_version"),
      optimizer: { enabled: setting("optimizer"), runs: setting("optimizer_runs") },
      viaIR: setting("via_ir"),
      metadata: { bytecodeHash: setting("bytecode_hash"), appendCBOR: setting("cbor_metadata") },
      outputSelection: {
        "*": { "*": ["evm.bytecode", "evm.deployedBytecode"] },
      },
    },
  };
  const output = JSON.parse(
    solc.compile(JSON.stringify(input), {
      import: (path) => {
        try {
          return { contents: read(path) };
        } catch (error) {
          return { error: error.message };
        }
      },
    }),
  );
  const problems = (output.errors ?? [])
    .filter(({ errorCode }) => errorCode !== kTransientStorageUsed)
    .map(({ formattedMessage }) => formattedMessage);
  if (problems.length) throw new Error(problems.join("\n"));
  return output.contracts;
}

function code(contracts, [name, contract, kind]) {
  const compiled = contracts[sourceOf(contract)][contract];
  const { object, linkReferences, immutableReferences } = compiled.evm[kind];
  if (!/^([0-9a-f]{2})+$/.test(object) || Object.keys(linkReferences ?? {}).length) {
    throw new Error(`${contract} needs linking`);
  }
  // Code that is placed, not deployed, has never run a constructor that could fill these in.
  if (Object.keys(immutableReferences ?? {}).length) throw new Error(`${contract} has immutables`);
  return `inline constexpr std::string_view ${name} =\n    "0x${object}";\n`;
}

if (!outFile || !constants) {
  console.error("usage: node build.mjs OUT_FILE [src|test]");
  process.exit(1);
}

const contracts = compile();
const header = `// Made by ledger/chain/contracts/build.mjs; do not edit.
#pragma once

#include <string_view>

namespace millrace::ledger::chain::code {

${constants.map((constant) => code(contracts, constant)).join("\n")}
}  // namespace millrace::ledger::chain::code
`;

if (!existsSync(outFile) || readFileSync(outFile, "utf8") !== header) {
  mkdirSync(dirname(outFile), { recursive: true });
  writeFileSync(outFile, header);
}
