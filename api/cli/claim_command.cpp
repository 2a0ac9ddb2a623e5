#include "api/cli/commands.hpp"
#include "api/cli/http_client.hpp"
#include "api/cli/service_client.hpp"
#include "api/cli/table.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include <thread>

namespace millrace::api {
namespace {

namespace json = boost::json;

constexpr std::chrono::milliseconds kLookAgain{500};

struct ClaimOptions {
    std::shared_ptr<ServiceOptions> service;
    std::string network;
    std::string asset;
    /// How long to wait for the end; zero: do not wait.
    unsigned wait_seconds = 0;
};

std::string text(const json::value& object, std::string_view key) {
    const auto* value = object.as_object().if_contains(key);
    if (!value) return "-";
    return value->is_string() ? std::string(value->get_string()) : json::serialize(*value);
}

bool has_ended(const json::value& claim) {
    const auto status = text(claim, "status");
    return status == "confirmed" || status == "failed";
}

int print_claim(const ServiceAnswer& answer, bool as_json) {
    const auto& claim = answer.value;
    if (as_json) {
        fmt::print("{}\n", answer.text);
    } else {
        Table table({{"claim"}, {text(claim, "claimId")}});
        table.add({"status", text(claim, "status")});
        table.add({"channels", text(claim, "channels")});
        table.add({"amount", text(claim, "amount") + " base units"});
        for (const auto& hash : claim.at("transactions").as_array())
            table.add({"transaction", std::string(hash.as_string())});
        if (text(claim, "error") != "-") table.add({"error", text(claim, "error")});
        fmt::print("{}", table.text());
    }
    return text(claim, "status") == "failed" ? kExitFailed : kExitDone;
}

int make_claim(const ClaimOptions& options) {
    const ServiceClient service(*options.service);
    json::object body;
    if (!options.network.empty()) body["network"] = options.network;
    if (!options.asset.empty()) body["token"] = options.asset;
    auto answer = service.post("/v1/claims", json::serialize(body));
    const auto deadline =
        std::chrono::steady_clock::now() + std::chrono::seconds{options.wait_seconds};
    while (!has_ended(answer.value) && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::sleep_for(kLookAgain);
        answer = service.get("/v1/claims/" + escaped(text(answer.value, "claimId")));
    }
    return print_claim(answer, options.service->json);
}

int show_claim(const ServiceOptions& options, const std::string& id) {
    const ServiceClient service(options);
    return print_claim(service.get("/v1/claims/" + escaped(id)), options.json);
}

int list_claims(const ServiceOptions& options) {
    const ServiceClient service(options);
    const auto claims = service.get("/v1/claims");
    const auto left_out = service.get("/v1/quarantine");
    if (options.json) {
        fmt::print("{{\"claims\":{},\"quarantine\":{}}}\n",
                   json::serialize(claims.value.at("claims")),
                   json::serialize(left_out.value.at("channels")));
        return kExitDone;
    }
    Table made({{"claim"},
                {"status"},
                {"channels", Table::Align::right},
                {"base units", Table::Align::right},
                {"error"}});
    for (const auto& claim : claims.value.at("claims").as_array())
        made.add({text(claim, "claimId"), text(claim, "status"), text(claim, "channels"),
                  text(claim, "amount"), text(claim, "error")});
    fmt::print("{}", made.text());
    const auto& channels = left_out.value.at("channels").as_array();
    if (channels.empty()) return kExitDone;
    Table quarantine({{"left out"},
                      {"reason"},
                      {"detail"},
                      {"base units", Table::Align::right},
                      {"since"},
                      {"tried again"}});
    for (const auto& one : channels)
        quarantine.add({text(one, "channelId"), text(one, "reason"), text(one, "detail"),
                        text(one, "amount"), text(one, "since"), text(one, "retryAt")});
    fmt::print("\n{}", quarantine.text());
    return kExitDone;
}

/// A channel's id is twice as long as a claim's.
bool is_channel(const std::string& id) {
    constexpr std::size_t kChannelIdSize = 66;
    return id.size() == kChannelIdSize;
}

int retry(const ServiceOptions& options, const std::string& id) {
    const ServiceClient service(options);
    const auto* path = is_channel(id) ? "/v1/quarantine/" : "/v1/claims/";
    return print_claim(service.post(path + escaped(id) + "/retry", "{}"), options.json);
}

void add_list(CLI::App& parent, Action& action) {
    auto* command =
        parent.add_subcommand("list", "The newest claims, and the channels left out of them");
    const auto options = add_service_options(*command, Audience::parties);
    command->footer("Example:\n  millrace claim list --key provider.key");
    command->callback([&action, options] { action = [options] { return list_claims(*options); }; });
}

void add_retry(CLI::App& parent, Action& action) {
    auto* command = parent.add_subcommand(
        "retry", "Take a channel that was left out, or all of a claim, up again, and claim");
    const auto options = add_service_options(*command, Audience::parties);
    const auto id = std::make_shared<std::string>();
    command->add_option("id", *id, "Of the channel or the claim")
        ->required()
        ->type_name("CHANNEL|CLAIM");
    command->footer("Example:\n  millrace claim retry 0x… --key provider.key");
    command->callback(
        [&action, options, id] { action = [options, id] { return retry(*options, *id); }; });
}

void add_show(CLI::App& parent, Action& action) {
    auto* command = parent.add_subcommand("show", "What became of a claim");
    const auto options = add_service_options(*command, Audience::parties);
    const auto id = std::make_shared<std::string>();
    command->add_option("claim", *id, "Its id")->required()->type_name("CLAIM");
    command->footer("Example:\n  millrace claim show 0x… --key provider.key");
    command->callback(
        [&action, options, id] { action = [options, id] { return show_claim(*options, *id); }; });
}

}  // namespace

void add_claim(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand(
        "claim", "As a provider: claim on chain all that is due, and sweep it in one transfer");
    const auto options = std::make_shared<ClaimOptions>();
    options->service = add_service_options(*command, Audience::parties);
    command->add_option("--network", options->network, "Only on this one, such as eip155:8453");
    command->add_option("--asset", options->asset, "Only in this token")->type_name("ADDRESS");
    command
        ->add_option("--wait", options->wait_seconds,
                     "Wait so many seconds for it to be confirmed or to fail")
        ->type_name("SECONDS");
    command->footer(
        "Example:\n  millrace claim --key provider.key --wait 60\n"
        "  millrace claim --key gateway.key --delegation-file delegation.json\n\n"
        "Exit codes: 0 done or on its way, 1 failed or nothing is due");
    add_list(*command, action);
    add_show(*command, action);
    add_retry(*command, action);
    command->callback([&action, command, options] {
        if (command->get_subcommands().empty()) action = [options] { return make_claim(*options); };
    });
}

}  // namespace millrace::api
