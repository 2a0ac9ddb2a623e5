#include "channel/step.hpp"

#include <algorithm>
#include <utility>

namespace millrace::channel {
namespace {

constexpr Amount kOneUnit{1};

/// a + b, at most 2^128 − 1: for bounds, never for books.
Amount saturating_add(Amount a, Amount b) {
    const auto sum = add(a, b);
    return sum ? *sum : Amount::max();
}

/// For sums and differences that `is_consistent` and the guards of `decide` keep in range.
Amount plus(Amount a, Amount b) {
    return Amount{a.units() + b.units()};
}
Amount minus(Amount a, Amount b) {
    return Amount{a.units() - b.units()};
}

Amount rest_of(const Reservation& reservation) {
    return minus(reservation.max_amount, reservation.charged);
}

using Guard = std::optional<Refusal>;

/// New promises need an open channel (stream-protocol, "closing": no new authorisations).
Guard guard_open(const State& state) {
    if (state.status == Status::closing) return Error::channel_closing;
    if (state.status != Status::open) return Error::channel_not_open;
    return std::nullopt;
}

/// Work done under an earlier promise is charged even while a withdrawal is pending.
Guard guard_open_or_closing(const State& state) {
    if (state.status == Status::open || state.status == Status::closing) return std::nullopt;
    return Error::channel_not_open;
}

/// The least voucher that covers what is charged, reserved and now asked for.
Amount needed_for(const State& state, Amount amount) {
    return saturating_add(saturating_add(state.charged, state.reserved), amount);
}

bool is_covered(const State& state, Amount amount, Amount cover) {
    const auto used = add(state.charged, state.reserved);
    if (!used) return false;
    const auto sum = add(*used, amount);
    return sum && *sum <= cover;
}

/// x402-batch-settlement, "What a server must hold and enforce"; stream-protocol, Voucher rule.
Guard guard_voucher(const State& state, Amount amount, Amount max_claimable) {
    if (const auto most = spendable(state); max_claimable > most) {
        return Refusal{Error::cumulative_exceeds_balance, most};
    }
    if (max_claimable <= state.total_claimed) {
        return Refusal{Error::cumulative_below_claimed, state.total_claimed};
    }
    if (!is_covered(state, amount, max_claimable)) {
        return Refusal{Error::insufficient_voucher, needed_for(state, amount)};
    }
    return std::nullopt;
}

/// The highest accepted voucher stands in for a missing one, as far as the balance goes.
Guard guard_standing_voucher(const State& state, Amount amount) {
    if (!is_covered(state, amount, state.signed_max)) {
        return Refusal{Error::insufficient_voucher, needed_for(state, amount)};
    }
    if (const auto most = spendable(state); !is_covered(state, amount, most)) {
        return Refusal{Error::cumulative_exceeds_balance, most, "maxAmount"};
    }
    return std::nullopt;
}

void accept(State& state, const SignedVoucher& voucher) {
    if (voucher.max_claimable <= state.signed_max) return;
    state.signed_max = voucher.max_claimable;
    state.signature = voucher.signature;
}

void drop_all_reservations(State& state, ChainEffect& effect) {
    effect.released = state.reserved;
    state.reserved = Amount{};
    state.reservations.clear();
}

/// A promise that nothing covers any longer is none: all open reservations go, because choosing
/// between them would be arbitrary.
void drop_uncovered_reservations(State& state, ChainEffect& effect) {
    if (state.reservations.empty()) return;
    if (!is_covered(state, Amount{}, std::min(spendable(state), state.signed_max))) {
        drop_all_reservations(state, effect);
    }
}

/// Charges what is owed as far as the balance goes, and no less than what was claimed. Because what
/// is owed comes first, no payment is accepted while a part of it has no balance.
void charge_what_is_owed(State& state, ChainEffect& effect) {
    const Amount before = state.charged;
    state.charged = std::clamp(state.owed, state.total_claimed, state.balance);
    if (state.charged < before) effect.uncollectable = minus(before, state.charged);
    if (state.charged > before) effect.recharged = minus(state.charged, before);
    drop_uncovered_reservations(state, effect);
}

/// Money leaves the channel: what was charged above the rest can no longer be claimed.
Result<ChainEffect> take_out(State& state, Amount amount) {
    const auto left = subtract(state.balance, amount);
    if (!left || *left < state.total_claimed) return Error::amount_out_of_range;

    ChainEffect effect{.moved = amount};
    state.balance = *left;
    charge_what_is_owed(state, effect);
    return effect;
}

/// Money comes in, or comes back.
Result<ChainEffect> put_in(State& state, Amount amount) {
    const auto balance = add(state.balance, amount);
    if (!balance) return balance.error();

    ChainEffect effect{.moved = amount};
    state.balance = *balance;
    charge_what_is_owed(state, effect);
    return effect;
}

/// What a refund has paid out is no longer to be withdrawn; a request that it covers in full is
/// gone (x402-batch-settlement, Contract behaviour).
void reduce_withdrawal(State& state, Amount refunded) {
    if (state.withdraw_amount.is_zero()) return;
    state.withdraw_amount = minus(state.withdraw_amount, std::min(state.withdraw_amount, refunded));
    if (state.withdraw_amount.is_zero()) state.withdraw_requested_at = 0;
}

/// After money has left and while no withdrawal is pending.
void reopen_or_close(State& state, ChainEffect& effect) {
    state.status = state.balance == state.total_claimed ? Status::closed : Status::open;
    if (state.status == Status::closed && !state.reservations.empty()) {
        drop_all_reservations(state, effect);
    }
}

/// The status that the contract's figures stand for, after something was undone.
void doubt(State& state, ChainEffect& effect) {
    state.in_doubt = true;
    if (state.withdraw_requested_at != 0) {
        state.status = Status::closing;
    } else if (state.balance.is_zero()) {
        state.status = Status::pending;
    } else {
        reopen_or_close(state, effect);
    }
}

/// A payment has charged that much more.
void charge_more(State& state, Amount amount) {
    if (amount.is_zero()) return;
    state.charged = plus(state.charged, amount);
    state.owed = state.charged;
}

}  // namespace

/// Guards: open, amount, inference id, voucher.
Decision<Paid> decide(const State& state, const Pay& command) {
    if (const auto refusal = guard_open(state)) return *refusal;
    if (command.amount.is_zero()) return Refusal{Error::invalid_params, kOneUnit, "amount"};
    if (state.reservations.contains(command.inference)) return Error::idempotency_conflict;
    if (const auto refusal = guard_voucher(state, command.amount, command.voucher.max_claimable)) {
        return *refusal;
    }
    return Paid{command.amount, command.voucher};
}

/// Guards: open, amount, inference id, number of reservations, voucher.
Decision<Authorized> decide(const State& state, const Authorize& command, const Limits& limits) {
    if (const auto refusal = guard_open(state)) return *refusal;
    if (command.max_amount.is_zero()) return Refusal{Error::invalid_params, kOneUnit, "maxAmount"};
    if (state.reservations.contains(command.inference)) return Error::idempotency_conflict;
    if (state.reservations.size() >= limits.reservations_max) {
        return Refusal{Error::too_many_in_flight, Amount{limits.reservations_max}};
    }
    const auto refusal =
        command.voucher ? guard_voucher(state, command.max_amount, command.voucher->max_claimable)
                        : guard_standing_voucher(state, command.max_amount);
    if (refusal) return *refusal;
    return Authorized{command.inference, command.max_amount, command.voucher};
}

/// Guards: open or closing, reservation, its bounds, balance, highest voucher. The last two hold
/// already as long as reservations without cover are dropped; they stand here because a charge
/// beyond either could never be collected.
Decision<Charged> decide(const State& state, const Charge& command) {
    if (const auto refusal = guard_open_or_closing(state)) return *refusal;
    const auto found = state.reservations.find(command.inference);
    if (found == state.reservations.end()) return Error::reservation_unknown;

    const Reservation& reservation = found->second;
    if (command.amount > reservation.max_amount) {
        return Refusal{Error::amount_exceeds_reservation, reservation.max_amount};
    }
    const bool repeats = command.amount == reservation.charged;
    if (command.amount < reservation.charged ||
        (repeats && command.finality == Finality::partial)) {
        return Refusal{Error::invalid_params, reservation.charged, "amount"};
    }
    const Amount increment = minus(command.amount, reservation.charged);
    const auto charged = add(state.charged, increment);
    if (!charged || *charged > state.balance) {
        return Refusal{Error::cumulative_exceeds_balance, state.balance, "amount"};
    }
    if (*charged > state.signed_max && !increment.is_zero()) {
        return Refusal{Error::charge_exceeds_signed_cumulative, state.signed_max};
    }
    return Charged{command.inference, increment, command.finality};
}

Decision<Released> decide(const State& state, const Release& command) {
    if (const auto refusal = guard_open_or_closing(state)) return *refusal;
    if (!state.reservations.contains(command.inference)) return Error::reservation_unknown;
    return Released{command.inference};
}

void apply(State& state, const Paid& event) {
    charge_more(state, event.amount);
    accept(state, event.voucher);
}

void apply(State& state, const Authorized& event) {
    const Reservation made{.max_amount = event.max_amount};
    if (!state.reservations.try_emplace(event.inference, made).second) return;
    state.reserved = plus(state.reserved, event.max_amount);
    if (event.voucher) accept(state, *event.voucher);
}

void apply(State& state, const Charged& event) {
    const auto found = state.reservations.find(event.inference);
    if (found == state.reservations.end()) return;
    Reservation& reservation = found->second;
    reservation.charged = plus(reservation.charged, event.increment);
    ++reservation.steps;
    charge_more(state, event.increment);
    state.reserved = minus(state.reserved, event.increment);
    if (event.finality == Finality::partial) return;
    state.reserved = minus(state.reserved, rest_of(reservation));
    state.reservations.erase(found);
}

void apply(State& state, const Released& event) {
    const auto found = state.reservations.find(event.inference);
    if (found == state.reservations.end()) return;
    state.reserved = minus(state.reserved, rest_of(found->second));
    state.reservations.erase(found);
}

Result<ChainEffect> apply(State& state, const DepositConfirmed& event) {
    auto effect = put_in(state, event.amount);
    if (!effect) return effect;
    state.status = state.withdraw_requested_at == 0 ? Status::open : Status::closing;
    return effect;
}

Result<ChainEffect> apply(State& state, const ClaimConfirmed& event) {
    if (event.new_total_claimed <= state.total_claimed) return ChainEffect{};
    if (event.new_total_claimed > state.balance) return Error::amount_out_of_range;

    ChainEffect effect{.moved = minus(event.new_total_claimed, state.total_claimed)};
    state.total_claimed = event.new_total_claimed;
    charge_what_is_owed(state, effect);
    effect.charged_after_the_fact = std::exchange(effect.recharged, Amount{});
    return effect;
}

Result<ChainEffect> apply(State& state, const WithdrawalRequested& event) {
    if (event.requested_at == 0) return Error::amount_out_of_range;
    state.status = Status::closing;
    state.withdraw_requested_at = event.requested_at;
    state.withdraw_amount = event.amount;
    return ChainEffect{};
}

Result<ChainEffect> apply(State& state, const WithdrawalFinalized& event) {
    auto effect = take_out(state, event.amount);
    if (!effect) return effect;
    state.withdraw_requested_at = 0;
    state.withdraw_amount = Amount{};
    reopen_or_close(state, *effect);
    return effect;
}

/// Another's refund makes ours void, but some may be held for a second one, behind a first that was
/// undone: what is held too long is given back once the last of ours has ended.
Result<ChainEffect> apply(State& state, const RefundConfirmed& event) {
    const auto held = state.refunding;
    state.refunding = minus(held, std::min(held, event.amount));
    auto effect = take_out(state, event.amount);
    if (!effect) {
        state.refunding = held;
        return effect;
    }
    ++state.refund_nonce;
    reduce_withdrawal(state, event.amount);
    if (state.withdraw_requested_at == 0) reopen_or_close(state, *effect);
    return effect;
}

Result<ChainEffect> apply(State& state, const DepositUndone& event) {
    auto effect = take_out(state, event.amount);
    if (effect) doubt(state, *effect);
    return effect;
}

Result<ChainEffect> apply(State& state, const ClaimUndone& event) {
    const auto total = subtract(state.total_claimed, event.amount);
    if (!total) return total.error();

    ChainEffect effect{.moved = event.amount};
    state.total_claimed = *total;
    charge_what_is_owed(state, effect);
    doubt(state, effect);
    return effect;
}

Result<ChainEffect> apply(State& state, const WithdrawalRequestUndone&) {
    ChainEffect effect;
    state.withdraw_requested_at = 0;
    state.withdraw_amount = Amount{};
    doubt(state, effect);
    return effect;
}

Result<ChainEffect> apply(State& state, const WithdrawalFinalizedUndone& event) {
    auto effect = put_in(state, event.amount);
    if (!effect) return effect;
    state.withdraw_requested_at = event.requested_at;
    state.withdraw_amount = event.withdraw_amount;
    doubt(state, *effect);
    return effect;
}

Result<ChainEffect> apply(State& state, const RefundUndone& event) {
    if (state.refund_nonce == 0) return Error::amount_out_of_range;
    auto effect = put_in(state, event.amount);
    if (!effect) return effect;
    --state.refund_nonce;
    state.withdraw_requested_at = event.requested_at;
    state.withdraw_amount = event.withdraw_amount;
    // One of ours is on its way again, and what it takes is not to be paid from.
    if (state.refunds_begun != 0) state.refunding = saturating_add(state.refunding, event.amount);
    doubt(state, *effect);
    return effect;
}

Result<ChainEffect> apply(State& state, const SnapshotReplaced& event) {
    const auto& contract = event.contract;
    if (contract.total_claimed > contract.balance) return Error::amount_out_of_range;
    const Amount earned = minus(state.charged, state.total_claimed);
    ChainEffect effect{.moved = minus(contract.balance, contract.total_claimed)};
    state.balance = contract.balance;
    state.total_claimed = contract.total_claimed;
    state.withdraw_requested_at = contract.withdraw_requested_at;
    state.withdraw_amount = contract.withdraw_amount;
    state.refund_nonce = contract.refund_nonce;
    charge_what_is_owed(state, effect);
    const Amount now_earned = minus(state.charged, state.total_claimed);
    effect.uncollectable = now_earned < earned ? minus(earned, now_earned) : Amount{};
    effect.recharged = now_earned > earned ? minus(now_earned, earned) : Amount{};
    doubt(state, effect);
    return effect;
}

Mirror mirror_of(const State& state) {
    return {state.balance, state.total_claimed, state.withdraw_requested_at, state.withdraw_amount,
            state.refund_nonce};
}

bool agrees(const State& state, const Mirror& contract) {
    return contract.balance == state.balance && contract.total_claimed == state.total_claimed;
}

void apply(State& state, const Reconciled& event) {
    state.in_doubt = false;
    state.refund_nonce = event.contract.refund_nonce;
    if (event.contract.withdraw_requested_at == 0) return;
    state.status = Status::closing;
    state.withdraw_requested_at = event.contract.withdraw_requested_at;
    state.withdraw_amount = event.contract.withdraw_amount;
}

}  // namespace millrace::channel
