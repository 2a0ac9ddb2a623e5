#pragma once

#include "ledger/batch_connection.hpp"

#include <chrono>
#include <cstddef>
#include <string>

namespace millrace::ledger {

/// The least that the database does to make something durable: a message of its log, which no table
/// keeps (pg_logical_emit_message), and its commit. What a service takes for a payment can be
/// compared with that. Blocking; of one thread.
class CommitProbe {
public:
    /// Of messages of so many bytes. Throws std::runtime_error when the database is not reached.
    CommitProbe(const std::string& postgres, std::size_t bytes);

    /// Returns when it is durable. Throws std::runtime_error.
    void commit();

private:
    static constexpr std::chrono::seconds kTimeout{10};

    BatchConnection connection_;
    BatchConnection::Statement statement_;
    std::string message_;
};

}  // namespace millrace::ledger
