// The facilitator with its keys in a process of their own.
#include "channel/hex.hpp"
#include "tests/api/signer_stack.hpp"
#include "tests/api/x402_stack.hpp"
#include "tests/support/print.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>

using namespace support;
using namespace std::chrono_literals;
using channel::Amount;

TEST_CASE("x402 signer: what is sent for others is signed by its rules", "[x402][signer]") {
    std::unique_ptr<SignerProcess> signer;
    X402Stack test([&](api::Config& config) {
        signer = use_signer(config);
    });
    const auto config = test.delegated();
    const auto required = test.requirements(config);
    const auto receiver = test.token(X402Stack::kProvider);
    const auto claim = [&](std::uint64_t total) {
        return test.settle(X402Stack::claim({test.row(config, total, total)}), required, receiver);
    };
    CHECK(test.settle(test.deposit(config, 5000, 100), required).text("/success") == "true");
    const auto first = claim(700);
    INFO(first.response.body);
    CHECK(first.text("/success") == "true");
    CHECK(test.settle(test.settlement(), required).text("/amount") == "700");
    CHECK(test.settle(test.completed(config, 800, 1000, 0), required, receiver).text("/amount") ==
          "1000");

    // Signed for more, and not claimed yet: the signer takes nothing back.
    test.stop_mining();
    test.chain.config.x402.wait = 150ms;
    CHECK(reason_of(claim(1000)) == "settlement_pending");
    const auto lower = claim(900);
    CHECK(reason_of(lower) == "claim_simulation_failed");
    CHECK(lower.text("/errorMessage").find("is lower") != std::string::npos);
    test.chain.config.x402.wait = 30s;
    test.mine_on();
    CHECK(claim(1000).text("/success") == "true");
    CHECK(test.totals(config).total_claimed == Amount{1000});

    signer->kill();
    CHECK(claim(1100).status() == 503);
    CHECK(test.totals(config).total_claimed == Amount{1000});
    signer->start();
    REQUIRE(test.chain.wait([&] { return test.chain.chain().signer_health().available; }));
    CHECK(claim(1100).text("/success") == "true");
    CHECK(test.sent("claim") == "3");
    CHECK(test.chain.trial_balance() == "0");
}

TEST_CASE("x402 signer: no refund is signed that the contract would refuse", "[x402][signer]") {
    std::unique_ptr<SignerProcess> signer;
    X402Stack test([&](api::Config& config) {
        SignerProcess::Settings settings;
        settings.token_more = "signed_value_per_hour_max = \"10000\"";
        signer = use_signer(config, settings);
    });
    const auto config = test.funded(test.delegated(), 5000);
    const auto required = test.requirements(config);
    const auto receiver = test.token(X402Stack::kProvider);
    for (const std::uint64_t nonce : {7, 8})
        CHECK(reason_of(test.settle(test.completed(config, 600, 9000, nonce), required,
                                    receiver)) == "refund_simulation_failed");
    // As much as there is, and no more, was signed.
    const auto all = test.settle(test.completed(config, 600, 10'000, 0), required, receiver);
    INFO(all.response.body);
    CHECK(all.text("/amount") == "4400");
    const auto other = test.funded(test.delegated(1), 5000);
    CHECK(test.settle(X402Stack::claim({test.row(other, 5000, 5000)}), required, receiver)
              .text("/success") == "true");
}

TEST_CASE("x402 signer: a refusal of the signer is no limit on requests", "[x402][signer]") {
    std::unique_ptr<SignerProcess> signer;
    X402Stack test([&](api::Config& config) {
        SignerProcess::Settings settings;
        settings.network = "signed_cost_per_hour_max = \"1\"";
        signer = use_signer(config, settings);
    });
    const auto config = test.own();
    const auto answer = test.settle(test.deposit(config, 2000, 1), test.requirements(config));
    INFO(answer.response.body);
    CHECK(reason_of(answer) == "deposit_transaction_failed");
    CHECK(answer.text("/transaction").empty());
    CHECK(answer.text("/errorMessage").find("signed_cost_per_hour_max") != std::string::npos);
}
