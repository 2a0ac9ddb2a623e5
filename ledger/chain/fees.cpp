#include "ledger/chain/fees.hpp"

#include "channel/error.hpp"

#include <algorithm>

namespace millrace::ledger::chain {
namespace {

using channel::Amount;
using channel::Uint128;

constexpr std::uint64_t kTransferGas = 60'000;
constexpr std::uint64_t kLeastPart = 10;
constexpr std::uint64_t kUsualPart = 8;

/// Raised by that part of itself, rounded up, and by one at least.
std::optional<Amount> raised_by(Amount amount, std::uint64_t part) {
    const auto units = amount.units();
    const auto rounded_up = units / part + (units % part == 0 ? 0 : 1);
    const auto raised = channel::add(amount, Amount{std::max<Uint128>(rounded_up, 1)});
    if (!raised) return std::nullopt;
    return *raised;
}

std::optional<Amount> raised_within(Amount amount, Amount most) {
    const auto enough = raised_by(amount, kLeastPart);
    const auto wanted = raised_by(amount, kUsualPart);
    if (!enough || *enough > most) return std::nullopt;
    return wanted ? std::min(*wanted, most) : most;
}

}  // namespace

Fees fees_for(Amount base_fee, Amount priority_fee, Amount cap) {
    const auto doubled = channel::add(base_fee, base_fee);
    const auto wanted = doubled ? channel::add(*doubled, priority_fee) : doubled;
    const auto max_fee = wanted ? std::min(*wanted, cap) : cap;
    return {max_fee, std::min(priority_fee, max_fee)};
}

std::optional<Fees> bumped(const Fees& fees, Amount cap) {
    const auto max_fee = raised_within(fees.max_fee, cap);
    if (!max_fee) return std::nullopt;
    const auto priority_fee = raised_within(fees.priority_fee, *max_fee);
    if (!priority_fee) return std::nullopt;
    return Fees{*max_fee, *priority_fee};
}

std::uint64_t gas_limit_for(std::uint64_t estimate) {
    if (estimate >= kGasLimitMax) return kGasLimitMax;
    return std::min(estimate + estimate / 4 + kTransferGas, kGasLimitMax);
}

channel::Result<Amount> cost(std::uint64_t gas_used, Amount gas_price) {
    if (gas_used != 0 && gas_price.units() > Amount::max().units() / gas_used) {
        return channel::Error::amount_out_of_range;
    }
    return Amount{gas_price.units() * Uint128{gas_used}};
}

}  // namespace millrace::ledger::chain
