#pragma once

#include "ledger/acknowledged_batch.hpp"
#include "ledger/asset.hpp"
#include "ledger/batch.hpp"
#include "ledger/time.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace millrace::ledger {

/// Payments that were just posted, for whoever seals them: rows that are in memory need not be read
/// again.
struct CommittedBatch {
    /// The number before its first.
    std::uint64_t base = 0;
    std::uint64_t numbers = 0;
    /// When it was, where a row does not say.
    Time at{};
    std::vector<PaymentRow> payments{};
    std::vector<TransferRow> transfers{};
    /// What the rows point to, unless that is a shard's channels.
    std::vector<std::shared_ptr<const AcknowledgedBatch::Terms>> terms{};

    std::uint64_t last() const { return base + numbers; }
};

/// Nothing of it came from the chain.
bool is_of_payments(const Batch& batch);

/// The leaf of each of its numbers, in order: the same bytes as `read_journal` and `write_leaf`
/// make of the database's rows. `leaf` is good until `take` returns.
using TakeLeaf = std::function<void(std::uint64_t seq, channel::BytesView leaf)>;
void write_leaves(const CommittedBatch& batch, const Assets& assets, const TakeLeaf& take);

}  // namespace millrace::ledger
