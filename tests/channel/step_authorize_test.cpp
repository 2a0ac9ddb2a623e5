#include "tests/channel/step_fixture.hpp"

namespace millrace::channel {
namespace {

constexpr Limits kLimits{.reservations_max = 4};

TEST_CASE("authorize: reserves and takes the higher voucher", "[channel][step]") {
    State state = open_channel();
    const auto decision = decide(state, authorize(60_units, 600_units), kLimits);
    REQUIRE(decision.accepted());
    CHECK(state == open_channel());

    apply(state, decision.event());
    CHECK(state.charged == 300_units);
    CHECK(state.reserved == 260_units);
    CHECK(state.signed_max == 600_units);
    CHECK(state.signature == mark(2));
    CHECK(state.reservations.at(kNew) == Reservation{60_units, 0_units, 1});
    CHECK(is_consistent(state));
}

TEST_CASE("authorize: its voucher is held to the same guards as that of a payment",
          "[channel][step]") {
    const State state = open_channel();
    CHECK(decide(state, authorize(60_units, 560_units), kLimits).accepted());
    CHECK(decide(state, authorize(60_units, 559_units), kLimits).refusal() ==
          Refusal{Error::insufficient_voucher, 560_units});
    CHECK(decide(state, authorize(60_units, 1001_units), kLimits).refusal() ==
          Refusal{Error::cumulative_exceeds_balance, 1000_units});
    CHECK(decide(state, authorize(60_units, 100_units), kLimits).refusal() ==
          Refusal{Error::cumulative_below_claimed, 100_units});
}

TEST_CASE("authorize: without a voucher the standing one has to cover", "[channel][step]") {
    State state = open_channel();
    CHECK(decide(state, authorize(1_units), kLimits).refusal() ==
          Refusal{Error::insufficient_voucher, 501_units});

    state.signed_max = 560_units;
    CHECK(decide(state, authorize(61_units), kLimits).refusal() ==
          Refusal{Error::insufficient_voucher, 561_units});
    const auto decision = decide(state, authorize(60_units), kLimits);
    REQUIRE(decision.accepted());
    apply(state, decision.event());
    CHECK(state.signed_max == 560_units);
    CHECK(state.signature == mark(1));
    CHECK(is_consistent(state));
}

TEST_CASE("authorize: without a voucher the balance bounds a standing one that is above it",
          "[channel][step]") {
    State state = open_channel();
    state.signed_max = 2000_units;
    CHECK(decide(state, authorize(500_units), kLimits).accepted());
    CHECK(decide(state, authorize(501_units), kLimits).refusal() ==
          Refusal{Error::cumulative_exceeds_balance, 1000_units, "maxAmount"});
}

TEST_CASE("authorize: nothing is no amount", "[channel][step]") {
    CHECK(decide(open_channel(), authorize(0_units), kLimits).refusal() ==
          Refusal{Error::invalid_params, 1_units, "maxAmount"});
    CHECK(decide(open_channel(), authorize(0_units, 1000_units), kLimits).refusal() ==
          Refusal{Error::invalid_params, 1_units, "maxAmount"});
}

TEST_CASE("authorize: an inference is reserved once", "[channel][step]") {
    const Authorize again{kHeld, 1_units, SignedVoucher{1000_units, mark(2)}};
    CHECK(decide(open_channel(), again, kLimits).refusal() == Refusal{Error::idempotency_conflict});
}

TEST_CASE("authorize: only so many reservations may be open", "[channel][step]") {
    State state = open_channel();
    for (const auto* id : {"b", "c", "d"}) {
        const Authorize command{support::inference(id), 10_units,
                                SignedVoucher{900_units, mark(2)}};
        const auto decision = decide(state, command, kLimits);
        REQUIRE(decision.accepted());
        apply(state, decision.event());
    }
    CHECK(state.reservations.size() == 4);
    CHECK(decide(state, authorize(10_units), kLimits).refusal() ==
          Refusal{Error::too_many_in_flight, 4_units});

    apply(state, decide(state, Release{kHeld}).event());
    CHECK(decide(state, authorize(10_units), kLimits).accepted());
    CHECK(is_consistent(state));
}

TEST_CASE("authorize: sums at the end of uint128 refuse and never wrap", "[channel][step]") {
    State state = full_channel();
    CHECK(decide(state, authorize(10_units), kLimits).accepted());
    CHECK(decide(state, authorize(11_units), kLimits).refusal() ==
          Refusal{Error::insufficient_voucher, Amount::max()});
    CHECK(decide(state, authorize(Amount::max()), kLimits).refusal() ==
          Refusal{Error::insufficient_voucher, Amount::max()});
    CHECK(decide(state, authorize(Amount::max(), Amount::max()), kLimits).refusal() ==
          Refusal{Error::insufficient_voucher, Amount::max()});

    apply(state, decide(state, authorize(10_units), kLimits).event());
    CHECK(is_consistent(state));
    const Authorize another{support::inference("another"), 1_units, std::nullopt};
    CHECK(decide(state, another, kLimits).refusal() ==
          Refusal{Error::insufficient_voucher, Amount::max()});
}

}  // namespace
}  // namespace millrace::channel
