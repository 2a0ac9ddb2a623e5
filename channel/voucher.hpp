#pragma once

#include "channel/amount.hpp"
#include "channel/bytes.hpp"

#include <span>

namespace millrace::channel {

/// The payer's promise that up to `max_claimable` in total may be claimed from the channel.
struct Voucher {
    ChannelId channel_id;
    Amount max_claimable;
};

/// The receiver authorizer's consent to pay `amount` back to the payer.
struct Refund {
    ChannelId channel_id;
    Word nonce;
    Amount amount;
};

/// One row of a claim as the receiver authorizer signs it.
struct ClaimEntry {
    ChannelId channel_id;
    Amount max_claimable;
    Amount total_claimed;
};

/// Typed-data digests under the escrow contract's domain (x402-batch-settlement, EIP-712).
Digest digest(const Digest& escrow_separator, const Voucher& voucher);
Digest digest(const Digest& escrow_separator, const Refund& refund);
/// ClaimBatch; an empty batch hashes the empty string.
Digest digest(const Digest& escrow_separator, std::span<const ClaimEntry> claims);

}  // namespace millrace::channel
