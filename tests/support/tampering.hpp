#pragma once

#include "tests/support/ledger_fixture.hpp"

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <pqxx/pqxx>

namespace support {

/// What somebody with all rights over the database did to the books, and where a verifier has to
/// find it.
struct Tampering {
    /// For people.
    std::string what;
    /// The number of the row; 0 where it has none.
    std::uint64_t seq = 0;
    /// Of a row without a number: what its key is made of, such as a channel's id, or an account's
    /// token, kind and owner.
    std::vector<std::string> key;
    /// Keys of other rows that stand for it: whichever is looked at first shows it.
    std::vector<std::string> shown_by{};
    /// The hashes were made to fit again: the finding may be anywhere up to the next signed head.
    bool rehashed = false;
    /// The newest numbers were taken away with everything that they left: only a head from before
    /// shows it. All else shows to whoever has no more than the log's key.
    bool rolled_back = false;
};

/// Takes away what would keep even a superuser from writing nonsense: triggers and constraints.
void disarm(const Books& books);

/// Does one thing, drawn by `random`, to sealed books. Nothing is committed.
Tampering tamper(pqxx::transaction_base& transaction, std::mt19937_64& random);

}  // namespace support
