#include "channel/state.hpp"

#include "tests/channel/step_fixture.hpp"

namespace millrace::channel {
namespace {

TEST_CASE("state: a status has its name on the wire", "[channel][state]") {
    CHECK(to_string(Status::pending) == "pending");
    CHECK(to_string(Status::open) == "open");
    CHECK(to_string(Status::closing) == "closing");
    CHECK(to_string(Status::closed) == "closed");
}

TEST_CASE("state: the fixtures are consistent", "[channel][state]") {
    for (const auto& state : {pending_channel(), open_channel(), closing_channel(),
                              refunding_channel(), closed_channel(), full_channel()}) {
        CHECK(is_consistent(state));
    }
}

TEST_CASE("state: each broken invariant is seen", "[channel][state]") {
    const auto broken = [](State state, auto change) {
        change(state);
        return !is_consistent(state);
    };
    CHECK(broken(open_channel(), [](State& s) { s.total_claimed = 301_units; }));
    CHECK(broken(open_channel(), [](State& s) { s.balance = 499_units; }));
    CHECK(broken(open_channel(), [](State& s) { s.signed_max = 499_units; }));
    CHECK(broken(open_channel(), [](State& s) { s.reserved = 199_units; }));
    CHECK(broken(open_channel(), [](State& s) { s.reserved = Amount::max(); }));
    CHECK(broken(open_channel(), [](State& s) { s.reservations.clear(); }));
    CHECK(broken(open_channel(), [](State& s) { s.reservations[kHeld].charged = 251_units; }));
    CHECK(broken(open_channel(), [](State& s) { s.reservations[kNew].max_amount = 1_units; }));
    CHECK(broken(open_channel(), [](State& s) { s.withdraw_requested_at = 1; }));
    CHECK(broken(open_channel(), [](State& s) { s.status = Status::closed; }));
    CHECK(broken(open_channel(), [](State& s) { s.status = Status::closing; }));
    CHECK(broken(open_channel(), [](State& s) { s.owed = 299_units; }));
    CHECK(broken(open_channel(), [](State& s) { s.owed = 301_units; }));
    CHECK(broken(refunding_channel(), [](State& s) { s.refunding = 501_units; }));
    CHECK(broken(refunding_channel(), [](State& s) { s.balance = 849_units; }));
    CHECK(broken(full_channel(), [](State& s) { s.signed_max = 1_units; }));
    CHECK(broken(closing_channel(), [](State& s) { s.withdraw_requested_at = 0; }));
    CHECK(broken(closed_channel(), [](State& s) { s.balance = 301_units; }));
    CHECK(broken(closed_channel(), [](State& s) { s.reservations[kNew] = {}; }));
    CHECK(broken(pending_channel(), [](State& s) { s.balance = 1_units; }));
}

TEST_CASE("state: a refund on its way takes nothing that is charged", "[channel][state]") {
    State state = refunding_channel();
    CHECK(spendable(state) == 650_units);
    state.refunding = 700_units;
    CHECK(spendable(state) == 300_units);
    state.refunding = Amount::max();
    CHECK(spendable(state) == 300_units);
    CHECK(spendable(open_channel()) == 1000_units);
    CHECK(spendable(pending_channel()) == 0_units);
}

}  // namespace
}  // namespace millrace::channel
