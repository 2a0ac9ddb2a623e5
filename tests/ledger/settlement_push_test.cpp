#include "ledger/settlement/push.hpp"
#include "ledger/settlement/row_check.hpp"
#include "tests/support/ledger_fixture.hpp"
#include "tests/support/print.hpp"

#include <rapidcheck.h>
#include <catch2/catch.hpp>

using namespace support;
using channel::Amount;
using ledger::Push;
using ledger::PushState;
using ledger::chain::Fees;

namespace {

PushState stuck(std::uint64_t looks, std::uint64_t blocks) {
    return {.fees = {units(1000), units(100)},
            .market = {units(900), units(50)},
            .cap = units(10'000),
            .is_next = true,
            .looks = looks,
            .blocks = blocks,
            .seconds_left = std::nullopt};
}

}  // namespace

TEST_CASE("push: first sent again, then with higher fees once blocks went by without it") {
    CHECK(decide_push(stuck(0, 0)).push == Push::rebroadcast);
    CHECK(decide_push(stuck(1, 9)).push == Push::wait);
    CHECK(decide_push(stuck(10, 9)).push == Push::rebroadcast);
    CHECK(decide_push(stuck(29, 9)).push == Push::wait);
    CHECK(decide_push(stuck(30, 2)).push == Push::rebroadcast);
    CHECK(decide_push(stuck(31, 3)).push == Push::raise);
    CHECK(decide_push(stuck(30, 3)).fees == Fees{units(1125), units(113)});
    auto behind = stuck(300, 300);
    behind.is_next = false;
    CHECK(decide_push(behind).push == Push::rebroadcast);
}

TEST_CASE("push: the nearer the deadline, the sooner") {
    const auto with = [](std::int64_t seconds, std::uint64_t looks, std::uint64_t blocks) {
        auto state = stuck(looks, blocks);
        state.seconds_left = seconds;
        return decide_push(state).push;
    };
    CHECK(with(3601, 11, 2) == Push::wait);
    CHECK(with(3600, 11, 2) == Push::raise);
    CHECK(with(301, 9, 9) == Push::wait);
    CHECK(with(300, 3, 1) == Push::raise);
    CHECK(with(300, 3, 0) == Push::wait);
    CHECK(with(-5, 3, 1) == Push::raise);
}

TEST_CASE("push: the market lifts fees further, the cap ends it and is told of") {
    auto state = stuck(30, 3);
    state.market = {units(5000), units(400)};
    CHECK(decide_push(state).fees == Fees{units(5000), units(400)});
    state.cap = units(1100);
    CHECK(decide_push(state).fees == Fees{units(1100), units(400)});
    state.cap = units(1099);
    CHECK(decide_push(state).push == Push::at_cap);
    CHECK(decide_push(state).fees == state.fees);
    state.looks = 31;
    CHECK(decide_push(state).push == Push::wait);
}

TEST_CASE("push: fees never fall, a replacement is 10 % above in both fields and within the cap") {
    const bool holds = rc::check([] {
        const auto figure = [] { return units(*rc::gen::inRange<std::uint64_t>(0, 100'000)); };
        PushState state;
        state.fees.max_fee = figure();
        state.fees.priority_fee = std::min(figure(), state.fees.max_fee);
        state.market = {figure(), figure()};
        state.cap = figure();
        state.is_next = *rc::gen::arbitrary<bool>();
        state.looks = *rc::gen::inRange<std::uint64_t>(0, 100);
        state.blocks = *rc::gen::inRange<std::uint64_t>(0, 10);
        if (*rc::gen::arbitrary<bool>())
            state.seconds_left = *rc::gen::inRange<std::int64_t>(-100, 5000);
        const auto decision = decide_push(state);
        if (decision.push != Push::raise) {
            RC_ASSERT(decision.fees == state.fees);
            return;
        }
        RC_ASSERT(state.is_next);
        const auto rises = [](Amount before, Amount after) {
            return after.units() > before.units() && after.units() * 10 >= before.units() * 11;
        };
        RC_ASSERT(rises(state.fees.max_fee, decision.fees.max_fee));
        RC_ASSERT(rises(state.fees.priority_fee, decision.fees.priority_fee));
        RC_ASSERT(decision.fees.max_fee <= state.cap);
        RC_ASSERT(decision.fees.priority_fee <= decision.fees.max_fee);
        // Less time never means waiting longer.
        state.seconds_left = 0;
        RC_ASSERT(decide_push(state).push == Push::raise);
    });
    CHECK(holds);
}

TEST_CASE("row check: each row is judged by what the contract holds at one block") {
    const channel::Digest separator{};
    const auto row = [&](unsigned n, std::uint64_t claimed, std::uint64_t ceiling) {
        ledger::PlannedRow made;
        made.claim.config.salt.bytes[0] = static_cast<std::uint8_t>(n);
        made.id = channel::channel_id(separator, made.claim.config);
        made.claim.total_claimed = units(claimed);
        made.claim.max_claimable = units(ceiling);
        return made;
    };
    std::vector<ledger::PlannedRow> rows{row(1, 50, 60), row(2, 50, 60), row(3, 50, 49),
                                         row(4, 50, 60), row(5, 50, 60)};
    rows[4].claim.config.salt.bytes[0] = 9;
    const std::vector<ledger::chain::ChannelTotals> on_chain{{units(50), units(49)},
                                                             {units(99), units(50)},
                                                             {units(99), units(0)},
                                                             {units(49), units(0)},
                                                             {units(99), units(0)}};
    const auto checked = ledger::check_rows(rows, on_chain, separator);
    REQUIRE(checked.sound.size() == 1);
    CHECK(checked.sound[0].id == rows[0].id);
    REQUIRE(checked.claimed_already.size() == 1);
    CHECK(checked.claimed_already[0].id == rows[1].id);
    REQUIRE(checked.bad.size() == 3);
    CHECK(checked.bad[0].fault == ledger::RowFault::exceeds_ceiling);
    CHECK(checked.bad[0].detail == "50 is more than 49");
    CHECK(checked.bad[1].fault == ledger::RowFault::exceeds_balance);
    CHECK(checked.bad[2].fault == ledger::RowFault::channel_id_mismatch);
    CHECK(ledger::fault_from("ClaimExceedsBalance()") == ledger::RowFault::exceeds_balance);
    CHECK(ledger::fault_from("ECDSAInvalidSignatureS(bytes32)") ==
          ledger::RowFault::invalid_signature);
    CHECK(ledger::fault_from("InvalidSignature()") == ledger::RowFault::invalid_signature);
    CHECK(ledger::fault_from("") == ledger::RowFault::reverted);
}
