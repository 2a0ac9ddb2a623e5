#pragma once

#include "channel/amount.hpp"
#include "channel/bytes.hpp"

#include <cstdint>

namespace millrace::channel {

/// ERC-3009 `ReceiveWithAuthorization`: lets `to`, and only it, pull `value` from `from`.
struct ReceiveAuthorization {
    Address from;
    Address to;
    Amount value;
    Word valid_after;
    Word valid_before;
    Word nonce;
};

/// Under the token's own EIP-712 domain.
Digest digest(const Digest& token_separator, const ReceiveAuthorization& authorization);

/// keccak256(abi.encode(bytes32 channelId, uint256 salt)): binds a deposit to its channel
/// (x402-batch-settlement, ERC-3009 deposit).
Word deposit_nonce(const ChannelId& channel_id, const Word& salt);

}  // namespace millrace::channel
