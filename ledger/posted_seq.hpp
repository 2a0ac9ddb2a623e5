#pragma once

namespace millrace::ledger {

/// The newest number up to which everything is in the tables of the ledger: what is acknowledged
/// and not posted yet begins after it. One row.
inline constexpr const char* kPostedSeq =
    "select coalesce((select min(base) from acknowledged_batch "
    "where base >= (select seq from posting where id = 1)), last_seq) "
    "from commit_sequence where id = 1";

}  // namespace millrace::ledger
