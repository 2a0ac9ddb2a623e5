#pragma once

#include <cstdint>
#include <string>

namespace millrace::ledger {

/// A query for the rows of the journal and the heads of the log whose number was never given out:
/// none, below 1, or above `seq`, the newest one of the snapshot that it is asked in. Its columns
/// are the table, the number as text and the row's key there. Of sound books it has no rows.
std::string stray_rows(std::uint64_t seq);

}  // namespace millrace::ledger
