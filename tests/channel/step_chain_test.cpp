#include "tests/channel/step_fixture.hpp"

namespace millrace::channel {
namespace {

constexpr ChainEffect kNothing{};

TEST_CASE("deposit: the first opens, a later one tops up", "[channel][step]") {
    State state = pending_channel();
    CHECK(apply(state, DepositConfirmed{400_units}).value() == ChainEffect{.moved = 400_units});
    CHECK(state.status == Status::open);
    CHECK(apply(state, DepositConfirmed{50_units}).value() == ChainEffect{.moved = 50_units});
    CHECK(state.balance == 450_units);
    CHECK(is_consistent(state));
}

TEST_CASE("deposit: opens a closed channel again, and leaves a closing one closing",
          "[channel][step]") {
    State closed = closed_channel();
    CHECK(apply(closed, DepositConfirmed{50_units}).has_value());
    CHECK(closed.status == Status::open);
    CHECK(closed.balance == 350_units);

    State closing = closing_channel();
    CHECK(apply(closing, DepositConfirmed{50_units}).has_value());
    CHECK(closing.status == Status::closing);
    CHECK(is_consistent(closing));
}

TEST_CASE("deposit: a balance beyond uint128 is refused and changes nothing", "[channel][step]") {
    State state = full_channel();
    CHECK(apply(state, DepositConfirmed{1_units}).error() == Error::amount_out_of_range);
    CHECK(state == full_channel());
}

TEST_CASE("claim: the increment moves, nothing else changes", "[channel][step]") {
    State state = open_channel();
    CHECK(apply(state, ClaimConfirmed{300_units}).value() == ChainEffect{.moved = 200_units});
    State expected = open_channel();
    expected.total_claimed = 300_units;
    CHECK(state == expected);
    CHECK(is_consistent(state));
}

TEST_CASE("claim: a total that is not higher was seen before", "[channel][step]") {
    State state = open_channel();
    for (const Amount total : {0_units, 99_units, 100_units}) {
        CHECK(apply(state, ClaimConfirmed{total}).value() == kNothing);
    }
    CHECK(state == open_channel());
}

TEST_CASE("claim: above what was charged is charged after the fact", "[channel][step]") {
    State state = open_channel();
    state.reservations.clear();
    state.reserved = 0_units;
    CHECK(apply(state, ClaimConfirmed{450_units}).value() ==
          ChainEffect{.charged_after_the_fact = 150_units, .moved = 350_units});
    CHECK(state.charged == 450_units);
    CHECK(state.total_claimed == 450_units);
    CHECK(is_consistent(state));
}

TEST_CASE("claim: after the fact it may pass the highest voucher known here", "[channel][step]") {
    State state = open_channel();
    CHECK(apply(state, ClaimConfirmed{800_units}).value() ==
          ChainEffect{
              .charged_after_the_fact = 500_units, .moved = 700_units, .released = 200_units});
    CHECK(state.charged == 800_units);
    CHECK(state.signed_max == 500_units);
    CHECK(is_consistent(state));
    CHECK(decide(state, pay(10_units, 810_units)).accepted());
    CHECK(decide(state, authorize(10_units), Limits{}).refusal() ==
          Refusal{Error::insufficient_voucher, 810_units});
}

TEST_CASE("claim: reservations that the voucher still covers stay", "[channel][step]") {
    State state = open_channel();
    state.signed_max = 700_units;
    CHECK(apply(state, ClaimConfirmed{500_units}).value() ==
          ChainEffect{.charged_after_the_fact = 200_units, .moved = 400_units});
    CHECK(state.reserved == 200_units);
    CHECK(is_consistent(state));

    CHECK(apply(state, ClaimConfirmed{501_units}).value() ==
          ChainEffect{.charged_after_the_fact = 1_units, .moved = 1_units, .released = 200_units});
    CHECK(state.reservations.empty());
    CHECK(is_consistent(state));
}

TEST_CASE("claim: more than the balance contradicts the contract", "[channel][step]") {
    State state = open_channel();
    CHECK(apply(state, ClaimConfirmed{1001_units}).error() == Error::amount_out_of_range);
    CHECK(state == open_channel());
    CHECK(apply(state, ClaimConfirmed{1000_units}).has_value());
}

TEST_CASE("withdrawal: from the request on nothing new is taken", "[channel][step]") {
    State state = open_channel();
    CHECK(apply(state, WithdrawalRequested{1'700'000'000, 900_units}).value() == kNothing);
    CHECK(state == closing_channel());
    CHECK(decide(state, pay(1_units, 501_units)).refusal() == Refusal{Error::channel_closing});
}

TEST_CASE("withdrawal: at time zero contradicts the chain", "[channel][step]") {
    State state = open_channel();
    CHECK(apply(state, WithdrawalRequested{0}).error() == Error::amount_out_of_range);
    CHECK(state == open_channel());
}

TEST_CASE("withdrawal: of what nobody needs leaves charges and reservations", "[channel][step]") {
    State state = closing_channel();
    CHECK(apply(state, WithdrawalFinalized{500_units}).value() == ChainEffect{.moved = 500_units});
    CHECK(state.balance == 500_units);
    CHECK(state.charged == 300_units);
    CHECK(state.reserved == 200_units);
    CHECK(state.withdraw_requested_at == 0);
    CHECK(state.status == Status::open);
    CHECK(is_consistent(state));
}

TEST_CASE("withdrawal: one unit into the reservations drops them all", "[channel][step]") {
    State state = closing_channel();
    CHECK(apply(state, WithdrawalFinalized{501_units}).value() ==
          ChainEffect{.moved = 501_units, .released = 200_units});
    CHECK(state.charged == 300_units);
    CHECK(state.reserved == 0_units);
    CHECK(state.reservations.empty());
    CHECK(state.status == Status::open);
    CHECK(is_consistent(state));
}

TEST_CASE("withdrawal: of charges that were not claimed makes them uncollectable",
          "[channel][step]") {
    State state = closing_channel();
    CHECK(apply(state, WithdrawalFinalized{750_units}).value() ==
          ChainEffect{.uncollectable = 50_units, .moved = 750_units, .released = 200_units});
    CHECK(state.balance == 250_units);
    CHECK(state.charged == 250_units);
    CHECK(state.total_claimed == 100_units);
    CHECK(state.signed_max == 500_units);
    CHECK(state.status == Status::open);
    CHECK(is_consistent(state));
}

TEST_CASE("withdrawal: of all that is unclaimed closes", "[channel][step]") {
    State state = closing_channel();
    CHECK(apply(state, WithdrawalFinalized{900_units}).value() ==
          ChainEffect{.uncollectable = 200_units, .moved = 900_units, .released = 200_units});
    CHECK(state.status == Status::closed);
    CHECK(state.balance == 100_units);
    CHECK(is_consistent(state));
}

TEST_CASE("withdrawal: closing for good drops a reservation that is charged in full",
          "[channel][step]") {
    State state = closing_channel();
    apply(state, decide(state, Charge{kHeld, 250_units, Finality::partial}).event());
    CHECK(apply(state, ClaimConfirmed{500_units}).has_value());
    CHECK(apply(state, WithdrawalFinalized{500_units}).value() == ChainEffect{.moved = 500_units});
    CHECK(state.status == Status::closed);
    CHECK(state.reservations.empty());
    CHECK(is_consistent(state));
}

TEST_CASE("withdrawal: of claimed money contradicts the contract", "[channel][step]") {
    State state = closing_channel();
    for (const Amount amount : {901_units, 1000_units, 1001_units, Amount::max()}) {
        CHECK(apply(state, WithdrawalFinalized{amount}).error() == Error::amount_out_of_range);
        CHECK(apply(state, RefundConfirmed{amount}).error() == Error::amount_out_of_range);
    }
    CHECK(state == closing_channel());
}

TEST_CASE("withdrawal: after it the old voucher stands above the balance", "[channel][step]") {
    State state = closing_channel();
    REQUIRE(apply(state, WithdrawalFinalized{750_units}).has_value());
    CHECK(decide(state, authorize(1_units), Limits{}).refusal() ==
          Refusal{Error::cumulative_exceeds_balance, 250_units, "maxAmount"});
    CHECK(decide(state, pay(1_units, 251_units)).refusal() ==
          Refusal{Error::cumulative_exceeds_balance, 250_units});

    REQUIRE(apply(state, DepositConfirmed{150_units}).has_value());
    CHECK(decide(state, authorize(101_units), Limits{}).refusal() ==
          Refusal{Error::cumulative_exceeds_balance, 400_units, "maxAmount"});
    CHECK(decide(state, authorize(100_units), Limits{}).accepted());
    CHECK(is_consistent(state));
}

TEST_CASE("refund: takes out like a withdrawal and counts", "[channel][step]") {
    State state = open_channel();
    CHECK(apply(state, RefundConfirmed{500_units}).value() == ChainEffect{.moved = 500_units});
    CHECK(state.balance == 500_units);
    CHECK(state.refund_nonce == 1);
    CHECK(state.status == Status::open);
    CHECK(apply(state, RefundConfirmed{150_units}).value() ==
          ChainEffect{.moved = 150_units, .released = 200_units});
    CHECK(apply(state, RefundConfirmed{250_units}).value() ==
          ChainEffect{.uncollectable = 200_units, .moved = 250_units});
    CHECK(state.refund_nonce == 3);
    CHECK(state.status == Status::closed);
    CHECK(is_consistent(state));
}

TEST_CASE("refund: one that moves nothing still counts", "[channel][step]") {
    State state = open_channel();
    CHECK(apply(state, RefundConfirmed{0_units}).value() == kNothing);
    State expected = open_channel();
    expected.refund_nonce = 1;
    CHECK(state == expected);
}

TEST_CASE("refund: leaves of a pending withdrawal what it does not cover", "[channel][step]") {
    State state = closing_channel();
    CHECK(apply(state, RefundConfirmed{899_units}).has_value());
    CHECK(state.status == Status::closing);
    CHECK(state.withdraw_requested_at == 1'700'000'000);
    CHECK(state.withdraw_amount == 1_units);
    CHECK(is_consistent(state));
    CHECK(apply(state, WithdrawalFinalized{1_units}).has_value());
    CHECK(state.status == Status::closed);
    CHECK(state.withdraw_amount == 0_units);
    CHECK(is_consistent(state));
}

TEST_CASE("refund: of all that a pending withdrawal asked for ends it", "[channel][step]") {
    State state = closing_channel();
    state.withdraw_amount = 400_units;
    CHECK(apply(state, RefundConfirmed{400_units}).has_value());
    CHECK(state.status == Status::open);
    CHECK(state.withdraw_requested_at == 0);
    CHECK(is_consistent(state));

    State emptied = closing_channel();
    CHECK(apply(emptied, RefundConfirmed{900_units}).has_value());
    CHECK(emptied.status == Status::closed);
    CHECK(is_consistent(emptied));
}

TEST_CASE("refund: leaves a withdrawal of unknown amount pending", "[channel][step]") {
    State state = closing_channel();
    state.withdraw_amount = 0_units;
    CHECK(apply(state, RefundConfirmed{900_units}).has_value());
    CHECK(state.status == Status::closing);
    CHECK(is_consistent(state));
    CHECK(apply(state, WithdrawalFinalized{0_units}).has_value());
    CHECK(state.status == Status::closed);
    CHECK(is_consistent(state));
}

}  // namespace
}  // namespace millrace::channel
