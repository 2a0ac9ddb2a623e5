#include "channel/state.hpp"

#include <algorithm>

namespace millrace::channel {
namespace {

/// The uncharged rest of all reservations, or nothing if one of them contradicts itself.
Result<Amount> sum_of_rests(const State& state) {
    Amount sum;
    for (const auto& [inference, reservation] : state.reservations) {
        const auto rest = subtract(reservation.max_amount, reservation.charged);
        if (!rest) return rest.error();
        const auto next = add(sum, *rest);
        if (!next) return next.error();
        sum = *next;
    }
    return sum;
}

bool status_holds(const State& state) {
    if ((state.status == Status::closing) != (state.withdraw_requested_at != 0)) return false;
    if (state.status == Status::pending) return state.balance.is_zero();
    if (state.status != Status::closed) return true;
    return state.balance == state.total_claimed && state.reservations.empty();
}

}  // namespace

std::string_view to_string(Status status) {
    switch (status) {
        case Status::pending:
            return "pending";
        case Status::open:
            return "open";
        case Status::closing:
            return "closing";
        case Status::closed:
            return "closed";
    }
    return "";
}

Amount spendable(const State& state) {
    const auto unspent = subtract(state.balance, state.charged);
    if (!unspent) return state.balance;
    return *subtract(state.balance, std::min(state.refunding, *unspent));
}

bool is_consistent(const State& state) {
    const auto used = add(state.charged, state.reserved);
    if (!used || *used > spendable(state)) return false;
    if (state.total_claimed > state.charged) return false;
    if (state.owed > state.signed_max) return false;
    if (state.charged != std::clamp(state.owed, state.total_claimed, state.balance)) return false;
    if (!state.reservations.empty() && *used > state.signed_max) return false;
    const auto rests = sum_of_rests(state);
    return rests.has_value() && *rests == state.reserved && status_holds(state);
}

}  // namespace millrace::channel
