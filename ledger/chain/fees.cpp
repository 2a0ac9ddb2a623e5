#include "ledger/chain/fees.hpp"

#include "channel/error.hpp"

#include <algorithm>

namespace millrace::ledger::chain {
namespace {

using channel::Amount;
using channel::Uint128;

constexpr std::uint64_t kTransferGas = 60'000;

std::optional<Amount> raised_by_an_eighth(Amount amount) {
    const auto units = amount.units();
    const auto raised = channel::add(amount, Amount{units / 8 + (units % 8 == 0 ? 0 : 1)});
    if (!raised) return std::nullopt;
    return std::max(*raised, Amount{units + 1});
}

}  // namespace

Fees fees_for(Amount base_fee, Amount priority_fee, Amount cap) {
    const auto doubled = channel::add(base_fee, base_fee);
    const auto wanted = doubled ? channel::add(*doubled, priority_fee) : doubled;
    const auto max_fee = wanted ? std::min(*wanted, cap) : cap;
    return {max_fee, std::min(priority_fee, max_fee)};
}

std::optional<Fees> bumped(const Fees& fees, Amount cap) {
    const auto max_fee = raised_by_an_eighth(fees.max_fee);
    const auto priority_fee = raised_by_an_eighth(fees.priority_fee);
    if (!max_fee || !priority_fee || *max_fee > cap) return std::nullopt;
    return Fees{*max_fee, std::min(*priority_fee, *max_fee)};
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
