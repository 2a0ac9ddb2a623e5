#include "api/cli/audit/subcommands.hpp"
#include "api/cli/http_client.hpp"
#include "api/cli/service_client.hpp"
#include "api/cli/table.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <boost/json.hpp>

namespace millrace::api {
namespace {

namespace json = boost::json;

std::string text(const json::value& object, std::string_view key) {
    const auto& value = object.at(key);
    return value.is_string() ? std::string(value.get_string()) : json::serialize(value);
}

void print_assets(const json::value& balance) {
    using enum Table::Align;
    Table table({{"NETWORK"},
                 {"TOKEN"},
                 {"ACCOUNTS"},
                 {"DEBITS", right},
                 {"CREDITS", right},
                 {"DIFFERENCE", right}});
    for (const auto& asset : balance.at("assets").as_array()) {
        const auto decimals = asset.at("decimals").to_number<unsigned>();
        const auto coins = [&](const json::value& row, std::string_view key) {
            return in_coins(text(row, key), decimals);
        };
        table.add({text(asset, "network"), text(asset, "symbol"), "all together",
                   coins(asset, "debits"), coins(asset, "credits"), coins(asset, "difference")});
        for (const auto& kind : asset.at("kinds").as_array()) {
            table.add({"", "", text(kind, "kind") + " (" + text(kind, "accounts") + ")",
                       coins(kind, "debits"), coins(kind, "credits"), ""});
        }
        if (const auto differing = text(asset, "accountsDiffering"); differing != "0")
            table.add({"", "", differing + " accounts differ from their transfers", "", "", ""});
    }
    fmt::print("{}", table.text());
}

int trial_balance(const ServiceOptions& options, const std::string& at) {
    const ServiceClient service(options);
    const auto answer =
        service.get("/v1/ledger/trial-balance" + (at.empty() ? at : "?at=" + escaped(at)));
    const bool balanced = answer.value.at("balanced").as_bool();
    if (options.json) {
        fmt::print("{}\n", answer.text);
    } else {
        print_assets(answer.value);
        fmt::print(
            "\nat seq {}: {}\n", text(answer.value, "seq"),
            balanced ? "balanced, and every account agrees with its transfers" : "NOT BALANCED");
    }
    return balanced ? kExitDone : kExitFailed;
}

}  // namespace

void add_audit_trial_balance(CLI::App& audit, Action& action) {
    auto* balance = audit.add_subcommand(
        "trial-balance", "Debits, credits and their difference, per network and token");
    const auto options = add_service_options(*balance, Audience::auditors);
    const auto at = std::make_shared<std::string>();
    balance->add_option("--at", *at, "A seq or a time such as 2026-01-02T12:00:00Z; default: now")
        ->type_name("MOMENT");
    balance->footer(
        "Recomputed from every transfer, and compared with the accounts.\n\n"
        "Example:\n  MILLRACE_TOKEN=… millrace audit trial-balance\n\n"
        "Exit codes: 0 balanced, 1 not");
    balance->callback([&action, options, at] {
        action = [options, at] { return trial_balance(*options, *at); };
    });
}

}  // namespace millrace::api
