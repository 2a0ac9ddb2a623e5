#include "channel/accept.hpp"

namespace millrace::channel {

/// Guards: open, amount, inference id, nothing else reserved, voucher.
Decision<Authorized> decide(const State& state, const Accept& command) {
    if (state.status == Status::closing) return Error::channel_closing;
    if (state.status != Status::open) return Error::channel_not_open;
    if (command.max_amount.is_zero()) {
        return Refusal{Error::invalid_params, Amount{1}, "maxAmount"};
    }
    if (state.reservations.contains(command.inference)) return Error::idempotency_conflict;
    if (!state.reservations.empty()) return Error::channel_busy;

    const auto most = spendable(state);
    const auto exact = add(state.charged, command.max_amount);
    if (!exact) return Refusal{Error::cumulative_exceeds_balance, most, "maxAmount"};
    if (command.voucher.max_claimable != *exact) {
        return Refusal{Error::cumulative_amount_mismatch, *exact};
    }
    if (*exact > most) return Refusal{Error::cumulative_exceeds_balance, most};
    return Authorized{command.inference, command.max_amount, command.voucher};
}

}  // namespace millrace::channel
