#pragma once

#include "channel/bytes.hpp"
#include "channel/error.hpp"
#include "channel/result.hpp"

#include <cstdint>

namespace millrace::channel {

/// Who pays whom in what, fixed for the life of a channel: the contract's `ChannelConfig`.
struct ChannelConfig {
    Address payer{};
    /// Signs vouchers; zero: the payer itself does.
    Address payer_authorizer{};
    Address receiver{};
    /// Signs claims and refunds for the receiver.
    Address receiver_authorizer{};
    Address token{};
    std::uint64_t withdraw_delay_seconds = 0;
    Salt salt{};

    friend bool operator==(const ChannelConfig&, const ChannelConfig&) = default;
};

/// The contract's own limits (x402-batch-settlement, deposit).
inline constexpr std::uint64_t kWithdrawDelaySecondsMin = 900;
inline constexpr std::uint64_t kWithdrawDelaySecondsMax = 2'592'000;

/// What the contract demands of a configuration: payer, receiver, receiver authorizer and token
/// not zero, delay in range. `receiver_mismatch`, `receiver_authorizer_mismatch`,
/// `token_mismatch`, `invalid_params`, `withdraw_delay_out_of_range`.
Result<void> check_config(const ChannelConfig& config);

/// The address whose key signs the channel's vouchers.
const Address& voucher_signer(const ChannelConfig& config);

Digest struct_hash(const ChannelConfig& config);
/// The full typed-data digest of the configuration (x402-batch-settlement, EIP-712).
ChannelId channel_id(const Digest& escrow_separator, const ChannelConfig& config);

}  // namespace millrace::channel
