// What is done for others does not use up what the service itself needs, nor what other receivers
// do.
#include "channel/hex.hpp"
#include "tests/api/x402_stack.hpp"
#include "tests/support/print.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include <algorithm>
#include <string>

using namespace support;
using channel::Amount;

namespace {

constexpr unsigned kProvider = X402Stack::kProvider;
constexpr unsigned kOther = X402Stack::kStranger;
constexpr unsigned kThird = 5;

channel::ChannelConfig paying(const X402Stack& test, unsigned receiver, std::uint64_t salt = 0) {
    auto config = test.delegated(salt);
    config.receiver = Anvil::key(receiver).address();
    return config;
}

}  // namespace

TEST_CASE("x402 shares: others have a quarter of the signatures of a minute", "[x402]") {
    X402Stack test([](api::Config& config) { config.signer.signatures_per_minute_max = 16; });
    const auto deposit = [&](std::uint64_t salt) {
        const auto config = test.own(salt);
        return test.settle(test.deposit(config, 2000, 1), test.requirements(config));
    };
    for (const std::uint64_t salt : {1, 2, 3, 4}) CHECK(deposit(salt).text("/success") == "true");
    CHECK(reason_of(deposit(5)) == "rate_limited");
    CHECK(test.sent("deposit") == "4");
    // What was sent is told again, and the service's own are not counted.
    CHECK(deposit(1).text("/success") == "true");
    test.open(5000);
}

TEST_CASE("x402 shares: others have a half of the value of an hour, and one receiver a quarter",
          "[x402]") {
    X402Stack test([](api::Config& config) {
        config.networks[0].tokens[0].signed_value_per_hour_max = Amount{4000};
    });
    const auto claim = [&](unsigned receiver, std::uint64_t total) {
        const auto config = paying(test, receiver);
        return test.settle(X402Stack::claim({test.row(config, total, total)}),
                           test.requirements(config), test.token(receiver));
    };
    for (const auto receiver : {kProvider, kOther, kThird})
        test.funded(paying(test, receiver), 5000);
    CHECK(claim(kProvider, 700).text("/success") == "true");
    const auto refused = claim(kProvider, 1001);
    CHECK(reason_of(refused) == "rate_limited");
    CHECK(refused.text("/errorMessage").find("within an hour") != std::string::npos);
    CHECK(claim(kProvider, 1000).text("/success") == "true");
    CHECK(claim(kOther, 999).text("/success") == "true");
    CHECK(reason_of(claim(kThird, 2)) == "rate_limited");
    CHECK(claim(kThird, 1).text("/success") == "true");
    const auto config = paying(test, kOther);
    CHECK(reason_of(test.settle(test.completed(config, 999, 100, 0), test.requirements(config),
                                test.token(kOther))) == "rate_limited");
    CHECK(test.sent("refund") == "0");
}

TEST_CASE("x402 shares: one receiver has a quarter of the cost, for itself and for strangers each",
          "[x402]") {
    X402Stack test;
    const auto deposit = [&](unsigned receiver, std::uint64_t salt, const std::string& bearer) {
        const auto config = paying(test, receiver, salt);
        return test.settle(test.deposit(config, 2000, 1), test.requirements(config), bearer);
    };
    CHECK(deposit(kProvider, 1, "").text("/success") == "true");
    // Room for one, but not for two of them, in a quarter.
    const auto cost = std::stoull(test.chain.query("select gas_limit * max_fee from outbox"));
    test.chain.config.x402.cost_per_hour_max = Amount{cost * 6};
    CHECK(reason_of(deposit(kProvider, 2, "")) == "rate_limited");
    CHECK(reason_of(deposit(kProvider, 2, test.token(kOther))) == "rate_limited");
    CHECK(deposit(kProvider, 2, test.token(kProvider)).text("/success") == "true");
    CHECK(reason_of(deposit(kProvider, 3, test.token(kProvider))) == "rate_limited");
    CHECK(deposit(kOther, 1, "").text("/success") == "true");
    // Strangers have used up their half; receivers themselves have not.
    test.chain.config.x402.cost_per_hour_max = Amount{cost * 5};
    CHECK(reason_of(deposit(kThird, 1, "")) == "rate_limited");
    CHECK(deposit(kThird, 1, test.token(kThird)).text("/success") == "true");
    CHECK(test.sent("deposit") == "4");
}
