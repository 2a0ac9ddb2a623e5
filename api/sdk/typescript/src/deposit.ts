/** Gasless deposits: what the payer signs so that anybody may carry the tokens into its channel. */
import { encodeAbiParameters, keccak256 } from "viem";
import type { Account } from "./account.js";
import { randomHash } from "./random.js";
import type { Hex } from "./reading.js";
import { chainIdOf } from "./typed_data.js";

const kErc3009Collector: Hex = "0x4020806089470a89826cB9fB1f4059150b550004";
const kPermit2Collector: Hex = "0x4020425FAf3B746C082C2f942b4E5159887B0005";
/** Has to be approved for the token by the payer once, before Permit2 is used. */
export const kPermit2: Hex = "0x000000000022D473030F116dDEE9F6B43aC78BA3";

/** How the tokens are moved: by the token's own ERC-3009, or by Permit2. */
export type TransferMethod = "eip3009" | "permit2";

export interface DepositTerms {
  network: string;
  /** The token with its own EIP-712 domain; Permit2 needs only the address. */
  token: { address: Hex; name: string; version: string };
  channelId: Hex;
  amount: bigint;
  /** Unix seconds. */
  validBefore: number;
  method: TransferMethod;
}

/** As channel.open, channel.topUp and x402 carry it. */
export interface Deposit {
  amount: string;
  authorization: Readonly<Record<string, unknown>>;
}

const kReceiveType = [
  { name: "from", type: "address" },
  { name: "to", type: "address" },
  { name: "value", type: "uint256" },
  { name: "validAfter", type: "uint256" },
  { name: "validBefore", type: "uint256" },
  { name: "nonce", type: "bytes32" },
];
const kPermitTypes = {
  PermitWitnessTransferFrom: [
    { name: "permitted", type: "TokenPermissions" },
    { name: "spender", type: "address" },
    { name: "nonce", type: "uint256" },
    { name: "deadline", type: "uint256" },
    { name: "witness", type: "DepositWitness" },
  ],
  TokenPermissions: [
    { name: "token", type: "address" },
    { name: "amount", type: "uint256" },
  ],
  DepositWitness: [{ name: "channelId", type: "bytes32" }],
};

/** The nonce binds the authorization to the channel: it can pay into no other. */
export function erc3009Nonce(channelId: Hex, salt: bigint): Hex {
  return keccak256(encodeAbiParameters([{ type: "bytes32" }, { type: "uint256" }], [channelId, salt]));
}

async function signErc3009(payer: Account, terms: DepositTerms, salt: Hex): Promise<Deposit> {
  const { network, token, channelId, amount, validBefore } = terms;
  const signature = await payer.signTypedData({
    domain: {
      name: token.name,
      version: token.version,
      chainId: chainIdOf(network),
      verifyingContract: token.address,
    },
    types: { ReceiveWithAuthorization: kReceiveType },
    primaryType: "ReceiveWithAuthorization",
    message: {
      from: payer.address,
      to: kErc3009Collector,
      value: amount,
      validAfter: 0n,
      validBefore: BigInt(validBefore),
      nonce: erc3009Nonce(channelId, BigInt(salt)),
    },
  });
  const erc3009Authorization = { validAfter: "0", validBefore: String(validBefore), salt, signature };
  return { amount: String(amount), authorization: { erc3009Authorization } };
}

async function signPermit2(payer: Account, terms: DepositTerms, salt: Hex): Promise<Deposit> {
  const { network, token, channelId, amount, validBefore } = terms;
  const nonce = BigInt(salt);
  const deadline = BigInt(validBefore);
  const signature = await payer.signTypedData({
    domain: { name: "Permit2", chainId: chainIdOf(network), verifyingContract: kPermit2 },
    types: kPermitTypes,
    primaryType: "PermitWitnessTransferFrom",
    message: {
      permitted: { token: token.address, amount },
      spender: kPermit2Collector,
      nonce,
      deadline,
      witness: { channelId },
    },
  });
  const permit2Authorization = {
    from: payer.address,
    permitted: { token: token.address, amount: String(amount) },
    spender: kPermit2Collector,
    nonce: String(nonce),
    deadline: String(deadline),
    witness: { channelId },
    signature,
  };
  return { amount: String(amount), authorization: { permit2Authorization } };
}

/** `salt` makes the deposit one of its own: the same one again is the same deposit. */
export function signDeposit(payer: Account, terms: DepositTerms, salt: Hex = randomHash()): Promise<Deposit> {
  return terms.method === "permit2" ? signPermit2(payer, terms, salt) : signErc3009(payer, terms, salt);
}
