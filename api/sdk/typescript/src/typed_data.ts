/** EIP-712 of the x402 batch-settlement escrow: channel ids, vouchers, and whose signature one is. */
import { hashTypedData, recoverAddress, zeroAddress } from "viem";
import type { Account, TypedDataToSign } from "./account.js";
import { type Hex, isSameAddress } from "./reading.js";

/** The escrow contract's address, the same on every supported chain. */
export const kEscrow: Hex = "0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003";

/** Who pays whom in what; fixed for the life of a channel. */
export interface ChannelConfig {
  payer: Hex;
  /** Signs vouchers; zero: the payer itself. */
  payerAuthorizer: Hex;
  receiver: Hex;
  receiverAuthorizer: Hex;
  token: Hex;
  /** Seconds. */
  withdrawDelay: number;
  salt: Hex;
}

/** Where a channel's money is: a chain by its CAIP-2 name, and the escrow contract on it. */
export interface Escrow {
  network: string;
  contract: Hex;
}

const kConfigType = [
  { name: "payer", type: "address" },
  { name: "payerAuthorizer", type: "address" },
  { name: "receiver", type: "address" },
  { name: "receiverAuthorizer", type: "address" },
  { name: "token", type: "address" },
  { name: "withdrawDelay", type: "uint40" },
  { name: "salt", type: "bytes32" },
];
const kVoucherType = [
  { name: "channelId", type: "bytes32" },
  { name: "maxClaimableAmount", type: "uint128" },
];

/** "eip155:8453" → 8453 */
export function chainIdOf(network: string): number {
  const found = /^eip155:([1-9][0-9]{0,15})$/.exec(network);
  if (!found) throw new TypeError(`${network} is not an EVM network in CAIP-2 form (eip155:8453)`);
  return Number(found[1]);
}

const domainOf = ({ network, contract }: Escrow): Record<string, unknown> => ({
  name: "x402 Batch Settlement",
  version: "1",
  chainId: chainIdOf(network),
  verifyingContract: contract,
});

export function hashOf(data: TypedDataToSign): Hex {
  return hashTypedData(data as Parameters<typeof hashTypedData>[0]);
}

/** The id of a channel: the digest of its configuration. */
export function channelIdOf(escrow: Escrow, config: ChannelConfig): Hex {
  return hashOf({
    domain: domainOf(escrow),
    types: { ChannelConfig: kConfigType },
    primaryType: "ChannelConfig",
    message: { ...config },
  });
}

export function voucherData(escrow: Escrow, channelId: Hex, maxClaimableAmount: bigint): TypedDataToSign {
  return {
    domain: domainOf(escrow),
    types: { Voucher: kVoucherType },
    primaryType: "Voucher",
    message: { channelId, maxClaimableAmount },
  };
}

/** What the payer has promised: up to `maxClaimableAmount` in all may be claimed of the channel. */
export interface Voucher {
  maxClaimableAmount: bigint;
  signature: Hex;
}

/** As it stands in requests. */
export const wireVoucher = ({ maxClaimableAmount, signature }: Voucher) => ({
  maxClaimableAmount: String(maxClaimableAmount),
  signature,
});

export async function signVoucher(
  signer: Account,
  escrow: Escrow,
  channelId: Hex,
  maxClaimableAmount: bigint,
): Promise<Voucher> {
  const signature = await signer.signTypedData(voucherData(escrow, channelId, maxClaimableAmount));
  return { maxClaimableAmount, signature };
}

/** Whether `signer` made the voucher's signature. */
export async function isVoucherOf(
  signer: Hex,
  escrow: Escrow,
  channelId: Hex,
  voucher: Voucher,
): Promise<boolean> {
  const hash = hashOf(voucherData(escrow, channelId, voucher.maxClaimableAmount));
  try {
    return isSameAddress(await recoverAddress({ hash, signature: voucher.signature }), signer);
  } catch {
    return false;
  }
}

/** Whose signature a channel's vouchers need. */
export function voucherSignerOf({ payer, payerAuthorizer }: ChannelConfig): Hex {
  return isSameAddress(payerAuthorizer, zeroAddress) ? payer : payerAuthorizer;
}
