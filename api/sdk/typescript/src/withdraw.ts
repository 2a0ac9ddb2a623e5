/**
 * The payer's way out that needs nobody: after the channel's delay, what is not claimed comes back from the contract.
 * Everything that it takes is in the channel's configuration, which the storage keeps.
 */
import { parseAbi, type WalletClient } from "viem";
import type { Hex } from "./reading.js";
import { channelIdOf, type ChannelConfig, type Escrow } from "./typed_data.js";

const kConfig =
  "(address payer, address payerAuthorizer, address receiver, address receiverAuthorizer, address token, uint40 withdrawDelay, bytes32 salt) config";
const kAbi = parseAbi([
  "function channels(bytes32 channelId) view returns (uint128 balance, uint128 totalClaimed)",
  "function pendingWithdrawals(bytes32 channelId) view returns (uint128 amount, uint40 initiatedAt)",
  `function initiateWithdraw(${kConfig}, uint128 amount)`,
  `function finalizeWithdraw(${kConfig})`,
]);

/** Reads a chain: a PublicClient of viem, of whatever chain. */
export interface ChainReader {
  chain?: { id: number } | undefined;
  readContract(parameters: never): Promise<unknown>;
}

async function readPair<Second>(
  client: ChainReader,
  { escrow, config }: EscrowedChannel,
  functionName: "channels" | "pendingWithdrawals",
): Promise<readonly [bigint, Second]> {
  const call = { address: escrow.contract, abi: kAbi, functionName, args: [channelIdOf(escrow, config)] };
  return (await client.readContract(call as never)) as readonly [bigint, Second];
}

/** A channel by what it is on the chain: a `Channel`, or a record from the storage. */
export interface EscrowedChannel {
  readonly escrow: Escrow;
  readonly config: ChannelConfig;
}

export interface EscrowedMoney {
  /** Deposits less refunds and withdrawals. */
  balance: bigint;
  totalClaimed: bigint;
}

/** What the contract itself says of a channel. */
export async function readEscrow(client: ChainReader, channel: EscrowedChannel): Promise<EscrowedMoney> {
  const [balance, totalClaimed] = await readPair<bigint>(client, channel, "channels");
  return { balance, totalClaimed };
}

export interface PendingWithdrawal {
  amount: bigint;
  /** Unix seconds. */
  availableAt: bigint;
}

export async function readWithdrawal(
  client: ChainReader,
  channel: EscrowedChannel,
): Promise<PendingWithdrawal | undefined> {
  const [amount, initiatedAt] = await readPair<number>(client, channel, "pendingWithdrawals");
  if (initiatedAt === 0) return undefined;
  return { amount, availableAt: BigInt(initiatedAt) + BigInt(channel.config.withdrawDelay) };
}

/**
 * Begins the withdrawal of at most `amount`; the provider has the channel's withdrawDelay to claim what it earned. Gives the
 * transaction's hash. The payer, or its authorizer, pays for the gas.
 */
export function initiateWithdraw(
  wallet: WalletClient,
  { escrow, config }: EscrowedChannel,
  amount: bigint,
): Promise<Hex> {
  return wallet.writeContract({
    account: accountOf(wallet),
    chain: wallet.chain,
    address: escrow.contract,
    abi: kAbi,
    functionName: "initiateWithdraw",
    args: [config, amount],
  });
}

/** Ends it, once it is available; what was claimed meanwhile stays with the provider. */
export function finalizeWithdraw(wallet: WalletClient, { escrow, config }: EscrowedChannel): Promise<Hex> {
  return wallet.writeContract({
    account: accountOf(wallet),
    chain: wallet.chain,
    address: escrow.contract,
    abi: kAbi,
    functionName: "finalizeWithdraw",
    args: [config],
  });
}

function accountOf({ account }: WalletClient): NonNullable<WalletClient["account"]> {
  if (!account) throw new TypeError("the wallet client has no account: createWalletClient({ account, … })");
  return account;
}
