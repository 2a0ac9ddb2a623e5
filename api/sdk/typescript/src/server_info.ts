/** What the service says of itself, and that it stays the same over all connections. */
import { ServerMismatch } from "./errors.js";
import type { TransferMethod } from "./deposit.js";
import {
  type Hex,
  isSameAddress,
  readAddress,
  readList,
  readMembers,
  readNumber,
  readText,
} from "./reading.js";

export interface Token {
  address: Hex;
  /** With `version`: the token's own EIP-712 domain. */
  name: string;
  version: string;
  decimals: number;
  symbol: string;
  assetTransferMethods: readonly TransferMethod[];
}

export interface Network {
  /** CAIP-2. */
  network: string;
  /** The escrow. */
  contract: Hex;
  tokens: readonly Token[];
  receiverAuthorizer: Hex;
  /** Seconds that a channel's withdrawDelay has to be within. */
  withdrawDelay: { min: number; max: number };
}

export interface ServerInfo {
  name: string;
  version: string;
  networks: readonly Network[];
  limits: { inFlightMax: number; idleTimeoutSeconds: number };
}

function readToken(value: unknown): Token {
  const members = readMembers(value, "tokens");
  const methods = readList(members, "assetTransferMethods");
  return {
    address: readAddress(members, "address"),
    name: readText(members, "name"),
    version: readText(members, "version"),
    decimals: readNumber(members, "decimals"),
    symbol: readText(members, "symbol"),
    assetTransferMethods: methods.filter(
      (method): method is TransferMethod => method === "eip3009" || method === "permit2",
    ),
  };
}

function readNetwork(value: unknown): Network {
  const members = readMembers(value, "networks");
  const delay = readMembers(members.withdrawDelay, "withdrawDelay");
  return {
    network: readText(members, "network"),
    contract: readAddress(members, "contract"),
    tokens: readList(members, "tokens").map(readToken),
    receiverAuthorizer: readAddress(members, "receiverAuthorizer"),
    withdrawDelay: { min: readNumber(delay, "min"), max: readNumber(delay, "max") },
  };
}

export function readServerInfo(value: unknown): ServerInfo {
  const members = readMembers(value, "server.info");
  const limits = readMembers(members.limits, "limits");
  return {
    name: readText(members, "name"),
    version: readText(members, "version"),
    networks: readList(members, "networks").map(readNetwork),
    limits: {
      inFlightMax: readNumber(limits, "inFlightMax"),
      idleTimeoutSeconds: readNumber(limits, "idleTimeoutSeconds"),
    },
  };
}

/** The contract holds the money and is in the domain of every signature: it is never the service's choice. */
export function checkContract({ networks }: ServerInfo, contract: Hex): void {
  for (const { network, contract: told } of networks) {
    if (!isSameAddress(told, contract))
      throw new ServerMismatch(
        "contract",
        `the escrow on ${network} is ${told} for the service, and ${contract} here`,
      );
  }
}

/** A later connection may add networks and tokens, and change none. */
export function checkUnchanged(before: ServerInfo, after: ServerInfo): void {
  for (const network of before.networks) {
    const same = after.networks.find((one) => one.network === network.network);
    if (!same) continue;
    for (const token of network.tokens) {
      const found = same.tokens.find(({ address }) => isSameAddress(address, token.address));
      if (
        found &&
        (found.name !== token.name || found.decimals !== token.decimals || found.symbol !== token.symbol)
      )
        throw new ServerMismatch("tokens", `token ${token.address} is another one than before`);
    }
    if (!isSameAddress(same.receiverAuthorizer, network.receiverAuthorizer))
      throw new ServerMismatch("receiverAuthorizer", `that of ${network.network} is another one than before`);
  }
}
