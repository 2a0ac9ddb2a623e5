#pragma once

#include <memory>
#include <string>

#include <pqxx/connection>

namespace millrace::api {

/// The operator's own way to the books: the database of the configuration at `config_path`. Throws
/// ConfigError, pqxx::broken_connection, and CommandError when the tables are not up to date.
std::unique_ptr<pqxx::connection> open_operator_database(const std::string& config_path);

}  // namespace millrace::api
