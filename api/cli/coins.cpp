#include "api/cli/coins.hpp"

#include "api/cli/table.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>

namespace millrace::api {
namespace {

std::string text(const boost::json::value& value) {
    return std::string(value.as_string());
}

}  // namespace

Coins::Coins(const ServiceClient& service) {
    const auto answer = service.get("/v1/networks");
    for (const auto& network : answer.value.at("networks").as_array()) {
        for (const auto& token : network.at("tokens").as_array()) {
            coins_[{text(network.at("network")), text(token.at("address"))}] = {
                text(token.at("symbol")), token.at("decimals").to_number<unsigned>()};
        }
    }
}

std::string Coins::show(std::string_view network, std::string_view token,
                        std::string_view base_units) const {
    const auto found = coins_.find({std::string(network), std::string(token)});
    if (found == coins_.end()) return std::string(base_units);
    return fmt::format("{} {}", in_coins(base_units, found->second.decimals), found->second.symbol);
}

}  // namespace millrace::api
