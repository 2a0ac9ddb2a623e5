#pragma once

#include "ledger/time.hpp"

#include <string>

#include <pqxx/pqxx>

namespace millrace::ledger {

/// Payments and transfers have a partition for each month. Makes those that are missing up to a
/// year from `now`, and gives their names, empty when there is nothing to do. Others read and write
/// meanwhile. Tables that are in one piece (a database that has no partitions) stay so.
std::string make_partitions(pqxx::connection& connection, Time now);

}  // namespace millrace::ledger
