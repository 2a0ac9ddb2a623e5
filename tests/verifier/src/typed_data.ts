/** EIP-712 of the x402 batch-settlement escrow: the id of a channel, and what a voucher's signer signs. */
import { keccak_256 } from "@noble/hashes/sha3";

export interface ChannelConfig {
  payer: string;
  payerAuthorizer: string;
  receiver: string;
  receiverAuthorizer: string;
  token: string;
  withdrawDelay: number;
  salt: string;
}

const hashOfText = (text: string): Buffer => Buffer.from(keccak_256(Buffer.from(text)));

const kDomainType = hashOfText(
  "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)",
);
const kConfigType = hashOfText(
  "ChannelConfig(address payer,address payerAuthorizer,address receiver,address receiverAuthorizer," +
    "address token,uint40 withdrawDelay,bytes32 salt)",
);
const kVoucherType = hashOfText("Voucher(bytes32 channelId,uint128 maxClaimableAmount)");
const kName = hashOfText("x402 Batch Settlement");
const kVersion = hashOfText("1");

/** 32 bytes of a number below 2^256. */
export function word(number: bigint): Buffer {
  return Buffer.from(number.toString(16).padStart(64, "0"), "hex");
}

function padded(hex: string): Buffer {
  return Buffer.from(hex.slice(2).padStart(64, "0"), "hex");
}

function hash(...parts: Uint8Array[]): Buffer {
  return Buffer.from(keccak_256(Buffer.concat(parts)));
}

export function domainSeparator(chainId: bigint, contract: string): Buffer {
  return hash(kDomainType, kName, kVersion, word(chainId), padded(contract));
}

function digest(domain: Buffer, struct: Buffer): Buffer {
  return hash(Buffer.of(0x19, 0x01), domain, struct);
}

export function channelId(domain: Buffer, config: ChannelConfig): string {
  const { payer, payerAuthorizer, receiver, receiverAuthorizer, token, withdrawDelay, salt } = config;
  const addresses = [payer, payerAuthorizer, receiver, receiverAuthorizer, token].map(padded);
  const struct = hash(kConfigType, ...addresses, word(BigInt(withdrawDelay)), padded(salt));
  return `0x${digest(domain, struct).toString("hex")}`;
}

export function voucherDigest(domain: Buffer, id: string, maxClaimable: bigint): Buffer {
  return digest(domain, hash(kVoucherType, padded(id), word(maxClaimable)));
}
