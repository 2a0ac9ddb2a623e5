#pragma once

#include "channel/bytes.hpp"
#include "channel/network.hpp"

#include <cstdint>
#include <optional>

#include <pqxx/pqxx>

namespace millrace::ledger::chain {

/// The last block of a network all of whose events are in the books. The next is found by asking
/// for the one above it; that it is still the same block is checked by its hash.
struct Cursor {
    std::uint64_t block_number = 0;
    channel::BlockHash block_hash;
};

/// Nullopt before the network was first followed.
std::optional<Cursor> read_cursor(pqxx::transaction_base& transaction, channel::Network network);

/// Moves it forward; a cursor that is at that block or above already stays.
void advance_cursor(pqxx::transaction_base& transaction, channel::Network network,
                    const Cursor& cursor);

}  // namespace millrace::ledger::chain
