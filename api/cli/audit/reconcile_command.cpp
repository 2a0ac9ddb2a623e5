#include "api/cli/audit/subcommands.hpp"
#include "api/cli/service_client.hpp"
#include "api/cli/table.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include <memory>

namespace millrace::api {
namespace {

namespace json = boost::json;

struct Options {
    bool all_vouchers = false;
    unsigned patience_seconds = 3600;
};

/// Empty when there is no such member.
std::string text(const json::value& object, std::string_view key) {
    const auto* value = object.as_object().if_contains(key);
    if (!value) return {};
    return value->is_string() ? std::string(value->get_string()) : json::serialize(*value);
}

void print_networks(const json::value& report) {
    using enum Table::Align;
    Table table({{"NETWORK"},
                 {"BLOCK", right},
                 {"CHANNELS", right},
                 {"TOKEN"},
                 {"LEDGER", right},
                 {"CONTRACT", right},
                 {"DIFFERENCE", right}});
    for (const auto& network : report.at("networks").as_array()) {
        const auto* block = network.as_object().if_contains("block");
        const auto at = block ? text(*block, "number") : std::string("not configured");
        const auto name = text(network, "network");
        const auto channels = text(network, "channels");
        if (network.at("assets").as_array().empty())
            table.add({name, at, channels, "", "", "", ""});
        for (const auto& asset : network.at("assets").as_array()) {
            const auto decimals = asset.at("decimals").to_number<unsigned>();
            table.add({name, at, channels, text(asset, "symbol"),
                       in_coins(text(asset, "ledgerEscrow"), decimals),
                       in_coins(text(asset, "contractEscrow"), decimals),
                       in_coins(text(asset, "difference"), decimals)});
        }
    }
    fmt::print("{}", table.text());
}

/// What it is about, as far as it can be looked up by that: a channel before an account.
std::string subject(const json::value& one) {
    const auto channel = text(one, "channelId");
    if (!channel.empty()) return channel;
    const auto account = text(one, "account");
    return account.empty() ? text(one, "transaction") : account;
}

void print_breaks(const json::value& report) {
    using enum Table::Align;
    Table table({{"BREAK"},
                 {"ABOUT"},
                 {"SEQ", right},
                 {"LEDGER", right},
                 {"CHAIN", right},
                 {"EXPLANATION"}});
    for (const auto& one : report.at("breaks").as_array())
        table.add({text(one, "kind"), subject(one), text(one, "seq"), text(one, "ledger"),
                   text(one, "chain"), text(one, "explanation")});
    if (!table.empty()) fmt::print("\n{}", table.text());
    const auto listed = report.at("breaks").as_array().size();
    const auto total = report.at("breaksTotal").to_number<std::uint64_t>();
    if (listed < total) fmt::print("and {} more\n", total - listed);
}

int reconcile(const ServiceOptions& service_options, const Options& options) {
    auto patient = service_options;
    patient.patience = std::chrono::seconds{options.patience_seconds};
    const ServiceClient service(patient);
    const auto answer = service.get(std::string("/v1/ledger/reconciliation?vouchers=") +
                                    (options.all_vouchers ? "all" : "standing"));
    const bool reconciled = answer.value.at("reconciled").as_bool();
    if (service_options.json) {
        fmt::print("{}\n", answer.text);
    } else {
        print_networks(answer.value);
        print_breaks(answer.value);
        const auto total = text(answer.value, "breaksTotal");
        fmt::print("\nat seq {}: {}\n", text(answer.value, "seq"),
                   reconciled ? "books, vouchers and chain agree" : total + " BREAKS");
    }
    return reconciled ? kExitDone : kExitFailed;
}

}  // namespace

void add_audit_reconcile(CLI::App& audit, Action& action) {
    auto* command = audit.add_subcommand(
        "reconcile", "Compare the books with the payers' vouchers and with the contracts");
    const auto service = add_service_options(*command, Audience::auditors);
    const auto options = std::make_shared<Options>();
    command->add_flag("--vouchers", options->all_vouchers,
                      "Check the signature of every payment too, which takes long");
    command->add_option("--patience", options->patience_seconds, "How long to wait for the answer")
        ->type_name("SECONDS")
        ->capture_default_str();
    command->footer(
        "Every channel, event and account, as of one block of each network. /openapi.json says "
        "what each kind of break means (BreakKind).\n\n"
        "Example:\n  MILLRACE_TOKEN=… millrace audit reconcile\n\n"
        "Exit codes: 0 all agree, 1 there are breaks");
    command->callback([&action, service, options] {
        action = [service, options] { return reconcile(*service, *options); };
    });
}

}  // namespace millrace::api
