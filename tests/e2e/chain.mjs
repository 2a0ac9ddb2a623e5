import { randomBytes } from "node:crypto";
import {
  createPublicClient,
  createWalletClient,
  encodeAbiParameters,
  hashTypedData,
  http,
  keccak256,
  parseAbi,
} from "viem";
import { generatePrivateKey, mnemonicToAccount, privateKeyToAccount } from "viem/accounts";
import { until } from "./client.mjs";

export const kPermit2 = "0x000000000022D473030F116dDEE9F6B43aC78BA3";
export const kPermit2Collector = "0x4020425FAf3B746C082C2f942b4E5159887B0005";
export const kErc3009Collector = "0x4020806089470a89826cB9fB1f4059150b550004";
export const kZeroAddress = "0x0000000000000000000000000000000000000000";

export const escrowAbi = parseAbi([
  "function channels(bytes32 channelId) view returns (uint128 balance, uint128 totalClaimed)",
  "function receivers(address receiver, address token) view returns (uint128 totalClaimed, uint128 totalSettled)",
  "function getChannelId((address payer, address payerAuthorizer, address receiver, address receiverAuthorizer, address token, uint40 withdrawDelay, bytes32 salt) config) view returns (bytes32)",
  "function refundNonce(bytes32 channelId) view returns (uint256)",
  "function pendingWithdrawals(bytes32 channelId) view returns (uint128 amount, uint40 initiatedAt)",
  "function initiateWithdraw((address payer, address payerAuthorizer, address receiver, address receiverAuthorizer, address token, uint40 withdrawDelay, bytes32 salt) config, uint128 amount)",
  "function finalizeWithdraw((address payer, address payerAuthorizer, address receiver, address receiverAuthorizer, address token, uint40 withdrawDelay, bytes32 salt) config)",
  "function deposit((address payer, address payerAuthorizer, address receiver, address receiverAuthorizer, address token, uint40 withdrawDelay, bytes32 salt) config, uint128 amount, address collector, bytes collectorData)",
  "error WithdrawAmountExceedsAvailable()",
  "event Claimed(bytes32 indexed channelId, address indexed sender, uint128 claimAmount, uint128 newTotalClaimed)",
  "event Refunded(bytes32 indexed channelId, address indexed sender, uint128 amount)",
]);
export const tokenAbi = parseAbi([
  "function balanceOf(address holder) view returns (uint256)",
  "function transfer(address to, uint256 amount) returns (bool)",
  "function approve(address spender, uint256 amount) returns (bool)",
]);

const channelConfigType = [
  { name: "payer", type: "address" },
  { name: "payerAuthorizer", type: "address" },
  { name: "receiver", type: "address" },
  { name: "receiverAuthorizer", type: "address" },
  { name: "token", type: "address" },
  { name: "withdrawDelay", type: "uint40" },
  { name: "salt", type: "bytes32" },
];
const voucherType = [
  { name: "channelId", type: "bytes32" },
  { name: "maxClaimableAmount", type: "uint128" },
];
const receiveWithAuthorizationType = [
  { name: "from", type: "address" },
  { name: "to", type: "address" },
  { name: "value", type: "uint256" },
  { name: "validAfter", type: "uint256" },
  { name: "validBefore", type: "uint256" },
  { name: "nonce", type: "bytes32" },
];

const permitWitnessTransferFromTypes = {
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

/** "eip155:31337" → 31337 */
export function chainIdOf(network) {
  return Number(network.split(":")[1]);
}

function escrowDomain(network, contract) {
  return {
    name: "x402 Batch Settlement",
    version: "1",
    chainId: chainIdOf(network),
    verifyingContract: contract,
  };
}

export function channelIdOf({ network, contract, config }) {
  return hashTypedData({
    domain: escrowDomain(network, contract),
    types: { ChannelConfig: channelConfigType },
    primaryType: "ChannelConfig",
    message: config,
  });
}

function voucherData({ network, contract, channelId, maxClaimableAmount }) {
  return {
    domain: escrowDomain(network, contract),
    types: { Voucher: voucherType },
    primaryType: "Voucher",
    message: { channelId, maxClaimableAmount: BigInt(maxClaimableAmount) },
  };
}

export function voucherDigest(voucher) {
  return hashTypedData(voucherData(voucher));
}

/** @returns {Promise<`0x${string}`>} 65 bytes, r ‖ s ‖ v */
export function signVoucher(account, voucher) {
  return account.signTypedData(voucherData(voucher));
}

/** The `deposit` of channel.open and channel.topUp: an ERC-3009 authorization of the payer. */
export async function signDeposit(account, { network, token, channelId, amount, overrides = {} }) {
  const salt = `0x${randomBytes(32).toString("hex")}`;
  const validAfter = overrides.validAfter ?? 0n;
  const validBefore = overrides.validBefore ?? BigInt(Math.floor(Date.now() / 1000) + 3600);
  const signature = await account.signTypedData({
    domain: {
      name: token.name,
      version: token.version,
      chainId: chainIdOf(network),
      verifyingContract: token.address,
    },
    types: { ReceiveWithAuthorization: receiveWithAuthorizationType },
    primaryType: "ReceiveWithAuthorization",
    message: {
      from: account.address,
      to: overrides.to ?? kErc3009Collector,
      value: BigInt(overrides.signedAmount ?? amount),
      validAfter,
      validBefore,
      nonce: keccak256(
        encodeAbiParameters([{ type: "bytes32" }, { type: "uint256" }], [channelId, BigInt(salt)]),
      ),
    },
  });
  return {
    amount: String(amount),
    authorization: {
      erc3009Authorization: {
        validAfter: String(validAfter),
        validBefore: String(validBefore),
        salt,
        signature,
      },
    },
  };
}

/**
 * The same by Permit2, which the payer must have approved for the token. `overrides` changes what is
 * signed, `given` what is sent.
 */
export async function signPermit2Deposit(
  account,
  { network, token, channelId, amount, overrides = {}, given = {} },
) {
  const message = {
    permitted: { token: token.address, amount: String(amount) },
    spender: kPermit2Collector,
    nonce: BigInt(`0x${randomBytes(32).toString("hex")}`).toString(),
    deadline: String(Math.floor(Date.now() / 1000) + 3600),
    witness: { channelId },
    ...overrides,
  };
  const signature = await account.signTypedData({
    domain: { name: "Permit2", chainId: chainIdOf(network), verifyingContract: kPermit2 },
    types: permitWitnessTransferFromTypes,
    primaryType: "PermitWitnessTransferFrom",
    message,
  });
  return {
    amount: String(amount),
    authorization: {
      permit2Authorization: { from: account.address, ...message, signature, ...given },
    },
  };
}

/** An account that nobody has ever heard of, and that holds nothing. */
export function newAccount() {
  return privateKeyToAccount(generatePrivateKey());
}

/** Account `index` of the development chain's mnemonic, which holds tokens. */
export function devAccount(index) {
  const mnemonic = "test test test test test test test test test test test junk";
  return mnemonicToAccount(mnemonic, { addressIndex: index });
}

/** Reads and, for holders of coin, writes of the development chain. */
export class Chain {
  constructor({ rpc, network, contract, token }) {
    this.contract = contract;
    this.token = token;
    this.chain = {
      id: chainIdOf(network),
      name: "development",
      nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
      rpcUrls: { default: { http: [rpc] } },
    };
    this.rpc = createPublicClient({ chain: this.chain, transport: http(rpc) });
  }

  tokenBalance(holder) {
    return this.rpc.readContract({
      address: this.token,
      abi: tokenAbi,
      functionName: "balanceOf",
      args: [holder],
    });
  }

  async channel(channelId) {
    const [balance, totalClaimed] = await this.rpc.readContract({
      address: this.contract,
      abi: escrowAbi,
      functionName: "channels",
      args: [channelId],
    });
    return { balance, totalClaimed };
  }

  async refundNonce(channelId) {
    return this.rpc.readContract({
      address: this.contract,
      abi: escrowAbi,
      functionName: "refundNonce",
      args: [channelId],
    });
  }

  /** The amounts of all refunds of a channel, in the order of the chain. */
  async refunds(channelId) {
    const logs = await this.rpc.getContractEvents({
      address: this.contract,
      abi: escrowAbi,
      eventName: "Refunded",
      args: { channelId },
      fromBlock: 0n,
    });
    return logs.map(({ args }) => args.amount);
  }

  /** How often a channel was claimed. */
  async claims(channelId) {
    const logs = await this.rpc.getContractEvents({
      address: this.contract,
      abi: escrowAbi,
      eventName: "Claimed",
      args: { channelId },
      fromBlock: 0n,
    });
    return logs.length;
  }

  /** A payer's own transaction to the escrow contract, once it is mined. */
  async transact(account, functionName, args) {
    const wallet = createWalletClient({ account, chain: this.chain, transport: http() });
    const hash = await wallet.writeContract({
      address: this.contract,
      abi: escrowAbi,
      functionName,
      args,
    });
    const receipt = await this.receipt(hash);
    if (receipt.status !== "success") throw new Error(`${functionName} was reverted`);
    return receipt;
  }

  /** viem's own wait asks again at each new block only, and there may never be another one here. */
  receipt(hash) {
    return until(
      () => this.rpc.request({ method: "eth_getTransactionReceipt", params: [hash] }),
      (receipt) => receipt !== null,
      { what: `receipt of ${hash}`, milliseconds: 60_000 },
    ).then((receipt) => ({
      status: receipt.status === "0x1" ? "success" : "reverted",
      blockNumber: BigInt(receipt.blockNumber),
      contractAddress: receipt.contractAddress,
    }));
  }

  /** A signed deposit (`signDeposit`), brought to the escrow by `account` and not by the service. */
  deposit(account, config, { amount, authorization: { erc3009Authorization: signed } }) {
    const data = encodeAbiParameters(
      [{ type: "uint256" }, { type: "uint256" }, { type: "uint256" }, { type: "bytes" }],
      [BigInt(signed.validAfter), BigInt(signed.validBefore), BigInt(signed.salt), signed.signature],
    );
    return this.transact(account, "deposit", [config, BigInt(amount), kErc3009Collector, data]);
  }

  /** Whether a development chain makes a block for each transaction; if it does again, one at once. */
  async mineByItself(wanted) {
    await this.rpc.request({ method: "evm_setAutomine", params: [wanted] });
    if (wanted) await this.rpc.request({ method: "evm_mine", params: [] });
  }

  /** Moves the clock of a development chain. */
  async passTime(seconds) {
    await this.rpc.request({ method: "evm_increaseTime", params: [seconds] });
    await this.rpc.request({ method: "evm_mine", params: [] });
  }

  /** Unix seconds of a block; of the newest, when none is named. */
  async time(blockNumber) {
    return (await this.rpc.getBlock({ blockNumber })).timestamp;
  }

  /** Gives `to` tokens of `from`, an account with coin. */
  giveTokens(from, to, amount) {
    return this.write(from, "transfer", [to, BigInt(amount)]);
  }

  /** Lets `spender` move tokens of `from`, an account with coin. */
  approve(from, spender, amount) {
    return this.write(from, "approve", [spender, BigInt(amount)]);
  }

  /** A call of the token by `from`, mined. */
  async write(from, functionName, args) {
    const wallet = createWalletClient({ account: from, chain: this.chain, transport: http() });
    const call = { address: this.token, abi: tokenAbi, functionName, args };
    const hash = await wallet.writeContract(call);
    await this.receipt(hash);
  }
}
