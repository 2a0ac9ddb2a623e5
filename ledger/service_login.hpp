#pragma once

#include <string>

#include <pqxx/pqxx>

namespace millrace::ledger {

/// A login without password that is a member of millrace_service and may do nothing else, unless it
/// is there already. The database has to be migrated.
void create_service_login(pqxx::connection& connection, const std::string& name);

}  // namespace millrace::ledger
