#pragma once

#include "api/config.hpp"

namespace millrace::api {

/// Runs the service until SIGTERM or SIGINT, then drains and gives 0; gives 3 when a shard was lost
/// to another process or cannot go on. Migrates the database first. Throws when it cannot start:
/// pqxx::failure, ConfigError, boost::system::system_error.
int serve(const Config& config);

}  // namespace millrace::api
