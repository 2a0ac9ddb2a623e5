#include "api/cli/commands.hpp"
#include "api/cli/config_option.hpp"
#include "api/config.hpp"
#include "api/ending.hpp"
#include "api/log.hpp"
#include "api/signer/journal.hpp"
#include "api/signer/open_signer.hpp"
#include "api/signer/server.hpp"
#include "channel/address.hpp"
#include "ledger/signing/guarded_signer.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <CLI/CLI.hpp>

#include <charconv>
#include <chrono>

#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace millrace::api {
namespace {

ledger::Time wall_clock() {
    return std::chrono::time_point_cast<std::chrono::microseconds>(
        std::chrono::system_clock::now());
}

/// No core file of the keys, and no debugger but root's.
void keep_memory_private() {
    const rlimit none{0, 0};
    if (::setrlimit(RLIMIT_CORE, &none) != 0 || ::prctl(PR_SET_DUMPABLE, 0) != 0)
        throw CommandError("the signer's memory cannot be kept private");
}

uid_t uid_of(const std::string& user) {
    if (user.empty()) return ::geteuid();
    uid_t number = 0;
    const auto [end, error] = std::from_chars(user.data(), user.data() + user.size(), number);
    if (error == std::errc{} && end == user.data() + user.size()) return number;
    if (const auto* found = ::getpwnam(user.c_str())) return found->pw_uid;
    throw ConfigError("signer.service_user: there is no user " + user);
}

int run_signer(const std::string& path) {
    const auto config = load_config(path);
    if (config.networks.empty())
        throw ConfigError("no networks are configured: the signer signs for configured ones only");
    start_log(config.log);
    keep_memory_private();
    const auto user = uid_of(config.signer.service_user);
    auto keys = read_keys(config.keys);
    Journal journal(config.signer.state_directory, wall_clock());
    ledger::signing::GuardedSigner signer(
        keys, signing_rules(config), journal.take_record(),
        [&journal](const ledger::signing::SignedEntry& entry) { journal.append(entry); },
        wall_clock);
    SignerServer server(config.signer.socket, user, signer);
    const Ending ending([&server] { server.stop(); });
    spdlog::info("ready: signs for user {} on {}, as receiver authorizer {} and relayer {}", user,
                 config.signer.socket.empty() ? "the socket it was given" : config.signer.socket,
                 channel::to_checksum(keys.authorizer()), channel::to_checksum(keys.relayer()));
    server.run();
    spdlog::info("ended");
    return kExitDone;
}

}  // namespace

void add_signer(CLI::App& app, Action& action) {
    auto* command =
        app.add_subcommand("signer", "Keep the keys and sign for the service, until SIGTERM");
    const auto path = std::make_shared<std::string>();
    add_config_option(*command, *path);
    command->footer(
        "Reads [keys], [signer] and [[networks]] of the service's configuration. Run it as a user "
        "of "
        "its own.\n\nExample:\n"
        "  millrace signer --config /etc/millrace/millrace.toml\n\n"
        "Exit codes: 0 stopped, 1 cannot start or keep its record, 2 configuration");
    command->callback([&action, path] { action = [path] { return run_signer(*path); }; });
}

}  // namespace millrace::api
