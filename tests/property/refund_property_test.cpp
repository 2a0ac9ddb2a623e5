#include "channel/refund.hpp"
#include "tests/channel/step_fixture.hpp"

#include <rapidcheck.h>
#include <rapidcheck/catch.h>

#include <algorithm>

namespace millrace::channel {
namespace {

Amount any_up_to(Amount most) {
    return Amount{
        *rc::gen::inRange<std::uint64_t>(0, static_cast<std::uint64_t>(most.units()) + 1)};
}

State any_open_channel() {
    State state{.status = Status::open, .balance = 1'000'000_units};
    state.charged = any_up_to(state.balance);
    state.total_claimed = any_up_to(state.charged);
    state.signed_max = state.charged;
    state.owed = state.charged;
    state.refund_nonce = *rc::gen::inRange<std::uint64_t>(0, 5);
    return state;
}

/// What parties may do on a channel at any time, accepted or not.
void do_anything(State& state) {
    const auto id = support::inference("r" + std::to_string(*rc::gen::inRange(0, 4)));
    const Amount amount = any_up_to(200'000_units);
    const SignedVoucher voucher{any_up_to(state.balance), mark(3)};
    switch (*rc::gen::inRange(0, 4)) {
        case 0:
            if (const auto paid = decide(state, Pay{id, amount, voucher}); paid.accepted())
                apply(state, paid.event());
            return;
        case 1: {
            const auto authorized = decide(state, Authorize{id, amount, voucher}, Limits{});
            if (authorized.accepted()) apply(state, authorized.event());
            return;
        }
        case 2: {
            const auto finality = *rc::gen::element(Finality::partial, Finality::final);
            const auto charged = decide(state, Charge{id, amount, finality});
            if (charged.accepted()) apply(state, charged.event());
            return;
        }
        default:
            if (const auto released = decide(state, Release{id}); released.accepted())
                apply(state, released.event());
    }
}

void do_anything_several_times(State& state) {
    const auto times = *rc::gen::inRange(0, 12);
    for (int at = 0; at < times; ++at) {
        do_anything(state);
        RC_ASSERT(is_consistent(state));
    }
}

AskRefund any_ask(const State& state) {
    AskRefund ask{std::nullopt, {state.charged, mark(2)}, state.refund_nonce};
    if (*rc::gen::arbitrary<bool>()) ask.amount = any_up_to(state.balance);
    if (*rc::gen::inRange(0, 8) == 0) ask.voucher.max_claimable = any_up_to(state.balance);
    return ask;
}

TEST_CASE("refund: whatever parties do while it is on its way, it costs no provider a unit",
          "[channel][property]") {
    rc::prop("carried out", [] {
        State state = any_open_channel();
        do_anything_several_times(state);
        const auto begun = decide(state, any_ask(state));
        RC_PRE(begun.accepted());
        apply(state, begun.event());
        RC_ASSERT(is_consistent(state));
        const Amount charged_then = state.charged;
        do_anything_several_times(state);

        // The transaction: what was charged when it was signed is claimed, then it is paid back.
        const State before = state;
        const auto claimed = apply(state, ClaimConfirmed{charged_then});
        RC_ASSERT(claimed.has_value());
        RC_ASSERT(claimed->charged_after_the_fact.is_zero());
        const auto refunded = apply(state, RefundConfirmed{begun.event().amount});
        RC_ASSERT(refunded.has_value());
        RC_ASSERT(refunded->uncollectable.is_zero());
        RC_ASSERT(refunded->released.is_zero());
        RC_ASSERT(is_consistent(state));
        RC_ASSERT(state.charged == before.charged);
        RC_ASSERT((state.reservations == before.reservations));
        RC_ASSERT(state.balance == subtract(before.balance, begun.event().amount).value());
        RC_ASSERT(state.refunding.is_zero());
    });
    rc::prop("given up", [] {
        State state = any_open_channel();
        const auto begun = decide(state, any_ask(state));
        RC_PRE(begun.accepted());
        State undisturbed = state;
        apply(state, begun.event());
        RC_ASSERT(!decide(state, any_ask(state)).accepted());
        RC_ASSERT(!apply(state, RefundAbandoned{state.refunds_begun + 1, begun.event().amount}));
        RC_ASSERT(apply(state, RefundAbandoned{state.refunds_begun, begun.event().amount}));
        undisturbed.refunds_begun = state.refunds_begun;
        RC_ASSERT((state == undisturbed));
    });
}

TEST_CASE("refund: never more than what is neither charged nor reserved", "[channel][property]") {
    rc::prop("the amount", [] {
        State state = any_open_channel();
        do_anything_several_times(state);
        const auto ask = any_ask(state);
        const auto begun = decide(state, ask);
        RC_PRE(begun.accepted());
        const auto amount = begun.event().amount;
        RC_ASSERT(!amount.is_zero());
        RC_ASSERT(ask.voucher.max_claimable == state.charged);
        RC_ASSERT(amount.units() + state.charged.units() + state.reserved.units() <=
                  state.balance.units());
        if (ask.amount) RC_ASSERT(amount == *ask.amount);
    });
}

}  // namespace
}  // namespace millrace::channel
