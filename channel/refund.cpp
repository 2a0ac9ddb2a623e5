#include "channel/refund.hpp"

#include <algorithm>

namespace millrace::channel {

/// Guards: open, no other refund, no doubt, voucher, something left, amount.
Decision<RefundBegun> decide(const State& state, const AskRefund& command) {
    if (state.status == Status::closing) return Error::channel_closing;
    if (state.status != Status::open) return Error::channel_not_open;
    if (!state.refunding.is_zero() || state.in_doubt) return Error::channel_busy;
    if (command.voucher.max_claimable != state.charged) {
        return Refusal{Error::cumulative_amount_mismatch, state.charged};
    }
    const auto unspent = subtract(state.balance, state.charged);
    const auto left = unspent ? subtract(*unspent, state.reserved) : unspent;
    if (!left || left->is_zero()) return Error::refund_no_balance;
    const Amount amount = command.amount.value_or(*left);
    if (amount.is_zero() || amount > *left) return Refusal{Error::refund_amount_invalid, *left};
    return RefundBegun{amount, std::max(command.refund_nonce, state.refund_nonce)};
}

void apply(State& state, const RefundBegun& event) {
    state.refunding = event.amount;
    state.refund_nonce = event.refund_nonce;
    ++state.refunds_begun;
}

bool apply(State& state, const RefundAbandoned& event) {
    if (state.refunding.is_zero() || event.number != state.refunds_begun) return false;
    state.refunding =
        Amount{state.refunding.units() - std::min(state.refunding, event.amount).units()};
    return true;
}

}  // namespace millrace::channel
