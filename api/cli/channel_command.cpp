#include "api/cli/channel_refund.hpp"
#include "api/cli/coins.hpp"
#include "api/cli/commands.hpp"
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
    if (value.is_string()) return std::string(value.get_string());
    return value.is_null() ? "-" : json::serialize(value);
}

std::string amount(const Coins& coins, const json::value& channel, std::string_view key) {
    return coins.show(text(channel, "network"), text(channel.at("config"), "token"),
                      text(channel, key));
}

struct ListOptions {
    std::shared_ptr<ServiceOptions> service;
    unsigned limit = 100;
    std::string after;
};

int list_channels(const ListOptions& options) {
    const ServiceClient service(*options.service);
    auto target = fmt::format("/v1/channels?limit={}", options.limit);
    if (!options.after.empty()) target += "&after=" + escaped(options.after);
    const auto answer = service.get(target);
    if (options.service->json) {
        fmt::print("{}\n", answer.text);
        return kExitDone;
    }
    const Coins coins(service);
    using enum Table::Align;
    Table table({{"CHANNEL"},
                 {"STATUS"},
                 {"BALANCE", right},
                 {"CHARGED", right},
                 {"RESERVED", right},
                 {"CLAIMED", right},
                 {"RECEIVER"}});
    for (const auto& channel : answer.value.at("channels").as_array()) {
        table.add({text(channel, "channelId"), text(channel, "status"),
                   amount(coins, channel, "balance"),
                   amount(coins, channel, "chargedCumulativeAmount"),
                   amount(coins, channel, "reservedAmount"), amount(coins, channel, "totalClaimed"),
                   text(channel.at("config"), "receiver")});
    }
    if (table.empty())
        fmt::print("no channels\n");
    else
        fmt::print("{}", table.text());
    if (const auto* next = answer.value.get_object().if_contains("next"))
        fmt::print("more: --after {}\n", std::string_view(next->as_string()));
    return kExitDone;
}

void print_payments(const ServiceClient& service, const Coins& coins, const json::value& channel,
                    unsigned count) {
    const auto answer = service.get(
        fmt::format("/v1/channels/{}/payments?limit={}", text(channel, "channelId"), count));
    using enum Table::Align;
    Table table({{"SEQ", right},
                 {"TIME"},
                 {"KIND"},
                 {"INFERENCE"},
                 {"AMOUNT", right},
                 {"CHARGED IN ALL", right}});
    for (const auto& payment : answer.value.at("payments").as_array()) {
        const auto show = [&](std::string_view key) {
            return coins.show(text(channel, "network"), text(channel.at("config"), "token"),
                              text(payment, key));
        };
        table.add({text(payment, "seq"), text(payment, "at"), text(payment, "kind"),
                   text(payment, "inferenceId"), show("amount"), show("chargedCumulativeAmount")});
    }
    fmt::print("\n{}", table.text());
}

int show_channel(const ServiceOptions& options, const std::string& id, unsigned payments) {
    const ServiceClient service(options);
    const auto answer = service.get("/v1/channels/" + escaped(id));
    if (options.json) {
        fmt::print("{}\n", answer.text);
        return kExitDone;
    }
    const Coins coins(service);
    const auto& channel = answer.value;
    const auto& config = channel.at("config");
    Table table({{"channel"}, {text(channel, "channelId")}});
    table.add({"status", text(channel, "status")});
    table.add({"network", text(channel, "network")});
    table.add({"contract", text(channel, "contract")});
    table.add({"token", text(config, "token")});
    table.add({"payer", text(config, "payer")});
    table.add({"payer authorizer", text(config, "payerAuthorizer")});
    table.add({"receiver", text(config, "receiver")});
    table.add({"receiver authorizer", text(config, "receiverAuthorizer")});
    table.add({"withdraw delay", text(config, "withdrawDelay") + " s"});
    table.add({"app", text(channel, "app")});
    table.add({"balance", amount(coins, channel, "balance")});
    table.add({"charged", amount(coins, channel, "chargedCumulativeAmount")});
    table.add({"reserved", amount(coins, channel, "reservedAmount")});
    table.add({"on its way back", amount(coins, channel, "refundingAmount")});
    table.add({"signed up to", amount(coins, channel, "signedMaxClaimable")});
    table.add({"claimed on chain", amount(coins, channel, "totalClaimed")});
    table.add({"seq", text(channel, "seq")});
    fmt::print("{}", table.text());
    if (payments > 0) print_payments(service, coins, channel, payments);
    return kExitDone;
}

void add_list(CLI::App& parent, Action& action) {
    auto* command = parent.add_subcommand("list",
                                          "The channels that one is a party of; an auditor "
                                          "sees all");
    const auto options = std::make_shared<ListOptions>();
    options->service = add_service_options(*command, Audience::parties);
    command->add_option("--limit", options->limit, "How many at most")->check(CLI::Range(1, 1000));
    command->add_option("--after", options->after, "Continue behind this channel")
        ->type_name("CHANNEL");
    command->footer("Example:\n  millrace channel list --key app.key");
    command->callback(
        [&action, options] { action = [options] { return list_channels(*options); }; });
}

void add_show(CLI::App& parent, Action& action) {
    auto* command = parent.add_subcommand("show", "One channel, and its first payments if wanted");
    const auto options = add_service_options(*command, Audience::parties);
    const auto id = std::make_shared<std::string>();
    const auto payments = std::make_shared<unsigned>(0);
    command->add_option("channel", *id, "Its id")->required()->type_name("CHANNEL");
    command->add_option("--payments", *payments, "Show so many of its payments")
        ->check(CLI::Range(0, 1000));
    command->footer("Example:\n  millrace channel show 0x… --payments 20 --token $AUDITOR_TOKEN");
    command->callback([&action, options, id, payments] {
        action = [options, id, payments] { return show_channel(*options, *id, *payments); };
    });
}

}  // namespace

void add_channel(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand("channel", "Channels of a running service");
    command->require_subcommand(1);
    add_list(*command, action);
    add_show(*command, action);
    add_channel_refund(*command, action);
}

}  // namespace millrace::api
