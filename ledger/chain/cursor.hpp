#pragma once

#include "channel/bytes.hpp"
#include "channel/network.hpp"
#include "ledger/time.hpp"

#include <cstdint>
#include <optional>
#include <vector>

#include <pqxx/pqxx>

namespace millrace::ledger::chain {

/// The last block of a network all of whose events are in the books. The next is found by asking
/// for the one above it; that it is still the same block is checked by its hash.
struct Cursor {
    std::uint64_t block_number = 0;
    channel::BlockHash block_hash;

    bool operator==(const Cursor&) const = default;
};

/// Nullopt before the network was first followed.
std::optional<Cursor> read_cursor(pqxx::transaction_base& transaction, channel::Network network);

/// Moves it forward, and remembers the block; a cursor that is at that block or above already
/// stays.
void advance_cursor(pqxx::transaction_base& transaction, channel::Network network,
                    const Cursor& cursor);

/// Blocks where the cursor stood, newest first. The newest of them that the chain still has is
/// where to begin again. A block of a posted event is not one of them: fees and requests to
/// withdraw are posted ahead of the cursor, so that other events of their blocks may not be in the
/// books.
std::vector<Cursor> known_blocks(pqxx::transaction_base& transaction, channel::Network network);

/// A chain that went on from `fork` as another branch than the one followed so far.
struct Reorganisation {
    Cursor from;
    Cursor fork;
    /// Blocks of the longest known branch that were given up.
    std::uint64_t depth = 0;
};
/// Puts the cursor back to the fork and records the reorganisation. What was posted above the fork
/// still stands: it is undone after this has committed, so that a crash in between, or a chain that
/// changes back, finds each event either posted or undone, and its block above the cursor.
void go_back(pqxx::transaction_base& transaction, channel::Network network,
             const Reorganisation& reorganisation, Time now);

}  // namespace millrace::ledger::chain
