#pragma once

#include "tests/support/ledger_fixture.hpp"

#include <catch2/catch.hpp>

#include <utility>
#include <vector>

namespace support {

/// One batch, at noon.
template <class... Requests>
std::vector<ledger::Answer> process(ledger::Shard& shard, Requests... requests) {
    std::vector<ledger::Request> batch;
    (batch.push_back(std::move(requests)), ...);
    return shard.process(std::move(batch), kNoon);
}

/// What an answer has to be; fails the test with the reason of a refusal.
template <class Outcome>
const Outcome& expect(const ledger::Answer& answer) {
    if (const auto* refusal = std::get_if<channel::Refusal>(&answer.outcome))
        FAIL("refused: " << channel::reason(refusal->error));
    return std::get<Outcome>(answer.outcome);
}

inline const ledger::PaymentCommitted& paid(const ledger::Answer& answer) {
    return expect<ledger::PaymentCommitted>(answer);
}

inline const ledger::ChannelChanged& changed(const ledger::Answer& answer) {
    return expect<ledger::ChannelChanged>(answer);
}

inline channel::Error refused(const ledger::Answer& answer) {
    return std::get<channel::Refusal>(answer.outcome).error;
}

/// Refused for now, and to be repeated: so is a whole batch that waits for a posting for long.
inline bool is_unavailable(const ledger::Answer& answer) {
    const auto* refusal = std::get_if<channel::Refusal>(&answer.outcome);
    return refusal && refusal->error == channel::Error::unavailable;
}

}  // namespace support
