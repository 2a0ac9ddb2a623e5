#include "api/cli/demo/party.hpp"

#include "channel/address.hpp"
#include "channel/amount.hpp"
#include "channel/eip712.hpp"
#include "channel/hex.hpp"
#include "channel/receive_authorization.hpp"
#include "channel/uint256.hpp"
#include "channel/voucher.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>

#include <openssl/rand.h>
#include <chrono>
#include <stdexcept>

namespace millrace::api {
namespace {

namespace json = boost::json;

constexpr std::uint64_t kDepositValiditySeconds = 3600;

std::string text(const json::object& object, std::string_view name) {
    return std::string(object.at(name).as_string());
}

channel::Address address_in(const json::object& object, std::string_view name) {
    return channel::parse_address(text(object, name)).value();
}

std::uint64_t unix_seconds() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::seconds>(now).count());
}

std::string deposit_json(const DemoNetwork& network, const DemoParty& payer,
                         const channel::ChannelId& id, channel::Amount amount) {
    const auto salt = random_word();
    const auto valid_before = unix_seconds() + kDepositValiditySeconds;
    const auto digest = channel::digest(
        network.token_separator,
        channel::ReceiveAuthorization{.from = payer.address(),
                                      .to = network.collector,
                                      .value = amount,
                                      .valid_after = {},
                                      .valid_before = channel::word_from(valid_before),
                                      .nonce = channel::deposit_nonce(id, salt)});
    return fmt::format(
        R"({{"amount":"{}","authorization":{{"erc3009Authorization":{{"validAfter":"0",)"
        R"("validBefore":"{}","salt":"{}","signature":"{}"}}}}}})",
        channel::to_string(amount), valid_before, channel::to_hex(salt),
        channel::to_hex(payer.key().sign(digest)));
}

}  // namespace

channel::Word random_word() {
    channel::Word word;
    if (RAND_bytes(word.bytes.data(), static_cast<int>(word.bytes.size())) != 1)
        throw std::runtime_error("no random numbers");
    return word;
}

DemoNetwork demo_network(StreamClient& client, const channel::Address& collector) {
    const auto info = client.call("server.info", "{}");
    const auto& first = info.at("networks").as_array().at(0).as_object();
    const auto& token = first.at("tokens").as_array().at(0).as_object();
    DemoNetwork network;
    network.network = channel::parse_network(text(first, "network")).value();
    network.contract = address_in(first, "contract");
    network.collector = collector;
    network.token = address_in(token, "address");
    network.receiver_authorizer = address_in(first, "receiverAuthorizer");
    network.withdraw_delay_seconds =
        first.at("withdrawDelay").as_object().at("min").to_number<std::uint64_t>();
    network.escrow_separator = channel::domain_separator(
        channel::escrow_domain(network.network.chain_id, network.contract));
    network.token_separator = channel::domain_separator(
        {text(token, "name"), text(token, "version"), network.network.chain_id, network.token});
    return network;
}

DemoParty DemoParty::make() {
    return DemoParty(channel::SecretKey::from_bytes(random_word().view()).value());
}

void DemoParty::connect(const StreamAddress& address) {
    stream_ = std::make_unique<StreamClient>(address);
    const auto challenge = stream_->call(
        "auth.challenge", fmt::format(R"({{"address":"{}"}})", channel::to_hex(address_)));
    const auto message = text(challenge, "message");
    const auto signature = key_.sign(channel::personal_message_digest(message));
    stream_->call("auth.login",
                  json::serialize(json::object{{"message", message},
                                               {"signature", channel::to_hex(signature)}}));
}

std::string open_params(const DemoNetwork& network, const DemoParty& payer,
                        const channel::ChannelConfig& config, const std::string& app,
                        channel::Amount deposit) {
    const auto id = channel::channel_id(network.escrow_separator, config);
    return fmt::format(
        R"({{"network":"{}","app":"{}","channelConfig":{{"payer":"{}","payerAuthorizer":"{}",)"
        R"("receiver":"{}","receiverAuthorizer":"{}","token":"{}","withdrawDelay":{},)"
        R"("salt":"{}"}},"deposit":{}}})",
        channel::to_string(network.network), app, channel::to_hex(config.payer),
        channel::to_hex(config.payer_authorizer), channel::to_hex(config.receiver),
        channel::to_hex(config.receiver_authorizer), channel::to_hex(config.token),
        config.withdraw_delay_seconds, channel::to_hex(config.salt),
        deposit_json(network, payer, id, deposit));
}

std::string top_up_params(const DemoNetwork& network, const DemoParty& payer,
                          const channel::ChannelId& id, channel::Amount deposit) {
    return fmt::format(R"({{"channelId":"{}","deposit":{}}})", channel::to_hex(id),
                       deposit_json(network, payer, id, deposit));
}

std::string voucher_json(const DemoNetwork& network, const DemoParty& payer,
                         const channel::ChannelId& id, channel::Amount max_claimable) {
    const auto digest =
        channel::digest(network.escrow_separator, channel::Voucher{id, max_claimable});
    return fmt::format(R"({{"maxClaimableAmount":"{}","signature":"{}"}})",
                       channel::to_string(max_claimable),
                       channel::to_hex(payer.key().sign(digest)));
}

}  // namespace millrace::api
