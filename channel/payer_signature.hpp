#pragma once

#include "channel/amount.hpp"
#include "channel/bytes.hpp"
#include "channel/config.hpp"
#include "channel/voucher_signature.hpp"

namespace millrace::channel {

/// Whether the channel's voucher signer made this signature over `max_claimable`, v included, as
/// the contract checks it (x402-batch-settlement, "Voucher signer"). Never true of a signature that
/// only a contract can judge (ERC-1271).
bool is_signed_by_payer(const ChannelConfig& config, const Digest& escrow_separator,
                        const ChannelId& id, Amount max_claimable,
                        const VoucherSignature& signature);

}  // namespace millrace::channel
