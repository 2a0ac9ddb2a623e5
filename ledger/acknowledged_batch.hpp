#pragma once

#include "ledger/batch.hpp"
#include "ledger/time.hpp"

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::ledger {

/// A batch of payments that is acknowledged and not posted yet, as it was read back.
struct AcknowledgedBatch {
    /// What the rows point to.
    struct Terms {
        std::deque<ChannelTerms> channels;
        std::deque<channel::State> states;
    };

    /// The seq before its first.
    std::int64_t base = 0;
    Time at{};
    std::shared_ptr<const Terms> terms;
    /// Each row of it says when it was.
    Batch rows;

    std::int64_t last() const { return base + rows.ordinals; }
};

/// A batch of payments (`is_of_payments`) as bytes: what the journal holds until it is posted.
/// Version 1; numbers in groups of seven bits, amounts as short as they are, the lowest first. Of a
/// channel's terms only what rows of payments need.
std::string encode(const Batch& batch, Time at);
/// Throws std::runtime_error for what `encode` has not made.
AcknowledgedBatch decode(std::int64_t base, std::string_view content);

/// Several batches that follow one another as one, relative to the base of the first: all payments,
/// the last state of each channel and reservation, and one transfer for all that was charged on a
/// channel in a day (UTC). Takes the rows out of them.
Batch merge(std::vector<AcknowledgedBatch>& batches);

}  // namespace millrace::ledger
