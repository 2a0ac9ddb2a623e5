#pragma once

#include <cstdint>

#include <pqxx/pqxx>

namespace millrace::ledger {

/// How many bytes of write-ahead log the cluster has written since it was made.
std::uint64_t read_wal_position(pqxx::connection& connection);

/// Makes Postgres write out all that is changed in its memory only, so that it can be counted.
/// Needs a superuser or pg_checkpoint; takes as long as there is something to write.
void write_out(pqxx::connection& connection);

}  // namespace millrace::ledger
