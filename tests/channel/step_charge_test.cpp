#include "tests/channel/step_fixture.hpp"

namespace millrace::channel {
namespace {

Charge final_charge(Amount amount) {
    return {kHeld, amount, Finality::final};
}
Charge partial_charge(Amount amount) {
    return {kHeld, amount, Finality::partial};
}

TEST_CASE("charge: the final one frees the rest of the reservation", "[channel][step]") {
    State state = open_channel();
    const auto decision = decide(state, final_charge(120_units));
    REQUIRE(decision.accepted());
    CHECK(decision.event().increment == 70_units);
    CHECK(state == open_channel());

    apply(state, decision.event());
    CHECK(state.charged == 370_units);
    CHECK(state.reserved == 0_units);
    CHECK(state.reservations.empty());
    CHECK(state.signed_max == 500_units);
    CHECK(is_consistent(state));
}

TEST_CASE("charge: a partial one leaves the rest reserved", "[channel][step]") {
    State state = open_channel();
    apply(state, decide(state, partial_charge(120_units)).event());
    CHECK(state.charged == 370_units);
    CHECK(state.reserved == 130_units);
    CHECK(state.reservations.at(kHeld) == Reservation{250_units, 120_units, 3});
    CHECK(is_consistent(state));
}

TEST_CASE("charge: partial ones add up to the cumulative amount", "[channel][step]") {
    State state = open_channel();
    for (const Amount amount : {51_units, 100_units, 249_units, 250_units}) {
        const auto decision = decide(state, partial_charge(amount));
        REQUIRE(decision.accepted());
        apply(state, decision.event());
        CHECK(state.reservations.at(kHeld).charged == amount);
        CHECK(is_consistent(state));
    }
    CHECK(state.charged == 500_units);
    CHECK(state.reserved == 0_units);
    apply(state, decide(state, final_charge(250_units)).event());
    CHECK(state.charged == 500_units);
    CHECK(state.reservations.empty());
}

TEST_CASE("charge: at most what was reserved", "[channel][step]") {
    CHECK(decide(open_channel(), final_charge(250_units)).accepted());
    for (const auto& command :
         {final_charge(251_units), partial_charge(251_units), final_charge(Amount::max())}) {
        CHECK(decide(open_channel(), command).refusal() ==
              Refusal{Error::amount_exceeds_reservation, 250_units});
    }
}

TEST_CASE("charge: never less than what was charged already", "[channel][step]") {
    for (const auto& command : {final_charge(49_units), final_charge(0_units),
                                partial_charge(49_units), partial_charge(0_units)}) {
        CHECK(decide(open_channel(), command).refusal() ==
              Refusal{Error::invalid_params, 50_units, "amount"});
    }
}

TEST_CASE("charge: a partial one must add something, a final one need not", "[channel][step]") {
    CHECK(decide(open_channel(), partial_charge(50_units)).refusal() ==
          Refusal{Error::invalid_params, 50_units, "amount"});
    const auto decision = decide(open_channel(), final_charge(50_units));
    REQUIRE(decision.accepted());
    CHECK(decision.event().increment == 0_units);
}

TEST_CASE("charge: an inference without a reservation is unknown", "[channel][step]") {
    State state = open_channel();
    CHECK(decide(state, Charge{kNew, 1_units, Finality::final}).refusal() ==
          Refusal{Error::reservation_unknown});
    apply(state, decide(state, final_charge(60_units)).event());
    CHECK(decide(state, final_charge(60_units)).refusal() == Refusal{Error::reservation_unknown});
}

TEST_CASE("charge: work done is charged while a withdrawal is pending", "[channel][step]") {
    State state = closing_channel();
    apply(state, decide(state, final_charge(250_units)).event());
    CHECK(state.charged == 500_units);
    CHECK(state.status == Status::closing);
    CHECK(is_consistent(state));
}

TEST_CASE("charge: nothing beyond the balance or the highest voucher", "[channel][step]") {
    // Such states do not come about; the guards hold all the same.
    State state = open_channel();
    state.balance = 400_units;
    CHECK(decide(state, final_charge(150_units)).accepted());
    CHECK(decide(state, final_charge(151_units)).refusal() ==
          Refusal{Error::cumulative_exceeds_balance, 400_units, "amount"});

    state = open_channel();
    state.signed_max = 400_units;
    CHECK(decide(state, final_charge(150_units)).accepted());
    CHECK(decide(state, final_charge(151_units)).refusal() ==
          Refusal{Error::charge_exceeds_signed_cumulative, 400_units});
}

TEST_CASE("release: frees what is left and keeps what was charged", "[channel][step]") {
    State state = open_channel();
    const auto decision = decide(state, Release{kHeld});
    REQUIRE(decision.accepted());
    apply(state, decision.event());
    CHECK(state.charged == 300_units);
    CHECK(state.reserved == 0_units);
    CHECK(state.reservations.empty());
    CHECK(is_consistent(state));
    CHECK(decide(state, Release{kHeld}).refusal() == Refusal{Error::reservation_unknown});
}

TEST_CASE("release: takes nothing from other reservations", "[channel][step]") {
    State state = open_channel();
    apply(state, decide(state, authorize(60_units, 600_units), Limits{}).event());
    apply(state, decide(state, Release{kHeld}).event());
    CHECK(state.reserved == 60_units);
    CHECK(state.reservations.size() == 1);
    CHECK(is_consistent(state));
}

TEST_CASE("apply: an event for a reservation that is gone changes nothing", "[channel][step]") {
    State state = open_channel();
    apply(state, Charged{kNew, 10_units, Finality::final});
    apply(state, Released{kNew});
    apply(state, Authorized{kHeld, 10_units, SignedVoucher{900_units, mark(9)}});
    CHECK(state == open_channel());
}

}  // namespace
}  // namespace millrace::channel
