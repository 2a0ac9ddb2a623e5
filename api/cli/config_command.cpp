#include "api/cli/commands.hpp"
#include "api/config.hpp"
#include "api/signer/open_signer.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

namespace millrace::api {
namespace {

/// What the service would stumble over later.
std::vector<std::string> warnings(const Config& config) {
    std::vector<std::string> found;
    if (config.networks.empty()) found.emplace_back("no [[networks]]: serve will not start");
    for (const auto& network : config.networks)
        if (network.rpc_urls.size() == 2 && network.rpc_agreement != 1)
            found.push_back(channel::to_string(network.network) +
                            ": of two rpc_urls both have to agree, so that either can hold up "
                            "deposits and claims: name one or three");
    if (config.signer.socket.empty() && !config.keys.in_process)
        found.emplace_back("signer.socket is empty: serve will not start");
    if (config.auth.token_secret.empty())
        found.emplace_back(
            "auth.token_secret is empty: everybody has to log in again after each "
            "start, and several processes do not share logins");
    if (config.ledger.commit_timeout < config.ledger.lease_duration / 2)
        found.emplace_back("ledger.commit_timeout_ms is below half of lease_duration_ms");
    return found;
}

int check(const std::string& path) {
    const auto config = load_config(path);
    // Otherwise the keys are the signer's business, and not to be read by anybody else.
    if (config.keys.in_process) read_keys(config.keys);
    for (const auto& warning : warnings(config)) fmt::print("warning: {}\n", warning);
    fmt::print("{}: good ({} networks)\n", path.empty() ? "defaults" : path,
               config.networks.size());
    return kExitDone;
}

}  // namespace

void add_config(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand("config", "Look at the configuration");
    command->require_subcommand(1);
    auto* check_command = command->add_subcommand(
        "check", "Read a file and the environment, and tell all that is wrong");
    const auto path = std::make_shared<std::string>("config/millrace.toml");
    check_command->add_option("file", *path, "TOML file")->type_name("FILE");
    check_command->footer(
        "Example:\n  millrace config check /etc/millrace/millrace.toml\n\n"
        "Exit codes: 0 good, 2 not");
    check_command->callback([&action, path] { action = [path] { return check(*path); }; });
}

}  // namespace millrace::api
