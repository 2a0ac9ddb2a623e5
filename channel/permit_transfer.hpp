#pragma once

#include "channel/amount.hpp"
#include "channel/bytes.hpp"

#include <cstdint>

namespace millrace::channel {

/// Permit2's `PermitWitnessTransferFrom` with x402's `DepositWitness`: lets `spender`, and only it,
/// move `amount` of `token` from its signer into the channel (x402-batch-settlement, Permit2
/// deposit).
struct PermitTransfer {
    Address token;
    Amount amount;
    Address spender;
    /// Used once, in any order.
    Word nonce;
    /// Unix seconds, the last moment at which it is good.
    Word deadline;
    ChannelId channel_id;
};

/// Of Permit2's EIP-712 domain, which is named "Permit2" and has no version.
Digest permit2_separator(std::uint64_t chain_id, const Address& permit2);

/// Under that domain.
Digest digest(const Digest& permit2_separator, const PermitTransfer& transfer);

}  // namespace millrace::channel
