#pragma once

#include "ledger/asset.hpp"
#include "ledger/batch.hpp"
#include "ledger/time.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace millrace::ledger {

/// What a writer has just committed, for whoever seals it: rows that are in memory need not be read
/// again. Only batches of payments are handed over, which nearly all are.
struct CommittedBatch {
    /// The number before its first.
    std::uint64_t base = 0;
    std::uint64_t numbers = 0;
    Time at;
    /// Pointers are to the shard's channels.
    std::vector<PaymentRow> payments;
    std::vector<TransferRow> transfers;

    std::uint64_t last() const { return base + numbers; }
};

/// Nothing of it came from the chain.
bool is_of_payments(const Batch& batch);

/// The leaf of each of its numbers, in order: the same bytes as `read_journal` and `write_leaf`
/// make of the database's rows. `leaf` is good until `take` returns.
using TakeLeaf = std::function<void(std::uint64_t seq, channel::BytesView leaf)>;
void write_leaves(const CommittedBatch& batch, const Assets& assets, const TakeLeaf& take);

}  // namespace millrace::ledger
