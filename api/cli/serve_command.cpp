#include "api/cli/commands.hpp"
#include "api/cli/config_option.hpp"
#include "api/config.hpp"
#include "api/log.hpp"
#include "api/service.hpp"
#include "api/signer/open_signer.hpp"
#include "ledger/connection_deadlines.hpp"
#include "ledger/migrate.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <chrono>
#include <stdexcept>
#include <utility>

#include <pqxx/pqxx>

namespace millrace::api {
namespace {

std::string with_deadlines(const std::string& postgres) {
    try {
        return ledger::with_deadlines(postgres);
    } catch (const std::invalid_argument& error) {
        throw ConfigError("ledger.postgres is no connection URI: " +
                          without_password(error.what()));
    }
}

int serve_with(const std::string& path) {
    auto config = load_config(path);
    if (config.networks.empty())
        throw ConfigError(
            "no networks are configured: name a file with --config that has "
            "[[networks]]; config/millrace.toml shows every key");
    require_signer(config);
    start_log(config.log);
    const auto postgres =
        std::exchange(config.ledger.postgres, with_deadlines(config.ledger.postgres));
    try {
        return serve(config);
    } catch (const pqxx::broken_connection& error) {
        throw CommandError(fmt::format(
            "the database cannot be reached at {}: {}\nStart Postgres, or set ledger.postgres.",
            without_password(postgres), without_password(error.what())));
    }
}

std::unique_ptr<pqxx::connection> connect(const std::string& postgres) {
    try {
        return std::make_unique<pqxx::connection>(postgres);
    } catch (const pqxx::broken_connection& error) {
        throw CommandError(fmt::format(
            "the database cannot be reached at {}: {}\nStart Postgres and create the database "
            "(createdb millrace), or set ledger.postgres.",
            without_password(postgres), without_password(error.what())));
    }
}

int migrate_with(const std::string& path, const std::string& owner_url, bool check_only) {
    const auto connection =
        connect(owner_url.empty() ? load_config(path).ledger.postgres : owner_url);
    if (check_only) {
        const auto pending = ledger::pending_migrations(*connection);
        for (const auto& name : pending) fmt::print("{}\n", name);
        return pending.empty() ? kExitDone : kExitFailed;
    }
    const auto now =
        std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
    const auto applied = ledger::migrate(*connection, now);
    for (const auto& name : applied) fmt::print("applied {}\n", name);
    if (applied.empty()) fmt::print("nothing to do\n");
    return kExitDone;
}

}  // namespace

void add_config_option(CLI::App& command, std::string& path) {
    command
        .add_option("--config", path,
                    "TOML file; without it, defaults and MILLRACE_SECTION__KEY variables")
        ->envname("MILLRACE_CONFIG")
        ->type_name("FILE");
}

void add_serve(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand("serve", "Run the service until SIGTERM");
    const auto path = std::make_shared<std::string>();
    add_config_option(*command, *path);
    command->footer(
        "Example:\n"
        "  MILLRACE_LEDGER__POSTGRES=postgresql://db/millrace \\\n"
        "    millrace serve --config /etc/millrace/millrace.toml\n\n"
        "Exit codes: 0 stopped, 1 cannot start, 2 configuration, 3 lost a shard to "
        "another process");
    command->callback([&action, path] { action = [path] { return serve_with(*path); }; });
}

void add_migrate(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand("migrate", "Bring the database's tables up to date");
    const auto path = std::make_shared<std::string>();
    const auto owner_url = std::make_shared<std::string>();
    const auto check = std::make_shared<bool>(false);
    add_config_option(*command, *path);
    command
        ->add_option("--postgres", *owner_url,
                     "Connection URI of a login that may migrate: a superuser, or a member of "
                     "millrace_owner; without it, ledger.postgres")
        ->envname("MILLRACE_MIGRATE_POSTGRES")
        ->type_name("URI");
    command->add_flag("--check", *check, "Only list what is missing; exit code 1 if anything is");
    command->footer(
        "The service tries this at each start, and ends where something is missing and its login "
        "may not add it.\n\nExample:\n"
        "  millrace migrate --postgres postgresql://owner@db/millrace");
    command->callback([&action, path, owner_url, check] {
        action = [path, owner_url, check] { return migrate_with(*path, *owner_url, *check); };
    });
}

}  // namespace millrace::api
