#pragma once

#include <functional>
#include <stdexcept>
#include <string>

namespace CLI {
class App;
}

namespace millrace::api {

/// What the command line asks for; gives the exit code. Set by the subcommand that was named.
using Action = std::function<int()>;

/// Exit codes of `millrace`.
inline constexpr int kExitDone = 0;
/// It could not be done, or figures do not add up.
inline constexpr int kExitFailed = 1;
/// The command line or the configuration is wrong.
inline constexpr int kExitUsage = 2;

/// A command cannot do its work; the text says why and what to do about it.
struct CommandError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// Each adds one subcommand, which sets `action` when it is named.
void add_serve(CLI::App& app, Action& action);
void add_signer(CLI::App& app, Action& action);
void add_migrate(CLI::App& app, Action& action);
void add_config(CLI::App& app, Action& action);
void add_channel(CLI::App& app, Action& action);
void add_claim(CLI::App& app, Action& action);
void add_audit(CLI::App& app, Action& action);
void add_keys(CLI::App& app, Action& action);
void add_gate(CLI::App& app, Action& action);
void add_dev(CLI::App& app, Action& action);
void add_demo(CLI::App& app, Action& action);
void add_bench(CLI::App& app, Action& action);
void add_version(CLI::App& app, Action& action);

}  // namespace millrace::api
