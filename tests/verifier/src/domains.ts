/** The EIP-712 domain of each network's escrow, which channel ids and vouchers are signed under. */
import { domainSeparator } from "./typed_data.ts";

/** Where the escrow is on every public chain; the guess for a network that is not configured any more. */
export const kCanonicalEscrow = "0x4020074e9df2ce1dee5a9c1b5c3f541d02a10003";

/** "eip155:8453" → 8453 */
export function chainIdOf(network: string): bigint | undefined {
  const parts = /^eip155:([1-9][0-9]{0,18})$/.exec(network);
  return parts ? BigInt(parts[1]!) : undefined;
}

export class Domains {
  private readonly contracts: Map<string, string>;
  private readonly domains = new Map<string, Buffer>();

  /** `trusted`: the contracts that the auditor names, by network. */
  constructor(trusted: ReadonlyMap<string, string>) {
    this.contracts = new Map(trusted);
  }

  /** False if the export names another contract than before, or than the auditor. */
  add(network: string, contract: string): boolean {
    const known = this.contracts.get(network);
    if (known === undefined) this.contracts.set(network, contract);
    return known === undefined || known === contract;
  }

  isGuessed(network: string): boolean {
    return !this.contracts.has(network);
  }

  of(network: string): Buffer | undefined {
    const known = this.domains.get(network);
    const chainId = chainIdOf(network);
    if (known || chainId === undefined) return known;
    const domain = domainSeparator(chainId, this.contracts.get(network) ?? kCanonicalEscrow);
    this.domains.set(network, domain);
    return domain;
  }
}
