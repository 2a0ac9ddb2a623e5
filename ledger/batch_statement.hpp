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
/// numbers the batch takes (where it has them: after which they begin), when it is, and how many
/// rows of channels and accounts the statement changes.
inline constexpr std::size_t kBatchSingles = 7;

struct BatchColumn {
    PgArray::Element type;
    std::string_view name;
};

/// What a part takes as parameters, in their order.
std::span<const BatchColumn> columns_of(BatchPart part);

/// How rows are given. `many`: an array for each column. `few`: a parameter for each value, which
/// spares the server a function call and a store for each column; then each part has as many rows
/// as `few_rows_of` says, which are those of one payment.
enum class BatchRows { many, few };

/// A charge moves an amount between two accounts; everything else is one row.
constexpr std::size_t few_rows_of(BatchPart part) {
    return part == BatchPart::account ? 2 : 1;
}

/// How a batch gets its numbers.
enum class BatchNumbers {
    /// In a transaction of its own that writes nothing at all unless the lease still has the epoch:
    /// everything else hangs on the sequence numbers, which hang on the lease.
    taken_here,
    /// In a transaction that has taken them already.
    taken_before,
    /// It has them since it was acknowledged.
    given,
};

/// The beginning of a statement that takes its numbers itself: `sequence` has their `base`, or no
/// row when fenced. Its parameters are $1 … $5 of the singles.
extern const std::string_view kNumbersTakenHere;

/// What a batch writes of these parts: one statement, one round trip. What is not in it costs
/// nothing: the parts that a batch lacks would take longer to be made ready than all others
/// to be written. Takes the singles, then the columns of each part, row by row if there are few.
/// Returns the seq before the batch's first; no row when fenced, which is asked first; fails
/// (division by zero) when fewer channels and accounts were there to be changed than $7.
std::string batch_statement(BatchNumbers numbers, const BatchParts& parts, BatchRows rows);

}  // namespace millrace::ledger
