import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { concat, createWalletClient, hashMessage, hashTypedData, http, parseAbi } from "viem";

export const walletAbi = parseAbi(["constructor(address first, address second)", "function close()"]);

/** The creation code of the tests' wallet, compiled by the contracts' own build. */
function walletCode() {
  const folder = mkdtempSync(join(tmpdir(), "millrace-wallet-"));
  try {
    const build = fileURLToPath(
      new URL("../../ledger/chain/contracts/build.mjs", import.meta.url),
    );
    const header = join(folder, "wallet_code.hpp");
    execFileSync(process.execPath, [build, header, "test"]);
    return readFileSync(header, "utf8").match(/"(0x[0-9a-f]+)"/)[1];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A contract that pays: what it signs, its owners sign one after the other. */
export class WalletAccount {
  constructor(address, owners) {
    this.address = address;
    this.owners = owners;
  }

  async #sign(hash) {
    return concat(await Promise.all(this.owners.map((owner) => owner.sign({ hash }))));
  }

  signMessage({ message }) {
    return this.#sign(hashMessage(message));
  }

  signTypedData(data) {
    return this.#sign(hashTypedData(data));
  }
}

/** One that holds `tokens`, sent for by `deployer`. */
export async function deployWallet(chain, deployer, owners, tokens) {
  const client = createWalletClient({ account: deployer, chain: chain.chain, transport: http() });
  const hash = await client.deployContract({
    abi: walletAbi,
    bytecode: walletCode(),
    args: owners.map(({ address }) => address),
  });
  const { contractAddress } = await chain.receipt(hash);
  await chain.giveTokens(deployer, contractAddress, tokens);
  return new WalletAccount(contractAddress, owners);
}
