#include "tests/channel/step_fixture.hpp"

#include <rapidcheck.h>
#include <rapidcheck/catch.h>

#include <algorithm>

namespace millrace::channel {
namespace {

/// Up to `most`, in all lengths of bits.
Amount any_amount_up_to(Amount most) {
    const auto any_word = rc::gen::resize(rc::kNominalSize, rc::gen::arbitrary<std::uint64_t>());
    const auto high = *any_word;
    const auto low = *any_word;
    const auto shift = *rc::gen::inRange(0u, 128u);
    const Uint128 drawn = (static_cast<Uint128>(high) << 64 | low) >> shift;
    if (most == Amount::max()) return Amount{drawn};
    return Amount{drawn % (most.units() + 1)};
}

Amount minus(Amount a, Amount b) {
    return subtract(a, b).value();
}
Amount plus(Amount a, Amount b) {
    return add(a, b).value();
}

/// Any open or closing channel in which the invariants hold, of any size.
State any_state(Status status) {
    State state;
    state.balance = any_amount_up_to(Amount::max());
    const bool lost_backing = *rc::gen::inRange(0, 4) == 3;
    state.charged = lost_backing ? state.balance : any_amount_up_to(state.balance);
    state.total_claimed = any_amount_up_to(state.charged);
    const auto reservations = *rc::gen::inRange(0, 4);
    for (int at = 0; at < reservations; ++at) {
        Amount left = minus(minus(state.balance, state.charged), state.reserved);
        Reservation made{.max_amount = any_amount_up_to(left)};
        state.reserved = plus(state.reserved, made.max_amount);
        // What was charged for it is a part of all that was charged.
        const Amount earlier =
            any_amount_up_to(std::min(state.charged, minus(Amount::max(), made.max_amount)));
        made.charged = earlier;
        made.max_amount = plus(made.max_amount, earlier);
        state.reservations[support::inference("r" + std::to_string(at))] = made;
    }
    const Amount used = plus(state.charged, state.reserved);
    state.signed_max = plus(used, any_amount_up_to(minus(Amount::max(), used)));
    state.signature = mark(1);
    state.owed = state.charged;
    if (lost_backing) {
        state.owed = plus(state.charged, any_amount_up_to(minus(state.signed_max, state.charged)));
    } else if (state.charged == state.total_claimed) {
        state.owed = any_amount_up_to(state.charged);
    }
    state.status = status;
    state.withdraw_requested_at = state.status == Status::closing ? 1'000 : 0;
    if (state.status == Status::closing) state.withdraw_amount = any_amount_up_to(Amount::max());
    if (*rc::gen::arbitrary<bool>()) {
        const bool may_pass = state.reservations.empty();
        state.refunding = any_amount_up_to(may_pass ? Amount::max() : minus(state.balance, used));
    }
    RC_ASSERT(is_consistent(state));
    return state;
}

State any_state() {
    return any_state(*rc::gen::element(Status::open, Status::open, Status::closing));
}

/// Balance that is neither charged nor reserved, nor on its way back to the payer.
Amount unspent(const State& state) {
    return minus(minus(spendable(state), state.charged), state.reserved);
}

SignedVoucher any_voucher() {
    return {any_amount_up_to(Amount::max()), mark(2)};
}

InferenceId any_inference() {
    return support::inference("r" + std::to_string(*rc::gen::inRange(0, 5)));
}

/// Accepted or not: nothing may break the channel, and nothing but the event may change it.
template <class Command>
void check_command(const Command& command, auto decide_command) {
    const State before = any_state();
    const auto decision = decide_command(before, command);
    RC_ASSERT(decide_command(before, command).accepted() == decision.accepted());
    if (!decision.accepted()) return;

    State after = before;
    apply(after, decision.event());
    RC_ASSERT(is_consistent(after));
    RC_ASSERT(after.charged >= before.charged);
    RC_ASSERT(after.signed_max >= before.signed_max);
    RC_ASSERT(after.balance == before.balance);
    RC_ASSERT(after.total_claimed == before.total_claimed);
    RC_ASSERT(after.status == before.status);
    if (after.signed_max == before.signed_max) RC_ASSERT(after.signature == before.signature);
}

TEST_CASE("step: no command of a party breaks a channel", "[channel][property]") {
    rc::prop("pay", [] {
        check_command(Pay{any_inference(), any_amount_up_to(Amount::max()), any_voucher()},
                      [](const State& s, const Pay& c) { return decide(s, c); });
    });
    rc::prop("authorize", [] {
        Authorize command{any_inference(), any_amount_up_to(Amount::max()), std::nullopt};
        if (*rc::gen::arbitrary<bool>()) command.voucher = any_voucher();
        check_command(command,
                      [](const State& s, const Authorize& c) { return decide(s, c, Limits{}); });
    });
    rc::prop("charge", [] {
        check_command(Charge{any_inference(), any_amount_up_to(Amount::max()),
                             *rc::gen::element(Finality::partial, Finality::final)},
                      [](const State& s, const Charge& c) { return decide(s, c); });
    });
    rc::prop("release", [] {
        check_command(Release{any_inference()},
                      [](const State& s, const Release& c) { return decide(s, c); });
    });
}

TEST_CASE("step: the least voucher that a refusal names is accepted if the balance allows",
          "[channel][property]") {
    rc::prop("pay", [] {
        const State state = any_state(Status::open);
        RC_PRE(!unspent(state).is_zero());
        const Amount amount = std::max(1_units, any_amount_up_to(unspent(state)));
        const Amount least = plus(plus(state.charged, state.reserved), amount);

        RC_ASSERT(decide(state, pay(amount, least)).accepted());
        const auto short_by_one = decide(state, pay(amount, minus(least, 1_units)));
        RC_ASSERT(!short_by_one.accepted());
        if (minus(least, 1_units) > state.total_claimed) {
            const Refusal expected{Error::insufficient_voucher, least};
            RC_ASSERT((short_by_one.refusal() == expected));
        }
    });
}

TEST_CASE("step: authorize, charge in full and pay come to the same", "[channel][property]") {
    rc::prop("as one payment of the amount", [] {
        const State start = any_state(Status::open);
        RC_PRE(!unspent(start).is_zero());
        const Amount amount = std::max(1_units, any_amount_up_to(unspent(start)));
        const Amount least = plus(plus(start.charged, start.reserved), amount);
        const Amount spare = any_amount_up_to(minus(spendable(start), least));
        const SignedVoucher voucher{plus(least, spare), mark(2)};
        const auto paid = decide(start, Pay{kNew, amount, voucher});
        const auto authorized = decide(start, Authorize{kNew, amount, voucher}, Limits{});
        RC_ASSERT(paid.accepted());
        RC_ASSERT(authorized.accepted());

        State at_once = start;
        apply(at_once, paid.event());
        State in_steps = start;
        apply(in_steps, authorized.event());
        const auto charged = decide(in_steps, Charge{kNew, amount, Finality::final});
        RC_ASSERT(charged.accepted());
        apply(in_steps, charged.event());
        RC_ASSERT((at_once == in_steps));
    });
    rc::prop("authorize and release as nothing but the voucher", [] {
        State start = any_state(Status::open);
        start.signed_max = std::max(start.signed_max, start.balance);
        RC_PRE(!unspent(start).is_zero());
        const Amount amount = std::max(1_units, any_amount_up_to(unspent(start)));
        const Authorize command{kNew, amount, std::nullopt};
        const auto authorized = decide(start, command, Limits{});
        RC_ASSERT(authorized.accepted());
        State state = start;
        apply(state, authorized.event());
        apply(state, decide(state, Release{kNew}).event());
        RC_ASSERT((state == start));
    });
}

TEST_CASE("step: no event of the chain breaks a channel, refused ones change nothing",
          "[channel][property]") {
    const auto check_event = [](const auto& event) {
        const State before = any_state();
        State after = before;
        const auto effect = apply(after, event);
        RC_ASSERT(is_consistent(after));
        if (!effect) RC_ASSERT((after == before));
        if (!effect) return;
        // Deposits come in; what is moved out leaves; charges change by what is reported alone.
        RC_ASSERT(plus(plus(before.charged, effect->charged_after_the_fact), effect->recharged) ==
                  plus(after.charged, effect->uncollectable));
        RC_ASSERT(after.owed == before.owed);
        RC_ASSERT(plus(after.reserved, effect->released) == before.reserved);
        RC_ASSERT(after.signed_max == before.signed_max);
    };
    rc::prop("deposit", [&] { check_event(DepositConfirmed{any_amount_up_to(Amount::max())}); });
    rc::prop("claim", [&] { check_event(ClaimConfirmed{any_amount_up_to(Amount::max())}); });
    rc::prop("withdrawal requested", [&] {
        check_event(WithdrawalRequested{*rc::gen::arbitrary<std::uint64_t>(),
                                        any_amount_up_to(Amount::max())});
    });
    rc::prop("withdrawal finalized",
             [&] { check_event(WithdrawalFinalized{any_amount_up_to(Amount::max())}); });
    rc::prop("refund", [&] { check_event(RefundConfirmed{any_amount_up_to(Amount::max())}); });
}

/// What the contract's events decide, without what a reversal may change for good: reservations
/// that lost their cover stay dropped, a channel without available balance counts as closed, and a
/// refund holds what it will take again.
State lasting(State state) {
    state.refunding = Amount{};
    state.reservations.clear();
    state.reserved = Amount{};
    state.in_doubt = false;
    if (state.status != Status::closing && state.balance == state.total_claimed)
        state.status = Status::closed;
    return state;
}

TEST_CASE("step: what an event of the chain did, its reversal undoes", "[channel][property]") {
    const auto check_pair = [](const auto& event, const auto& undoing) {
        const State before = any_state();
        State after = before;
        const auto effect = apply(after, event);
        RC_PRE(effect.has_value());
        const auto undone = apply(after, undoing(before, *effect));
        RC_ASSERT(undone.has_value());
        RC_ASSERT(is_consistent(after));
        RC_ASSERT(after.in_doubt);
        RC_ASSERT(undone->moved == effect->moved);
        RC_ASSERT(undone->recharged == effect->uncollectable);
        RC_ASSERT(undone->uncollectable == plus(effect->recharged, effect->charged_after_the_fact));
        RC_ASSERT((lasting(after) == lasting(before)));
    };
    const auto bounded = [] { return Amount{any_amount_up_to(Amount::max()).units() >> 3}; };
    rc::prop("deposit", [&] {
        check_pair(DepositConfirmed{bounded()}, [](const State&, const ChainEffect& effect) {
            return DepositUndone{effect.moved};
        });
    });
    rc::prop("claim", [&] {
        check_pair(ClaimConfirmed{bounded()}, [](const State&, const ChainEffect& effect) {
            return ClaimUndone{effect.moved};
        });
    });
    rc::prop("withdrawal finalized", [&] {
        check_pair(WithdrawalFinalized{bounded()},
                   [](const State& before, const ChainEffect& effect) {
                       return WithdrawalFinalizedUndone{effect.moved, before.withdraw_requested_at,
                                                        before.withdraw_amount};
                   });
    });
    rc::prop("refund", [&] {
        check_pair(RefundConfirmed{bounded()}, [](const State& before, const ChainEffect& effect) {
            return RefundUndone{effect.moved, before.withdraw_requested_at, before.withdraw_amount};
        });
    });
}

TEST_CASE("step: no reversal breaks a channel, refused ones change nothing",
          "[channel][property]") {
    const auto check_event = [](const auto& event) {
        const State before = any_state();
        State after = before;
        const auto effect = apply(after, event);
        RC_ASSERT(is_consistent(after));
        if (!effect) RC_ASSERT((after == before));
    };
    const auto any = [] { return any_amount_up_to(Amount::max()); };
    rc::prop("deposit", [&] { check_event(DepositUndone{any()}); });
    rc::prop("claim", [&] { check_event(ClaimUndone{any()}); });
    rc::prop("withdrawal requested", [&] { check_event(WithdrawalRequestUndone{}); });
    rc::prop("withdrawal finalized", [&] {
        check_event(WithdrawalFinalizedUndone{any(), *rc::gen::arbitrary<std::uint64_t>(), any()});
    });
    rc::prop("refund", [&] {
        check_event(RefundUndone{any(), *rc::gen::inRange<std::uint64_t>(0, 3), any()});
    });
    rc::prop("snapshot", [&] { check_event(SnapshotReplaced{{any(), any(), 7, any(), 3}}); });
}

}  // namespace
}  // namespace millrace::channel
