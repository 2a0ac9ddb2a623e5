#include "tests/channel/step_fixture.hpp"

namespace millrace::channel {
namespace {

TEST_CASE("pay: charges at once and takes the higher voucher", "[channel][step]") {
    State state = open_channel();
    const auto decision = decide(state, pay(40_units, 540_units));
    REQUIRE(decision.accepted());
    CHECK(state == open_channel());

    apply(state, decision.event());
    State expected = open_channel();
    expected.charged = 340_units;
    expected.owed = 340_units;
    expected.signed_max = 540_units;
    expected.signature = mark(2);
    CHECK(state == expected);
    CHECK(is_consistent(state));
}

TEST_CASE("pay: a voucher may promise more than is needed, up to the balance", "[channel][step]") {
    State state = open_channel();
    for (const Amount max : {540_units, 541_units, 999_units, 1000_units}) {
        CHECK(decide(state, pay(40_units, max)).accepted());
    }
    CHECK(decide(state, pay(40_units, 1001_units)).refusal() ==
          Refusal{Error::cumulative_exceeds_balance, 1000_units});
    CHECK(decide(state, pay(40_units, Amount::max())).refusal() ==
          Refusal{Error::cumulative_exceeds_balance, 1000_units});
}

TEST_CASE("pay: a voucher one unit short is refused and the least one named", "[channel][step]") {
    CHECK(decide(open_channel(), pay(40_units, 539_units)).refusal() ==
          Refusal{Error::insufficient_voucher, 540_units});
    CHECK(decide(open_channel(), pay(1_units, 500_units)).refusal() ==
          Refusal{Error::insufficient_voucher, 501_units});
}

TEST_CASE("pay: what is reserved counts as spent", "[channel][step]") {
    State state = open_channel();
    CHECK_FALSE(decide(state, pay(40_units, 340_units)).accepted());
    apply(state, decide(state, Release{kHeld}).event());
    CHECK(decide(state, pay(40_units, 340_units)).accepted());
}

TEST_CASE("pay: a lower voucher that still covers is taken, and the higher one stands",
          "[channel][step]") {
    State state = open_channel();
    apply(state, decide(state, pay(10_units, 1000_units)).event());
    const auto second = decide(state, Pay{kNew, 20_units, {530_units, mark(3)}});
    REQUIRE(second.accepted());
    apply(state, second.event());
    CHECK(state.charged == 330_units);
    CHECK(state.signed_max == 1000_units);
    CHECK(state.signature == mark(2));
    CHECK(is_consistent(state));
}

TEST_CASE("pay: an equal voucher leaves the signature that stands", "[channel][step]") {
    State state = open_channel();
    apply(state, decide(state, pay(10_units, 600_units)).event());
    apply(state, decide(state, Pay{kNew, 10_units, {600_units, mark(3)}}).event());
    CHECK(state.signature == mark(2));
}

TEST_CASE("pay: a voucher must promise more than was claimed", "[channel][step]") {
    State state = open_channel();
    for (const Amount max : {0_units, 1_units, 99_units, 100_units}) {
        CHECK(decide(state, pay(1_units, max)).refusal() ==
              Refusal{Error::cumulative_below_claimed, 100_units});
    }
    CHECK(decide(state, pay(1_units, 101_units)).refusal().error == Error::insufficient_voucher);
}

TEST_CASE("pay: nothing is no amount", "[channel][step]") {
    CHECK(decide(open_channel(), pay(0_units, 1000_units)).refusal() ==
          Refusal{Error::invalid_params, 1_units, "amount"});
}

TEST_CASE("pay: an inference that is reserved cannot be paid for as well", "[channel][step]") {
    CHECK(decide(open_channel(), Pay{kHeld, 1_units, {1000_units, mark(2)}}).refusal() ==
          Refusal{Error::idempotency_conflict});
}

TEST_CASE("pay: the guards stand in their order", "[channel][step]") {
    State state = closing_channel();
    CHECK(decide(state, Pay{kHeld, 0_units, {Amount::max(), mark(2)}}).refusal().error ==
          Error::channel_closing);
    state = open_channel();
    CHECK(decide(state, Pay{kHeld, 0_units, {Amount::max(), mark(2)}}).refusal().error ==
          Error::invalid_params);
    CHECK(decide(state, Pay{kHeld, 1_units, {Amount::max(), mark(2)}}).refusal().error ==
          Error::idempotency_conflict);
    CHECK(decide(state, pay(Amount::max(), Amount::max())).refusal().error ==
          Error::cumulative_exceeds_balance);
    CHECK(decide(state, pay(Amount::max(), 100_units)).refusal().error ==
          Error::cumulative_below_claimed);
    CHECK(decide(state, pay(Amount::max(), 500_units)).refusal().error ==
          Error::insufficient_voucher);
}

TEST_CASE("pay: sums at the end of uint128 refuse and never wrap", "[channel][step]") {
    State state = full_channel();
    CHECK(decide(state, pay(10_units, Amount::max())).accepted());
    CHECK(decide(state, pay(11_units, Amount::max())).refusal() ==
          Refusal{Error::insufficient_voucher, Amount::max()});
    CHECK(decide(state, pay(Amount::max(), Amount::max())).refusal() ==
          Refusal{Error::insufficient_voucher, Amount::max()});

    apply(state, decide(state, pay(10_units, Amount::max())).event());
    CHECK(state.charged == Amount::max());
    CHECK(is_consistent(state));
    CHECK_FALSE(decide(state, pay(1_units, Amount::max())).accepted());
}

TEST_CASE("pay: the whole balance can be spent and not one unit more", "[channel][step]") {
    State state = open_channel();
    apply(state, decide(state, pay(500_units, 1000_units)).event());
    CHECK(state.charged == 800_units);
    CHECK(decide(state, pay(1_units, 1000_units)).refusal() ==
          Refusal{Error::insufficient_voucher, 1001_units});
}

}  // namespace
}  // namespace millrace::channel
