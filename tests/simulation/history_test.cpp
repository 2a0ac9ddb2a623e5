#include "tests/simulation/history.hpp"

#include <catch2/catch.hpp>

#include <cstdlib>

namespace simulation {
namespace {

constexpr std::uint64_t kSeedsDefault = 100;
constexpr std::size_t kChannels = 24;
constexpr std::uint64_t kSteps = 4'000;

/// One history; what it counted is added to `counts`.
void run_history(std::uint64_t seed, Counts& counts) {
    History history(seed, kChannels);
    history.run(kSteps);
    history.settle();
    INFO(history.failure());
    REQUIRE(history.failure().empty());
    for (const auto& [name, count] : history.counts()) counts[name] += count;
}

TEST_CASE("histories: no money appears or vanishes, and every decision is the reference's",
          "[channel][simulation]") {
    Counts counts;
    if (const char* seed = std::getenv("MILLRACE_SEED")) {
        run_history(std::strtoull(seed, nullptr, 10), counts);
        return;
    }
    for (std::uint64_t seed = 1; seed <= kSeedsDefault; ++seed) run_history(seed, counts);

    for (const std::string name :
         {"accepted: pay",
          "accepted: authorize",
          "accepted: accept",
          "accepted: charge",
          "accepted: release",
          "seen: deposit",
          "seen: claim",
          "seen: withdrawal requested",
          "seen: withdrawal finalized",
          "seen: refund",
          "uncollectable",
          "charged after the fact",
          "charged again",
          "undone: deposit",
          "undone: claim",
          "undone: withdrawal requested",
          "undone: withdrawal finalized",
          "undone: refund",
          "lost with what was undone",
          "reconciled",
          "reservations dropped",
          "refused: channel_not_open",
          "refused: channel_closing",
          "refused: invalid_params",
          "refused: idempotency_conflict",
          "refused: invalid_batch_settlement_evm_cumulative_exceeds_balance",
          "refused: invalid_batch_settlement_evm_cumulative_below_claimed",
          "refused: invalid_batch_settlement_evm_channel_busy",
          "refused: invalid_batch_settlement_evm_cumulative_amount_mismatch",
          "refused: insufficient_voucher",
          "refused: too_many_in_flight",
          "refused: amount_exceeds_reservation",
          "refused: reservation_unknown"}) {
        CAPTURE(name);
        CHECK(counts[name] > 20);
    }
}

TEST_CASE("histories: the same seed makes the same history", "[channel][simulation]") {
    History first(7, kChannels);
    History second(7, kChannels);
    first.run(2'000);
    second.run(2'000);
    CHECK(first.counts() == second.counts());
}

}  // namespace
}  // namespace simulation
