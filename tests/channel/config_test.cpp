#include "channel/config.hpp"

#include "channel/eip712.hpp"
#include "tests/support/parsed.hpp"
#include "tests/support/print.hpp"
#include "tests/support/vectors.hpp"

namespace millrace::channel {
namespace {

using support::fixed;
using support::Vector;

constexpr std::uint64_t kBaseMainnet = 8453;

Vector x402() {
    return Vector::load("payment-protocols.json")["x402_batch_settlement"];
}

ChannelConfig config_of(const Vector& vector) {
    return {
        .payer = support::address(vector["payer"].text()),
        .payer_authorizer = support::address(vector["payerAuthorizer"].text()),
        .receiver = support::address(vector["receiver"].text()),
        .receiver_authorizer = support::address(vector["receiverAuthorizer"].text()),
        .token = support::address(vector["token"].text()),
        .withdraw_delay_seconds = vector["withdrawDelay"].number(),
        .salt = fixed<Salt>(vector["salt"].text()),
    };
}

ChannelConfig any_config() {
    return config_of(x402()["channels"].items()[0]["config"]);
}

Digest separator_on(std::uint64_t chain_id) {
    const Address contract = support::address(x402()["contracts"]["x402BatchSettlement"].text());
    return domain_separator(escrow_domain(chain_id, contract));
}

TEST_CASE("config: hashes and channel ids are those of the vectors", "[channel][config][vectors]") {
    const auto channels = x402()["channels"].items();
    REQUIRE(channels.size() == 2);
    for (const auto& channel : channels) {
        const ChannelConfig config = config_of(channel["config"]);
        CHECK(check_config(config).has_value());
        CHECK(to_hex(struct_hash(config)) == channel["structHash"].text());
        CHECK(to_hex(channel_id(separator_on(x402()["chainId"].number()), config)) ==
              channel["channelId"].text());
        CHECK(to_hex(channel_id(separator_on(kBaseMainnet), config)) ==
              channel["channelIdOnBaseMainnet"].text());
    }
}

TEST_CASE("config: each member changes the channel id", "[channel][config]") {
    const Digest separator = separator_on(kBaseMainnet);
    const ChannelConfig config = any_config();
    const Address other = support::address("0x00000000000000000000000000000000000000ff");
    std::vector<ChannelConfig> changed(7, config);
    changed[0].payer = other;
    changed[1].payer_authorizer = other;
    changed[2].receiver = other;
    changed[3].receiver_authorizer = other;
    changed[4].token = other;
    changed[5].withdraw_delay_seconds += 1;
    changed[6].salt.bytes.back() = 0xff;
    for (const auto& one : changed)
        CHECK(channel_id(separator, one) != channel_id(separator, config));
    CHECK(channel_id(separator, config) == channel_id(separator, any_config()));
}

TEST_CASE("config: the payer authorizer signs vouchers, the payer where there is none",
          "[channel][config]") {
    ChannelConfig config = any_config();
    CHECK(voucher_signer(config) == config.payer_authorizer);
    config.payer_authorizer = Address{};
    CHECK(voucher_signer(config) == config.payer);
}

TEST_CASE("config: what the contract would refuse is refused", "[channel][config]") {
    const auto refusal_of = [](auto change) {
        ChannelConfig config = any_config();
        change(config);
        return check_config(config).error();
    };
    CHECK(refusal_of([](auto& c) { c.payer = {}; }) == Error::invalid_params);
    CHECK(refusal_of([](auto& c) { c.receiver = {}; }) == Error::receiver_mismatch);
    CHECK(refusal_of([](auto& c) { c.receiver_authorizer = {}; }) ==
          Error::receiver_authorizer_mismatch);
    CHECK(refusal_of([](auto& c) { c.token = {}; }) == Error::token_mismatch);
    for (const std::uint64_t delay :
         {std::uint64_t{0}, std::uint64_t{899}, std::uint64_t{2'592'001}, std::uint64_t{1} << 40,
          ~std::uint64_t{0}}) {
        CAPTURE(delay);
        CHECK(refusal_of([&](auto& c) { c.withdraw_delay_seconds = delay; }) ==
              Error::withdraw_delay_out_of_range);
    }
}

TEST_CASE("config: the delay is taken from 900 to 2592000 seconds", "[channel][config]") {
    ChannelConfig config = any_config();
    for (const std::uint64_t delay : {900u, 901u, 2'591'999u, 2'592'000u}) {
        config.withdraw_delay_seconds = delay;
        CHECK(check_config(config).has_value());
    }
}

TEST_CASE("config: the payer authorizer may be missing", "[channel][config]") {
    ChannelConfig config = any_config();
    config.payer_authorizer = {};
    CHECK(check_config(config).has_value());
}

}  // namespace
}  // namespace millrace::channel
