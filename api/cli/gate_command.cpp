#include "api/cli/commands.hpp"
#include "api/gate/config.hpp"
#include "api/gate/gate.hpp"
#include "api/log.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

namespace millrace::api {
namespace {

/// What the command line says; the rest is in the file.
struct GateOptions {
    std::string config;
    std::string listen;
    std::string upstream;
    std::string service;
    std::string name;
    std::string key_file;
    std::string delegation_file;
    std::string deposit_min;
    std::string price_request;
    std::string price_input;
    std::string price_output;
    bool check = false;
};

channel::Amount amount_of(std::string_view option, const std::string& text) {
    if (text.empty()) return {};
    const auto amount = channel::parse_amount(text);
    if (!amount)
        throw ConfigError(fmt::format(
            "{}: has to be base units of the token as decimal text, such as 100", option));
    return *amount;
}

/// One rule for all of /v1, where the file has none.
void add_rule(const GateOptions& options, gate::GateConfig& config) {
    gate::PriceRule rule;
    rule.paths = {"/v1/*"};
    rule.price = {amount_of("--price-request", options.price_request),
                  amount_of("--price-input", options.price_input),
                  amount_of("--price-output", options.price_output)};
    rule.description = "Calls to the model";
    if (rule.price == channel::Price{}) return;
    if (!config.prices.rules.empty())
        throw ConfigError("prices are in the configuration already: leave out --price-…");
    config.prices.rules.push_back(std::move(rule));
}

/// What the command line gives is read and checked as the file's keys are.
gate::GateConfig configuration(const GateOptions& options) {
    gate::GateOverrides given{
        {"listen", options.listen},          {"upstream", options.upstream},
        {"service", options.service},        {"name", options.name},
        {"key_file", options.key_file},      {"delegation_file", options.delegation_file},
        {"deposit_min", options.deposit_min}};
    std::erase_if(given, [](const auto& one) { return one.second.empty(); });
    auto config = gate::load_gate_config(options.config, given);
    add_rule(options, config);
    gate::check(config);
    return config;
}

int run(const GateOptions& options) {
    const auto config = configuration(options);
    if (options.check) {
        fmt::print("{}: good ({} prices, {} free paths)\n",
                   options.config.empty() ? "the command line" : options.config,
                   config.prices.rules.size(), config.prices.free.size());
        return kExitDone;
    }
    start_log(config.log);
    return gate::run_gate(config);
}

}  // namespace

void add_gate(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand(
        "gate", "Sell an HTTP model server's answers: a reverse proxy that x402 clients pay");
    const auto options = std::make_shared<GateOptions>();
    command->add_option("--config", options->config, "TOML file; config/gate.toml has every key")
        ->envname("MILLRACE_GATE_CONFIG")
        ->type_name("FILE");
    command->add_option("--upstream", options->upstream, "The model server")->type_name("URL");
    command->add_option("--service", options->service, "The payment stream of the service")
        ->type_name("URL");
    command->add_option("--listen", options->listen, "Address and port; port 0: any free one");
    command->add_option("--name", options->name, "Of this gate, no other running one's");
    command
        ->add_option("--key-file", options->key_file,
                     "The receiver's key, or one it has delegated to")
        ->type_name("FILE");
    command
        ->add_option("--delegation-file", options->delegation_file,
                     "What `millrace keys delegate` wrote")
        ->type_name("FILE");
    command
        ->add_option("--deposit-min", options->deposit_min,
                     "What clients deposit at least, in base units of the token")
        ->type_name("AMOUNT");
    command->add_option("--price-request", options->price_request,
                        "Of a call, in base units of the token");
    command->add_option("--price-input", options->price_input, "Of 1,000 tokens of the prompt");
    command->add_option("--price-output", options->price_output, "Of 1,000 generated tokens");
    command->add_flag("--check", options->check, "Only read the configuration and judge it");
    command->footer(
        "Beside `millrace dev` and a model server this is all it takes:\n"
        "  millrace keys new --out provider.key\n"
        "  millrace gate --upstream http://127.0.0.1:11434 --key-file provider.key \\\n"
        "    --price-request 100 --price-output 2000\n\n"
        "Exit codes: 0 ended by a signal, 2 command line or configuration");
    command->callback([&action, options] { action = [options] { return run(*options); }; });
}

}  // namespace millrace::api
