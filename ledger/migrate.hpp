#pragma once

#include "ledger/time.hpp"

#include <string>
#include <vector>

#include <pqxx/pqxx>

namespace millrace::ledger {

/// Applies the embedded migrations that are missing, each in a transaction of its own, and gives
/// their names. Throws std::runtime_error when an applied one differs from the embedded text, the
/// database is ahead of this program, or the login may not do what is missing.
std::vector<std::string> migrate(pqxx::connection& connection, Time now);

/// The names of those that `migrate` would apply.
std::vector<std::string> pending_migrations(pqxx::connection& connection);

}  // namespace millrace::ledger
