#include "ledger/settlement/push.hpp"

#include <algorithm>

namespace millrace::ledger {
namespace {

constexpr std::uint64_t kLooksToRebroadcast = 10;
constexpr std::int64_t kPressingSeconds = 3600;
constexpr std::int64_t kUrgentSeconds = 300;

struct Pace {
    std::uint64_t looks;
    std::uint64_t blocks;
};

Pace pace_of(const std::optional<std::int64_t>& seconds_left) {
    if (!seconds_left || *seconds_left > kPressingSeconds) return {30, 3};
    if (*seconds_left > kUrgentSeconds) return {10, 2};
    return {3, 1};
}

/// At least `raised`, and what the market asks for as far as `cap` lets it.
chain::Fees with_market(const chain::Fees& raised, const PushState& state) {
    const auto max_fee = std::max(raised.max_fee, std::min(state.market.max_fee, state.cap));
    return {max_fee, std::max(raised.priority_fee, std::min(state.market.priority_fee, max_fee))};
}

}  // namespace

PushDecision decide_push(const PushState& state) {
    const auto pace = pace_of(state.seconds_left);
    const bool is_stuck = state.is_next && state.looks >= pace.looks && state.blocks >= pace.blocks;
    const auto raised = is_stuck ? chain::bumped(state.fees, state.cap) : std::nullopt;
    if (raised) return {Push::raise, with_market(*raised, state)};
    // What has waited so long is asked about at each further pace, not at each look.
    if (is_stuck && state.looks % pace.looks == 0) return {Push::at_cap, state.fees};
    if (state.looks % kLooksToRebroadcast == 0) return {Push::rebroadcast, state.fees};
    return {Push::wait, state.fees};
}

}  // namespace millrace::ledger
