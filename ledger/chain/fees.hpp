#pragma once

#include "channel/amount.hpp"
#include "channel/result.hpp"

#include <cstdint>
#include <optional>

namespace millrace::ledger::chain {

/// Wei per gas, as in EIP-1559.
struct Fees {
    channel::Amount max_fee;
    channel::Amount priority_fee;

    friend bool operator==(const Fees&, const Fees&) = default;
};

/// Room for the base fee to double, plus the priority fee; at most `cap`.
Fees fees_for(channel::Amount base_fee, channel::Amount priority_fee, channel::Amount cap);

/// Both fields raised by an eighth, rounded up, or as far as `cap` lets them: nodes take a
/// replacement from 10 % on, of both. Nullopt when `cap` does not leave room for that.
std::optional<Fees> bumped(const Fees& fees, channel::Amount cap);

/// The most that one transaction may use on current mainnets (EIP-7825).
inline constexpr std::uint64_t kGasLimitMax = 16'777'216;

/// An estimate with a quarter and a transfer on top, because state moves between estimate and
/// inclusion; at most `kGasLimitMax`.
std::uint64_t gas_limit_for(std::uint64_t estimate);

/// What a transaction cost, in wei. `amount_out_of_range` beyond 2^128 − 1.
channel::Result<channel::Amount> cost(std::uint64_t gas_used, channel::Amount gas_price);

}  // namespace millrace::ledger::chain
