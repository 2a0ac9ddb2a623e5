#include "channel/accept.hpp"
#include "channel/refund.hpp"
#include "tests/channel/step_fixture.hpp"

#include <functional>

namespace millrace::channel {
namespace {

using Outcome = std::optional<Error>;

template <class T>
Outcome outcome_of(const Decision<T>& decision) {
    if (decision.accepted()) return std::nullopt;
    return decision.refusal().error;
}

/// Each command as it would be accepted by a channel in the right status.
const std::vector<std::pair<std::string, std::function<Outcome(const State&)>>> kCommands{
    {"pay", [](const State& s) { return outcome_of(decide(s, pay(10_units, 600_units))); }},
    {"authorize with a voucher",
     [](const State& s) { return outcome_of(decide(s, authorize(10_units, 600_units), {})); }},
    {"authorize without one",
     [](const State& s) {
         State covered = s;
         covered.signed_max = 900_units;
         return outcome_of(decide(covered, authorize(10_units), {}));
     }},
    {"accept",
     [](const State& s) {
         State idle = s;
         idle.reserved = 0_units;
         idle.reservations.clear();
         const Amount exact = add(s.charged, 10_units).value();
         return outcome_of(decide(idle, Accept{kNew, 10_units, {exact, mark(2)}}));
     }},
    {"charge, partial",
     [](const State& s) {
         return outcome_of(decide(s, Charge{kHeld, 60_units, Finality::partial}));
     }},
    {"charge, final",
     [](const State& s) {
         return outcome_of(decide(s, Charge{kHeld, 60_units, Finality::final}));
     }},
    {"release", [](const State& s) { return outcome_of(decide(s, Release{kHeld})); }},
    {"ask for a refund",
     [](const State& s) {
         return outcome_of(decide(s, AskRefund{10_units, {s.charged, mark(2)}, 0}));
     }},
};

const std::vector<std::pair<State, std::vector<Outcome>>> kOutcomes{
    {pending_channel(),
     {Error::channel_not_open, Error::channel_not_open, Error::channel_not_open,
      Error::channel_not_open, Error::channel_not_open, Error::channel_not_open,
      Error::channel_not_open, Error::channel_not_open}},
    {open_channel(),
     {std::nullopt, std::nullopt, std::nullopt, std::nullopt, std::nullopt, std::nullopt,
      std::nullopt, std::nullopt}},
    {refunding_channel(),
     {std::nullopt, std::nullopt, std::nullopt, std::nullopt, std::nullopt, std::nullopt,
      std::nullopt, Error::channel_busy}},
    {closing_channel(),
     {Error::channel_closing, Error::channel_closing, Error::channel_closing,
      Error::channel_closing, std::nullopt, std::nullopt, std::nullopt, Error::channel_closing}},
    {closed_channel(),
     {Error::channel_not_open, Error::channel_not_open, Error::channel_not_open,
      Error::channel_not_open, Error::channel_not_open, Error::channel_not_open,
      Error::channel_not_open, Error::channel_not_open}},
};

TEST_CASE("matrix: every status takes or refuses every command as laid down", "[channel][step]") {
    for (const auto& [state, outcomes] : kOutcomes) {
        REQUIRE(is_consistent(state));
        REQUIRE(outcomes.size() == kCommands.size());
        for (std::size_t at = 0; at < kCommands.size(); ++at) {
            INFO(to_string(state.status) << ": " << kCommands[at].first);
            const Outcome outcome = kCommands[at].second(state);
            CHECK(outcome.has_value() == outcomes[at].has_value());
            if (outcome && outcomes[at]) CHECK(reason(*outcome) == reason(*outcomes[at]));
        }
    }
}

const std::vector<std::pair<std::string, std::function<bool(State&)>>> kChainEvents{
    {"deposit", [](State& s) { return apply(s, DepositConfirmed{10_units}).has_value(); }},
    {"claim", [](State& s) { return apply(s, ClaimConfirmed{s.total_claimed}).has_value(); }},
    {"withdrawal requested",
     [](State& s) { return apply(s, WithdrawalRequested{1'700'000'500}).has_value(); }},
    {"withdrawal finalized",
     [](State& s) { return apply(s, WithdrawalFinalized{0_units}).has_value(); }},
    {"refund", [](State& s) { return apply(s, RefundConfirmed{0_units}).has_value(); }},
};

const std::vector<std::pair<State, std::vector<Status>>> kNextStatuses{
    {pending_channel(),
     {Status::open, Status::pending, Status::closing, Status::closed, Status::closed}},
    {open_channel(), {Status::open, Status::open, Status::closing, Status::open, Status::open}},
    {closing_channel(),
     {Status::closing, Status::closing, Status::closing, Status::open, Status::closing}},
    {closed_channel(),
     {Status::open, Status::closed, Status::closing, Status::closed, Status::closed}},
};

TEST_CASE("matrix: every status follows every event of the chain as laid down", "[channel][step]") {
    for (const auto& [state, statuses] : kNextStatuses) {
        REQUIRE(statuses.size() == kChainEvents.size());
        for (std::size_t at = 0; at < kChainEvents.size(); ++at) {
            INFO(to_string(state.status) << ": " << kChainEvents[at].first);
            State next = state;
            CHECK(kChainEvents[at].second(next));
            CHECK(to_string(next.status) == to_string(statuses[at]));
            CHECK(is_consistent(next));
        }
    }
}

}  // namespace
}  // namespace millrace::channel
