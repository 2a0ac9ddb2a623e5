#include "api/stream/accept_payment.hpp"
#include "channel/eip712.hpp"
#include "channel/hex.hpp"
#include "tests/api/stream_stack.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>

using namespace support;
using api::stream::AcceptPayment;
using api::stream::NamedChannel;

namespace {

const auto kContract =
    *channel::parse_fixed<channel::Address>("0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003");

std::vector<api::NetworkConfig> networks(std::initializer_list<std::uint64_t> chain_ids) {
    std::vector<api::NetworkConfig> all;
    for (const auto chain_id : chain_ids) {
        auto& one = all.emplace_back();
        one.network.chain_id = chain_id;
        one.contract = kContract;
        one.rpc_urls = {"http://127.0.0.1:1"};
    }
    return all;
}

channel::ChannelId id_on(std::uint64_t chain_id, const channel::ChannelConfig& config) {
    return channel::channel_id(
        channel::domain_separator(channel::escrow_domain(chain_id, kContract)), config);
}

std::string named(const std::vector<api::NetworkConfig>& networks, const AcceptPayment& asked) {
    const auto channel = api::stream::name_channel(networks, asked);
    if (const auto* why = std::get_if<api::stream::Failure>(&channel))
        return std::string(why->reason) + " " + why->field;
    const auto& [network, id] = std::get<NamedChannel>(channel);
    return channel::to_string(network) +
           (id == id_on(network.chain_id, asked.config) ? "" : " with another id");
}

/// The text of a payment.accept request for this channel.
std::string accept_text(const Payer& app, const std::string& id, std::uint64_t amount,
                        std::uint64_t max, const std::string& more = "") {
    const auto& config = app.terms.config;
    const auto hex = [](const auto& value) { return '"' + channel::to_hex(value) + '"'; };
    return R"({"jsonrpc":"2.0","id":")" + id +
           R"(","method":"payment.accept","params":{"channelConfig":{"payer":)" +
           hex(config.payer) + R"(,"payerAuthorizer":)" + hex(config.payer_authorizer) +
           R"(,"receiver":)" + hex(config.receiver) + R"(,"receiverAuthorizer":)" +
           hex(config.receiver_authorizer) + R"(,"token":)" + hex(config.token) +
           R"(,"withdrawDelay":900,"salt":)" + hex(config.salt) + R"(},"inference":{"id":")" + id +
           R"(","model":"m"},"maxAmount":")" + std::to_string(amount) +
           R"(","voucher":{"maxClaimableAmount":")" + std::to_string(max) + R"(","signature":)" +
           hex(app.voucher(max).signature) + "}" + more + "}}";
}

std::string charge_text(const Payer& app, const std::string& id, std::uint64_t amount) {
    return R"({"jsonrpc":"2.0","id":"charge )" + id +
           R"(","method":"payment.charge","params":{"channelId":")" +
           channel::to_hex(app.terms.id) + R"(","inferenceId":")" + id + R"(","amount":")" +
           std::to_string(amount) + R"("}})";
}

}  // namespace

TEST_CASE("accept: the network is named, told by the voucher, or the only one",
          "[stream][accept]") {
    AcceptPayment asked;
    asked.config.withdraw_delay_seconds = 900;
    const auto two = networks({1, 8453});
    CHECK(named(networks({1}), asked) == "eip155:1");
    CHECK(named(two, asked) == "invalid_params network");
    CHECK(named({}, asked) == "invalid_params network");
    asked.network = channel::Network{8453};
    CHECK(named(two, asked) == "eip155:8453");
    asked.network = channel::Network{5};
    CHECK(named(two, asked) == "invalid_batch_settlement_evm_network_mismatch network");

    asked.channel = id_on(8453, asked.config);
    const std::string mismatch =
        "invalid_batch_settlement_evm_channel_id_mismatch voucher.channelId";
    asked.network = channel::Network{8453};
    CHECK(named(two, asked) == "eip155:8453");
    asked.network = channel::Network{1};
    CHECK(named(two, asked) == mismatch);
    asked.network.reset();
    CHECK(named(two, asked) == "eip155:8453");
    CHECK(named(networks({1}), asked) == mismatch);
}

TEST_CASE("accept: pipelined with its charge it is taken in order", "[stream][accept]") {
    StreamStack stack([](api::Config& config) { config.networks = networks({31337}); });
    const auto app = stack.opened(1, 1000);
    const auto receiver = app.terms.config.receiver;
    StreamClient provider(stack.port(), {stack.token(receiver)});
    provider.send("[" + accept_text(app, "a", 100, 100) + "," + charge_text(app, "a", 30) + "," +
                  accept_text(app, "b", 100, 130) + "," + accept_text(app, "a", 100, 100) + "," +
                  accept_text(app, "c", 100, 130) + "]");
    const auto answers = provider.receive_json().as_array();
    REQUIRE(answers.size() == 5);
    std::map<std::string, std::vector<boost::json::value>> by_id;
    for (const auto& answer : answers) by_id[at(answer, "id")].push_back(answer);
    CHECK(at(by_id["a"][0], "result.reservedAmount") == "100");
    CHECK(at(by_id["a"][0], "result.transaction") == "missing");
    // A repeat is the first result to the letter.
    CHECK(at(by_id["a"][1], "result") == at(by_id["a"][0], "result"));
    CHECK(at(by_id["charge a"][0], "result.chargedCumulativeAmount") == "30");
    CHECK(at(by_id["b"][0], "result.signedMaxClaimable") == "130");
    CHECK(at(by_id["c"][0], "error.data.reason") == "invalid_batch_settlement_evm_channel_busy");

    StreamClient payer_side(stack.port(), {stack.token(app)});
    payer_side.send(accept_text(app, "d", 1, 131));
    CHECK(at(payer_side.receive_json(), "error.data.reason") == "forbidden");
    provider.send(accept_text(app, "d", 1, 131, R"(,"network":"eip155:1")"));
    CHECK(at(provider.receive_json(), "error.data.reason") ==
          "invalid_batch_settlement_evm_network_mismatch");
    CHECK(stack.books.query("select kind, inference_id from payment order by seq") ==
          "authorize|a\ncharge|a\nauthorize|b");
}

TEST_CASE("accept: a delegated key does a provider's work and nothing else", "[stream][accept]") {
    StreamStack stack([](api::Config& config) { config.networks = networks({31337}); });
    const auto app = stack.opened(1, 1000);
    const auto delegate = key(77).address();
    StreamClient provider(stack.port(),
                          {stack.delegated_token(app.terms.config.receiver, delegate)});
    provider.send(accept_text(app, "a", 100, 100));
    CHECK(at(provider.receive_json(), "result.reservedAmount") == "100");
    provider.send(charge_text(app, "a", 30));
    CHECK(at(provider.receive_json(), "result.chargedCumulativeAmount") == "30");

    StreamClient as_payer(stack.port(), {stack.delegated_token(app.terms.config.payer, delegate)});
    as_payer.send(pay_text(app, "p", 1, 101));
    CHECK(at(as_payer.receive_json(), "error.data.reason") == "forbidden");
    // Without a voucher of its own it would be covered by the standing one.
    const auto without = R"({"channelId":")" + channel::to_hex(app.terms.id) +
                         R"(","inference":{"id":"q","model":"m"},"maxAmount":"1"})";
    CHECK(at(as_payer.call("payment.authorize", without), "error.data.reason") == "forbidden");
    CHECK(stack.books.query("select count(*) from payment") == "2");
}
