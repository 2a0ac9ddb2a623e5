#include "api/cli/run_command.hpp"

#include "api/cli/commands.hpp"
#include "api/config.hpp"
#include "api/log.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include <pqxx/except>

namespace millrace::api {
namespace {

constexpr const char* kDescription =
    "Millrace: payment channels and settlement for AI inference.\n\n"
    "Try:\n"
    "  millrace demo                       see all of it at work on this machine\n"
    "  millrace dev                        the whole stack, to write programs against\n"
    "  millrace serve --config FILE        the service\n"
    "  millrace gate --upstream URL        sell a model server's answers\n"
    "  millrace COMMAND --help             options and examples of a command\n";

int fail(int code, const std::string& what) {
    fmt::print(stderr, "millrace: {}\n", what);
    return code;
}

/// What is wrong, where it is a command that there is not: the library says of that only that one
/// is missing.
std::optional<std::string> unknown_command(const CLI::App& root) {
    const auto* app = &root;
    auto named = app->get_name();
    while (!app->get_subcommands().empty()) {
        app = app->get_subcommands().back();
        named += ' ' + app->get_name();
    }
    const auto left = app->remaining();
    std::vector<std::string> known;
    for (const auto* one : app->get_subcommands([](const CLI::App*) { return true; }))
        known.push_back(one->get_name());
    if (known.empty() || left.empty() || left.front().starts_with('-')) return std::nullopt;
    return fmt::format("unknown command {}; commands of {} are: {}\n{} --help says more.",
                       left.front(), named, fmt::join(known, ", "), named);
}

int act(const Action& action) {
    try {
        return action();
    } catch (const ConfigError& error) {
        return fail(kExitUsage, error.what());
    } catch (const CommandError& error) {
        return fail(kExitFailed, error.what());
    } catch (const pqxx::broken_connection& error) {
        return fail(kExitFailed,
                    fmt::format("the database cannot be reached: {}\nIs Postgres running, and is "
                                "ledger.postgres (or MILLRACE_LEDGER__POSTGRES) right?",
                                without_password(error.what())));
    } catch (const std::exception& error) {
        return fail(kExitFailed, without_password(error.what()));
    }
}

}  // namespace

int run_command(int argc, char** argv) {
    CLI::App app(kDescription, "millrace");
    app.require_subcommand(1);
    app.option_defaults()->always_capture_default();
    app.get_formatter()->column_width(34);
    Action action;
    for (const auto add :
         {add_serve, add_signer, add_migrate, add_config, add_channel, add_claim, add_audit,
          add_keys, add_gate, add_dev, add_demo, add_bench, add_version})
        add(app, action);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        const auto unknown = error.get_exit_code() != 0 ? unknown_command(app) : std::nullopt;
        if (unknown) return fail(kExitUsage, *unknown);
        return app.exit(error) == 0 ? kExitDone : kExitUsage;
    }
    return act(action);
}

}  // namespace millrace::api
