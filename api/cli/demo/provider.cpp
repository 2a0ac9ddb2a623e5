#include "api/cli/demo/provider.hpp"

#include "channel/amount.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>

#include <chrono>
#include <stdexcept>
#include <thread>

namespace millrace::api {
namespace {

namespace json = boost::json;

constexpr std::chrono::seconds kClaimPatience{60};
constexpr std::chrono::milliseconds kLookAgain{50};

std::string text(const json::object& object, std::string_view name) {
    return std::string(object.at(name).as_string());
}

/// Three quarters of what was authorized: the work is known only once it is done.
channel::Amount price_of(channel::Amount authorized) {
    return channel::Amount{authorized.units() / 4 * 3};
}

}  // namespace

void DemoProvider::connect(const StreamAddress& address) {
    party_.connect(address);
    party_.stream().call("events.subscribe", R"({"topics":["payment"]})");
}

void DemoProvider::charge(std::uint64_t inferences, DemoProgress& progress) {
    while (acknowledged_ < inferences) {
        const auto message = party_.stream().receive();
        if (!message.id) {
            on_event(message.body);
            continue;
        }
        if (message.failed) throw StreamRefusal("a charge", message.body);
        ++acknowledged_;
        ++progress.acknowledged;
    }
}

void DemoProvider::on_event(const json::object& event) {
    const auto& data = event.at("data").as_object();
    if (text(data, "name") != "authorized") return;
    const auto channel = text(data, "channelId");
    const auto inference = text(data, "inferenceId");
    if (!asked_.insert(channel + inference).second) return;
    const auto authorized = channel::parse_amount(text(data, "amount")).value();
    party_.stream().send("payment.charge",
                         fmt::format(R"({{"channelId":"{}","inferenceId":"{}","amount":"{}",)"
                                     R"("usage":{{"inputTokens":120,"outputTokens":480}}}})",
                                     channel, inference, channel::to_string(price_of(authorized))));
}

void DemoProvider::claim() {
    const auto claimed = party_.stream().call("settlement.claim", "{}");
    const auto params = fmt::format(R"({{"claimId":"{}"}})", text(claimed, "claimId"));
    const auto deadline = std::chrono::steady_clock::now() + kClaimPatience;
    while (std::chrono::steady_clock::now() < deadline) {
        const auto claim = party_.stream().call("settlement.get", params);
        const auto status = text(claim, "status");
        if (status == "confirmed") return;
        if (status == "failed")
            throw std::runtime_error("the claim failed: " + json::serialize(claim));
        std::this_thread::sleep_for(kLookAgain);
    }
    throw std::runtime_error("the claim is not confirmed in time");
}

}  // namespace millrace::api
