#pragma once

#include "ledger/pg_array.hpp"

#include <bitset>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace millrace::ledger {

/// What a batch writes into one table.
enum class BatchPart : std::size_t {
    payment,
    channel,
    kept_reservation,
    gone_reservation,
    transfer,
    account,
    chain_event,
    opening,
    reversal,
    event,
};
inline constexpr std::size_t kBatchParts = 10;
using BatchParts = std::bitset<kBatchParts>;

/// $1 … $7 of every statement: shard, epoch and number of the batch, the end of its lease, how many
/// numbers it takes, when it is, and how many rows of channels and accounts it changes.
inline constexpr std::size_t kBatchSingles = 7;

/// Of the arrays that a part takes as parameters, in their order.
std::span<const PgArray::Element> columns_of(BatchPart part);

/// How a batch gets its numbers. In its own transaction it writes nothing at all unless the lease
/// still has the epoch; everything else hangs on the sequence numbers, which hang on the lease. Or
/// in a transaction that has taken them already.
enum class BatchNumbers { taken_here, taken_before };

/// Everything that a batch of these parts writes: one statement, one round trip. What is not in it
/// costs nothing: the parts that a batch lacks would take longer to be made ready than all others
/// to be written. Takes the singles, then the arrays of each part. Returns the seq before the
/// batch's first; no row when fenced; fails (division by zero) when fewer channels and accounts
/// were there to be changed than $7.
std::string batch_statement(BatchNumbers numbers, const BatchParts& parts);

}  // namespace millrace::ledger
