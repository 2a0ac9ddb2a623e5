/** What has to hold of a channel object, whatever its figures are. */
import type { ChannelState } from "./channel_state.js";
import { ServerMismatch } from "./errors.js";
import { type Hex, isSameAddress } from "./reading.js";
import { channelIdOf, type Escrow, isVoucherOf, voucherSignerOf } from "./typed_data.js";

/** It is this channel, on this escrow, and its id is the digest of its configuration. */
export function demandSameChannel(channelId: Hex, escrow: Escrow, found: ChannelState): void {
  const { network, contract } = found.escrow;
  if (network !== escrow.network || !isSameAddress(contract, escrow.contract))
    throw new ServerMismatch("contract", `${contract} on ${network} is not this channel's escrow`);
  if (found.channelId !== channelId || channelIdOf(escrow, found.config) !== channelId)
    throw new ServerMismatch("config", "the configuration is not this channel's");
}

/** The voucher that the service holds is signed by this channel's payer. */
export async function demandOwnVoucher(found: ChannelState): Promise<void> {
  const { channelId, escrow, config, signedMax, signature } = found;
  if ((signature === null) !== (signedMax === 0n))
    throw new ServerMismatch("signature", "a voucher and its signature are there only together");
  if (signature === null) return;
  const voucher = { maxClaimableAmount: signedMax, signature };
  if (!(await isVoucherOf(voucherSignerOf(config), escrow, channelId, voucher)))
    throw new ServerMismatch("signature", `the voucher over ${signedMax} is not signed by this payer`);
}
