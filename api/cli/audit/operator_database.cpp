#include "api/cli/audit/operator_database.hpp"

#include "api/cli/commands.hpp"
#include "api/config.hpp"
#include "ledger/migrate.hpp"

#include <fmt/format.h>

namespace millrace::api {

std::unique_ptr<pqxx::connection> open_operator_database(const std::string& config_path) {
    const auto config = load_config(config_path);
    auto connection = std::make_unique<pqxx::connection>(config.ledger.postgres);
    if (const auto pending = ledger::pending_migrations(*connection); !pending.empty())
        throw CommandError(fmt::format(
            "the database misses migration {}: run millrace migrate first", pending.front()));
    return connection;
}

}  // namespace millrace::api
