#include "tests/channel/step_fixture.hpp"

namespace millrace::channel {
namespace {

State doubted(State state) {
    state.in_doubt = true;
    return state;
}

TEST_CASE("reversal: a deposit that vanished takes its charges along, and they come back with it",
          "[channel][step]") {
    State state = open_channel();
    REQUIRE(apply(state, DepositUndone{800_units}).value() ==
            ChainEffect{.uncollectable = 100_units, .moved = 800_units, .released = 200_units});
    CHECK(state.balance == 200_units);
    CHECK(state.charged == 200_units);
    CHECK(state.owed == 300_units);
    CHECK(state.signed_max == 500_units);
    CHECK(state.in_doubt);
    CHECK(is_consistent(state));

    SECTION("at once when it is included again") {
        CHECK(apply(state, DepositConfirmed{800_units}).value() ==
              ChainEffect{.recharged = 100_units, .moved = 800_units});
        CHECK(state.charged == 300_units);
        CHECK(state.status == Status::open);
    }
    SECTION("bit by bit with other deposits, before anything else can spend them") {
        CHECK(apply(state, DepositConfirmed{60_units}).value() ==
              ChainEffect{.recharged = 60_units, .moved = 60_units});
        CHECK(decide(state, pay(1_units, 260_units)).refusal().error ==
              Error::insufficient_voucher);
        CHECK(apply(state, DepositConfirmed{60_units}).value() ==
              ChainEffect{.recharged = 40_units, .moved = 60_units});
        CHECK(decide(state, pay(20_units, 320_units)).accepted());
        CHECK_FALSE(decide(state, pay(21_units, 321_units)).accepted());
    }
    CHECK(is_consistent(state));
}

TEST_CASE("reversal: of a deposit that was claimed against, the claim has to be undone before",
          "[channel][step]") {
    State state = open_channel();
    CHECK(apply(state, DepositUndone{901_units}).error() == Error::amount_out_of_range);
    CHECK(state == open_channel());
    CHECK(apply(state, ClaimUndone{100_units}).value() == ChainEffect{.moved = 100_units});
    CHECK(apply(state, DepositUndone{1000_units}).has_value());
    CHECK(state.status == Status::pending);
    CHECK(state.charged == 0_units);
    CHECK(state.owed == 300_units);
    CHECK(is_consistent(state));
}

TEST_CASE("reversal: of a claim gives back what it moved, and no more than all claims",
          "[channel][step]") {
    State state = open_channel();
    CHECK(apply(state, ClaimUndone{101_units}).error() == Error::amount_out_of_range);
    REQUIRE(apply(state, ClaimConfirmed{250_units}).has_value());
    CHECK(apply(state, ClaimUndone{150_units}).value() == ChainEffect{.moved = 150_units});
    CHECK(state == doubted(open_channel()));
}

TEST_CASE("reversal: of a claim beyond the charges takes back what was charged after the fact",
          "[channel][step]") {
    State state = open_channel();
    REQUIRE(apply(state, ClaimConfirmed{800_units}).has_value());
    SECTION("nothing was built on it") {
        CHECK(apply(state, ClaimUndone{700_units}).value() ==
              ChainEffect{.uncollectable = 500_units, .moved = 700_units});
        CHECK(state.charged == 300_units);
        CHECK(state.owed == 300_units);
    }
    SECTION("the payer has signed on top of it") {
        apply(state, decide(state, pay(10_units, 810_units)).event());
        CHECK(apply(state, ClaimUndone{700_units}).value() == ChainEffect{.moved = 700_units});
        CHECK(state.charged == 810_units);
    }
    CHECK(is_consistent(state));
}

TEST_CASE("reversal: of a withdrawal request opens the channel again", "[channel][step]") {
    State state = closing_channel();
    CHECK(apply(state, WithdrawalRequestUndone{}).value() == ChainEffect{});
    CHECK(state == doubted(open_channel()));
    CHECK(decide(state, pay(1_units, 501_units)).accepted());
}

TEST_CASE("reversal: of a finished withdrawal leaves it pending", "[channel][step]") {
    State state = closing_channel();
    REQUIRE(apply(state, WithdrawalFinalized{900_units}).has_value());
    CHECK(apply(state, WithdrawalFinalizedUndone{900_units, 1'700'000'000,
                                                 closing_channel().withdraw_amount})
              .value() == ChainEffect{.recharged = 200_units, .moved = 900_units});
    State expected = doubted(closing_channel());
    expected.reserved = 0_units;
    expected.reservations.clear();
    CHECK(state == expected);
}

TEST_CASE("reversal: of a refund lowers the nonce", "[channel][step]") {
    State state = open_channel();
    CHECK(apply(state, RefundUndone{10_units}).error() == Error::amount_out_of_range);
    REQUIRE(apply(state, RefundConfirmed{10_units}).has_value());
    CHECK(apply(state, RefundUndone{10_units}).value() == ChainEffect{.moved = 10_units});
    CHECK(state == doubted(open_channel()));
}

TEST_CASE("reversal: a snapshot of another branch takes the place of the one that is gone",
          "[channel][step]") {
    State state = open_channel();
    CHECK(apply(state, SnapshotReplaced{{250_units, 50_units, 0, {}, 4}}).value() ==
          ChainEffect{.moved = 200_units, .released = 200_units});
    CHECK(state.charged == 250_units);
    CHECK(state.owed == 300_units);
    CHECK(mirror_of(state) == Mirror{250_units, 50_units, 0, {}, 4});
    CHECK(state.in_doubt);
    CHECK(is_consistent(state));

    CHECK(apply(state, SnapshotReplaced{{}}).value() == ChainEffect{.uncollectable = 200_units});
    CHECK(state.status == Status::pending);
    CHECK(is_consistent(state));
}

TEST_CASE("reversal: the doubt ends when the contract agrees", "[channel][step]") {
    State state = doubted(closing_channel());
    const Mirror contract{1000_units, 100_units, 1'700'000'000, {}, 2};
    CHECK(agrees(state, contract));
    CHECK_FALSE(agrees(state, {999_units, 100_units, 1'700'000'000, {}, 2}));
    CHECK_FALSE(agrees(state, {1000_units, 101_units, 1'700'000'000, {}, 2}));
    // Seen before its confirmations.
    CHECK(agrees(state, {1000_units, 100_units, 0, {}, 2}));

    apply(state, Reconciled{contract});
    CHECK_FALSE(state.in_doubt);
    CHECK(state.refund_nonce == 2);

    State other = doubted(open_channel());
    REQUIRE(agrees(other, {1000_units, 100_units, 1'700'000'001, 70_units, 2}));
    apply(other, Reconciled{{1000_units, 100_units, 1'700'000'001, 70_units, 2}});
    CHECK(other.status == Status::closing);
    CHECK(other.withdraw_requested_at == 1'700'000'001);
    CHECK(other.withdraw_amount == 70_units);
}

}  // namespace
}  // namespace millrace::channel
