#include "channel/refund.hpp"
#include "tests/channel/step_fixture.hpp"

namespace millrace::channel {
namespace {

AskRefund ask(std::optional<Amount> amount, Amount max_claimable = 300_units,
              std::uint64_t nonce = 0) {
    return {amount, {max_claimable, mark(2)}, nonce};
}

TEST_CASE("ask for a refund: without an amount it is all that is neither charged nor reserved",
          "[channel][refund]") {
    const auto decision = decide(open_channel(), ask(std::nullopt));
    REQUIRE(decision.accepted());
    CHECK(decision.event().amount == 500_units);

    State state = open_channel();
    apply(state, decision.event());
    State expected = open_channel();
    expected.refunding = 500_units;
    expected.refunds_begun = 1;
    CHECK(state == expected);
    CHECK(is_consistent(state));
}

TEST_CASE("ask for a refund: from one unit up to all that is left", "[channel][refund]") {
    for (const Amount amount : {1_units, 499_units, 500_units}) {
        const auto decision = decide(open_channel(), ask(amount));
        REQUIRE(decision.accepted());
        CHECK(decision.event().amount == amount);
    }
    for (const Amount amount : {0_units, 501_units, 700_units, Amount::max()}) {
        CHECK(decide(open_channel(), ask(amount)).refusal() ==
              Refusal{Error::refund_amount_invalid, 500_units});
    }
}

TEST_CASE("ask for a refund: the voucher is for exactly what is charged", "[channel][refund]") {
    for (const Amount max : {0_units, 299_units, 301_units, 500_units, 1000_units}) {
        CHECK(decide(open_channel(), ask(std::nullopt, max)).refusal() ==
              Refusal{Error::cumulative_amount_mismatch, 300_units});
    }
    State unused = open_channel();
    unused = {.status = Status::open, .balance = 10_units};
    CHECK(decide(unused, ask(std::nullopt, 0_units)).event().amount == 10_units);
}

TEST_CASE("ask for a refund: what is charged or reserved is not refunded", "[channel][refund]") {
    State state = open_channel();
    state.balance = 500_units;
    CHECK(decide(state, ask(std::nullopt)).refusal() == Refusal{Error::refund_no_balance});
    CHECK(decide(state, ask(1_units)).refusal() == Refusal{Error::refund_no_balance});
}

TEST_CASE("ask for a refund: one at a time", "[channel][refund]") {
    CHECK(decide(refunding_channel(), ask(1_units)).refusal() == Refusal{Error::channel_busy});
    auto doubtful = refunding_channel();
    doubtful.refunding = Amount{};
    REQUIRE(decide(doubtful, ask(1_units)).accepted());
    doubtful.in_doubt = true;
    CHECK(decide(doubtful, ask(1_units)).refusal() == Refusal{Error::channel_busy});
}

TEST_CASE("ask for a refund: the contract counts refunds that nobody was told of",
          "[channel][refund]") {
    State state = open_channel();
    state.refund_nonce = 4;
    CHECK(decide(state, ask(1_units, 300_units, 7)).event().refund_nonce == 7);
    // A node that lags behind.
    CHECK(decide(state, ask(1_units, 300_units, 3)).event().refund_nonce == 4);
    apply(state, decide(state, ask(1_units, 300_units, 7)).event());
    CHECK(state.refund_nonce == 7);
}

TEST_CASE("refunding: what is on its way cannot be paid from", "[channel][refund]") {
    const State state = refunding_channel();
    CHECK(decide(state, pay(150_units, 650_units)).accepted());
    CHECK(decide(state, pay(150_units, 651_units)).refusal() ==
          Refusal{Error::cumulative_exceeds_balance, 650_units});
    CHECK(decide(state, pay(151_units, 650_units)).refusal() ==
          Refusal{Error::insufficient_voucher, 651_units});
    CHECK(decide(state, authorize(151_units, 651_units), Limits{}).refusal() ==
          Refusal{Error::cumulative_exceeds_balance, 650_units});
    State covered = state;
    covered.signed_max = 1000_units;
    CHECK(decide(covered, authorize(150_units), Limits{}).accepted());
    CHECK(decide(covered, authorize(151_units), Limits{}).refusal() ==
          Refusal{Error::cumulative_exceeds_balance, 650_units, "maxAmount"});
}

TEST_CASE("refunding: reservations are charged as ever", "[channel][refund]") {
    State state = refunding_channel();
    const auto charged = decide(state, Charge{kHeld, 250_units, Finality::final});
    REQUIRE(charged.accepted());
    apply(state, charged.event());
    CHECK(is_consistent(state));
    CHECK(apply(state, ClaimConfirmed{300_units}).has_value());
    CHECK(apply(state, RefundConfirmed{350_units}).value() == ChainEffect{.moved = 350_units});
    CHECK(state.charged == 500_units);
    CHECK(state.balance == 650_units);
    CHECK(is_consistent(state));
}

TEST_CASE("refunding: a refund that the chain confirms takes from what is held",
          "[channel][refund]") {
    const auto [amount, still_held] = GENERATE(
        table<Amount, Amount>({{1_units, 349_units}, {350_units, 0_units}, {500_units, 0_units}}));
    {
        State state = refunding_channel();
        CHECK(apply(state, RefundConfirmed{amount}).value() == ChainEffect{.moved = amount});
        CHECK(state.refunding == still_held);
        CHECK(state.refund_nonce == 3);
        CHECK(is_consistent(state));
    }
    State state = refunding_channel();
    CHECK(apply(state, RefundConfirmed{1001_units}).error() == Error::amount_out_of_range);
    CHECK(state == refunding_channel());
}

TEST_CASE("refunding: of two that are undone both are held until they are carried out again",
          "[channel][refund]") {
    State state = refunding_channel();
    const State before = state;
    REQUIRE(apply(state, RefundConfirmed{350_units}).has_value());
    const auto second = decide(state, ask(100_units));
    REQUIRE(second.accepted());
    apply(state, second.event());
    REQUIRE(apply(state, RefundConfirmed{100_units}).has_value());
    CHECK(state.refunding == 0_units);
    REQUIRE(apply(state, RefundUndone{100_units}).has_value());
    REQUIRE(apply(state, RefundUndone{350_units}).has_value());
    CHECK(state.balance == before.balance);
    CHECK(state.refunding == 450_units);
    CHECK(is_consistent(state));
    REQUIRE(apply(state, RefundConfirmed{350_units}).has_value());
    CHECK(state.refunding == 100_units);
    REQUIRE(apply(state, RefundConfirmed{100_units}).has_value());
    CHECK(state.refunding == 0_units);
    CHECK(is_consistent(state));
}

TEST_CASE("refunding: a withdrawal may overtake it; then it takes what comes in later",
          "[channel][refund]") {
    State state = refunding_channel();
    REQUIRE(apply(state, WithdrawalRequested{1'700'000'000, 600_units}).has_value());
    CHECK(is_consistent(state));
    CHECK(apply(state, WithdrawalFinalized{600_units}).value() ==
          ChainEffect{.moved = 600_units, .released = 200_units});
    CHECK(state.refunding == 350_units);
    CHECK(is_consistent(state));
    CHECK(decide(state, pay(1_units, 301_units)).refusal() ==
          Refusal{Error::cumulative_exceeds_balance, 300_units});
    REQUIRE(apply(state, DepositConfirmed{300_units}).has_value());
    CHECK(decide(state, pay(50_units, 350_units)).accepted());
    CHECK(decide(state, pay(51_units, 351_units)).refusal() ==
          Refusal{Error::cumulative_exceeds_balance, 350_units});
    CHECK(is_consistent(state));
}

TEST_CASE("refunding: charges after the fact go before reservations and the refund",
          "[channel][refund]") {
    State state = refunding_channel();
    CHECK(apply(state, ClaimConfirmed{451_units}).value() ==
          ChainEffect{
              .charged_after_the_fact = 151_units, .moved = 351_units, .released = 200_units});
    CHECK(is_consistent(state));
}

TEST_CASE("abandoned: what is held for an earlier one stays held", "[channel][refund]") {
    State state = refunding_channel();
    CHECK(apply(state, RefundAbandoned{3, 100_units}));
    CHECK(state.refunding == 250_units);
    CHECK(is_consistent(state));
}

TEST_CASE("abandoned: gives back what was held, once and only of the refund it names",
          "[channel][refund]") {
    State state = refunding_channel();
    CHECK_FALSE(apply(state, RefundAbandoned{2, 350_units}));
    CHECK_FALSE(apply(state, RefundAbandoned{4, 350_units}));
    CHECK(state == refunding_channel());
    CHECK(apply(state, RefundAbandoned{3, 350_units}));
    CHECK(state.refunding == 0_units);
    CHECK(state.refund_nonce == 2);
    CHECK_FALSE(apply(state, RefundAbandoned{3, 350_units}));
    CHECK(is_consistent(state));
}

}  // namespace
}  // namespace millrace::channel
