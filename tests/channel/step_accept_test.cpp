#include "channel/accept.hpp"
#include "tests/channel/step_fixture.hpp"

#include <rapidcheck.h>
#include <rapidcheck/catch.h>

namespace millrace::channel {
namespace {

Accept accept(Amount max_amount, Amount max_claimable) {
    return {kNew, max_amount, {max_claimable, mark(2)}};
}

/// 300 of 1000 charged, nothing reserved, the highest voucher for 500.
State idle_channel() {
    State state = open_channel();
    state.reserved = 0_units;
    state.reservations.clear();
    return state;
}

TEST_CASE("accept: reserves by a voucher for exactly what is charged and asked for",
          "[channel][step]") {
    State state = idle_channel();
    const auto decision = decide(state, accept(250_units, 550_units));
    REQUIRE(decision.accepted());
    CHECK(state == idle_channel());

    apply(state, decision.event());
    CHECK(state.charged == 300_units);
    CHECK(state.reserved == 250_units);
    CHECK(state.signed_max == 550_units);
    CHECK(state.signature == mark(2));
    CHECK(state.reservations.at(kNew) == Reservation{250_units, 0_units, 1});
    CHECK(is_consistent(state));
}

TEST_CASE("accept: a voucher of another sum is told the right one", "[channel][step]") {
    const State state = idle_channel();
    for (const Amount given : {549_units, 551_units, 0_units, 100_units, 1001_units}) {
        INFO(to_string(given));
        CHECK(decide(state, accept(250_units, given)).refusal() ==
              Refusal{Error::cumulative_amount_mismatch, 550_units});
    }
}

TEST_CASE("accept: a lower voucher than the highest is taken and does not replace it",
          "[channel][step]") {
    State state = idle_channel();
    const auto decision = decide(state, accept(10_units, 310_units));
    REQUIRE(decision.accepted());
    apply(state, decision.event());
    CHECK(state.signed_max == 500_units);
    CHECK(state.signature == mark(1));
    CHECK(is_consistent(state));
    const auto charged = decide(state, Charge{kNew, 10_units});
    REQUIRE(charged.accepted());
    apply(state, charged.event());
    CHECK(decide(state, accept(10_units, 320_units)).accepted());
}

TEST_CASE("accept: one at a time on a channel, whoever made the other", "[channel][step]") {
    State state = open_channel();
    CHECK(decide(state, accept(10_units, 310_units)).refusal() == Refusal{Error::channel_busy});
    const Accept again{kHeld, 10_units, {310_units, mark(2)}};
    CHECK(decide(state, again).refusal() == Refusal{Error::idempotency_conflict});
    apply(state, decide(state, Release{kHeld}).event());
    CHECK(decide(state, accept(10_units, 310_units)).accepted());
}

TEST_CASE("accept: no more than may be spent", "[channel][step]") {
    State state = idle_channel();
    CHECK(decide(state, accept(700_units, 1000_units)).accepted());
    CHECK(decide(state, accept(701_units, 1001_units)).refusal() ==
          Refusal{Error::cumulative_exceeds_balance, 1000_units});
    state.refunding = 400_units;
    CHECK(decide(state, accept(300_units, 600_units)).accepted());
    CHECK(decide(state, accept(301_units, 601_units)).refusal() ==
          Refusal{Error::cumulative_exceeds_balance, 600_units});
}

TEST_CASE("accept: what was claimed beyond the charges is charged, and below it nothing is taken",
          "[channel][step]") {
    State state = idle_channel();
    REQUIRE(apply(state, ClaimConfirmed{450_units}).has_value());
    CHECK(decide(state, accept(100_units, 400_units)).refusal() ==
          Refusal{Error::cumulative_amount_mismatch, 550_units});
    CHECK(decide(state, accept(100_units, 550_units)).accepted());
}

TEST_CASE("accept: nothing is no amount, and sums refuse instead of wrapping", "[channel][step]") {
    CHECK(decide(idle_channel(), accept(0_units, 300_units)).refusal() ==
          Refusal{Error::invalid_params, 1_units, "maxAmount"});
    CHECK(decide(full_channel(), accept(10_units, Amount::max())).accepted());
    CHECK(decide(full_channel(), accept(11_units, Amount::max())).refusal() ==
          Refusal{Error::cumulative_exceeds_balance, Amount::max(), "maxAmount"});
}

TEST_CASE("accept: only on an open channel", "[channel][step]") {
    CHECK(decide(pending_channel(), accept(1_units, 1_units)).refusal() ==
          Refusal{Error::channel_not_open});
    CHECK(decide(closed_channel(), accept(1_units, 301_units)).refusal() ==
          Refusal{Error::channel_not_open});
    State closing = closing_channel();
    closing.reserved = 0_units;
    closing.reservations.clear();
    CHECK(decide(closing, accept(1_units, 301_units)).refusal() == Refusal{Error::channel_closing});
}

TEST_CASE("accept: however a receiver goes on, it never charges beyond what is signed",
          "[channel][property]") {
    rc::prop("accepts, charges, releases, deposits and claims", [] {
        const auto upto = [](std::uint64_t most) {
            return Amount{*rc::gen::inRange<std::uint64_t>(0, most + 1)};
        };
        State state{.status = Status::open, .balance = 1'000'000_units};
        Amount signed_by_payer;
        for (int step = 0; step < 60; ++step) {
            const auto charged = state.charged;
            const Accept command{
                kNew,
                upto(200'000),
                {Amount{charged.units() + *rc::gen::inRange<std::uint64_t>(0, 200'001)}, mark(2)}};
            switch (*rc::gen::inRange(0, 5)) {
                case 0:
                case 1: {
                    auto exact = command;
                    if (*rc::gen::inRange(0, 4) != 0)
                        exact.voucher.max_claimable =
                            Amount{charged.units() + exact.max_amount.units()};
                    const auto decision = decide(state, exact);
                    if (!decision.accepted()) break;
                    RC_ASSERT(state.reservations.empty());
                    RC_ASSERT(exact.voucher.max_claimable > state.total_claimed);
                    signed_by_payer = std::max(signed_by_payer, exact.voucher.max_claimable);
                    apply(state, decision.event());
                    RC_ASSERT(state.reservations.size() == 1u);
                    break;
                }
                case 2: {
                    const auto finality = *rc::gen::element(Finality::partial, Finality::final);
                    const auto decision = decide(state, Charge{kNew, upto(200'000), finality});
                    if (decision.accepted()) apply(state, decision.event());
                    break;
                }
                case 3: {
                    const auto decision = decide(state, Release{kNew});
                    if (decision.accepted()) apply(state, decision.event());
                    break;
                }
                default:
                    RC_ASSERT(apply(state, DepositConfirmed{upto(1000)}).has_value());
                    RC_ASSERT(apply(state, ClaimConfirmed{state.charged}).has_value());
            }
            RC_ASSERT(is_consistent(state));
            RC_ASSERT(state.charged <= signed_by_payer);
            RC_ASSERT(state.signed_max == signed_by_payer);
        }
    });
}

}  // namespace
}  // namespace millrace::channel
