#include "api/gate/terms.hpp"

#include "channel/address.hpp"
#include "channel/config.hpp"
#include "channel/eip712.hpp"
#include "channel/hex.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>

namespace millrace::api::gate {
namespace {

namespace json = boost::json;

channel::Network network_in(const json::object& entry) {
    return channel::parse_network(std::string(entry.at("network").as_string())).value();
}

channel::Address address_in(const json::object& object, std::string_view name) {
    return channel::parse_address(std::string(object.at(name).as_string())).value();
}

const json::object* find_network(const json::array& networks, const TermsWanted& wanted) {
    if (!wanted.network) return networks.size() == 1 ? &networks.front().as_object() : nullptr;
    for (const auto& one : networks)
        if (network_in(one.as_object()) == *wanted.network) return &one.as_object();
    return nullptr;
}

const json::object* find_token(const json::array& tokens, const TermsWanted& wanted) {
    for (const auto& one : tokens)
        if (!wanted.token || address_in(one.as_object(), "address") == *wanted.token)
            return &one.as_object();
    return nullptr;
}

Terms read(const json::object& network, const json::object& token, const TermsWanted& wanted) {
    Terms terms;
    terms.network = network_in(network);
    terms.escrow_separator = channel::domain_separator(
        channel::escrow_domain(terms.network.chain_id, address_in(network, "contract")));
    terms.token = address_in(token, "address");
    terms.token_name = token.at("name").as_string();
    terms.token_version = token.at("version").as_string();
    for (const auto& method : token.at("assetTransferMethods").as_array())
        terms.transfer_methods.emplace_back(method.as_string());
    terms.receiver_authorizer = address_in(network, "receiverAuthorizer");
    const auto& delay = network.at("withdrawDelay").as_object();
    terms.withdraw_delay_seconds =
        wanted.withdraw_delay_seconds.value_or(delay.at("min").to_number<std::uint64_t>());
    terms.pay_to = wanted.pay_to;
    terms.deposit_min = wanted.deposit_min;
    terms.timeout_seconds = wanted.timeout_seconds;
    return terms;
}

}  // namespace

std::variant<Terms, std::string> make_terms(const json::object& server_info,
                                            const TermsWanted& wanted) {
    try {
        const auto* network = find_network(server_info.at("networks").as_array(), wanted);
        if (!network)
            return wanted.network ? fmt::format("gate.network: the service has no network {}",
                                                channel::to_string(*wanted.network))
                                  : "gate.network: the service has several networks; name one";
        const auto* token = find_token(network->at("tokens").as_array(), wanted);
        if (!token)
            return fmt::format("gate.token: the service takes no such token on {}",
                               channel::to_string(network_in(*network)));
        const auto terms = read(*network, *token, wanted);
        const auto& delay = network->at("withdrawDelay").as_object();
        const auto least = delay.at("min").to_number<std::uint64_t>();
        const auto most = delay.at("max").to_number<std::uint64_t>();
        if (terms.withdraw_delay_seconds < least || terms.withdraw_delay_seconds > most)
            return fmt::format(
                "gate.withdraw_delay_seconds: the service takes {} to {} on this network", least,
                most);
        return terms;
    } catch (const std::exception& error) {
        return fmt::format("the service's server.info is not understood: {}", error.what());
    }
}

}  // namespace millrace::api::gate
