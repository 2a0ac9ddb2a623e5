#pragma once

#include <chrono>
#include <cstdint>

#include <pqxx/pqxx>

namespace millrace::ledger {

/// One consistent view of the books, read only: everything that one report reads comes from it.
/// Gives up with pqxx::sql_error (57014) when a statement takes longer than `patience`.
class Snapshot {
public:
    explicit Snapshot(pqxx::connection& connection,
                      std::chrono::milliseconds patience = std::chrono::seconds{10});

    /// The newest number that is posted, as all before it are: the report says that it was taken at
    /// this one.
    std::uint64_t seq() const { return seq_; }
    pqxx::transaction_base& reading() { return transaction_; }

private:
    pqxx::transaction<pqxx::repeatable_read, pqxx::read_only> transaction_;
    std::uint64_t seq_ = 0;
};

}  // namespace millrace::ledger
