#include "api/cli/demo/party.hpp"

#include "api/cli/service_client.hpp"
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
#include <utility>

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

std::string authority(const StreamAddress& address) {
    return address.host + ":" + address.port;
}

std::string deposit_json(const DemoNetwork& network, const DemoParty& payer,
                         const channel::ChannelId& id, channel::Amount amount) {
    const auto deposit = sign_deposit(network, payer, id, amount);
    return fmt::format(
        R"({{"amount":"{}","authorization":{{"erc3009Authorization":{{"validAfter":"0",)"
        R"("validBefore":"{}","salt":"{}","signature":"{}"}}}}}})",
        channel::to_string(amount), deposit.valid_before, channel::to_hex(deposit.salt),
        channel::to_hex(deposit.signature));
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

std::string log_in(StreamClient& stream, const channel::SecretKey& key, const std::string& domain) {
    const auto challenge = stream.call(
        "auth.challenge", fmt::format(R"({{"address":"{}"}})", channel::to_hex(key.address())));
    const auto message = text(challenge, "message");
    check_login_message(message, domain, channel::to_checksum(key.address()));
    const auto signature = key.sign(channel::personal_message_digest(message));
    const auto session = stream.call(
        "auth.login", json::serialize(json::object{{"message", message},
                                                   {"signature", channel::to_hex(signature)}}));
    return text(session, "token");
}

std::string log_in(const StreamAddress& address, const channel::SecretKey& key) {
    StreamClient stream(address);
    return log_in(stream, key, authority(address));
}

DemoParty DemoParty::make() {
    return DemoParty(channel::SecretKey::from_bytes(random_word().view()).value());
}

DemoParty DemoParty::of(channel::SecretKey key) {
    return DemoParty(std::move(key));
}

void DemoParty::connect(const StreamAddress& address, const std::string& token) {
    stream_ = std::make_unique<StreamClient>(address, token);
}

void DemoParty::connect(const StreamAddress& address) {
    stream_ = std::make_unique<StreamClient>(address);
    log_in(*stream_, key_, authority(address));
}

SignedDeposit sign_deposit(const DemoNetwork& network, const DemoParty& payer,
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
    return {salt, valid_before, payer.key().sign(digest)};
}

json::object channel_config_json(const channel::ChannelConfig& config) {
    return {{"payer", channel::to_hex(config.payer)},
            {"payerAuthorizer", channel::to_hex(config.payer_authorizer)},
            {"receiver", channel::to_hex(config.receiver)},
            {"receiverAuthorizer", channel::to_hex(config.receiver_authorizer)},
            {"token", channel::to_hex(config.token)},
            {"withdrawDelay", config.withdraw_delay_seconds},
            {"salt", channel::to_hex(config.salt)}};
}

std::string open_params(const DemoNetwork& network, const DemoParty& payer,
                        const channel::ChannelConfig& config, const std::string& app,
                        channel::Amount deposit) {
    const auto id = channel::channel_id(network.escrow_separator, config);
    return fmt::format(R"({{"network":"{}","app":"{}","channelConfig":{},"deposit":{}}})",
                       channel::to_string(network.network), app,
                       json::serialize(channel_config_json(config)),
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
