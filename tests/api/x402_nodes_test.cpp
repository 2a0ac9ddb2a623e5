// The facilitator on a node that does not tell a channel's state, and how often it asks for
// receipts.
#include "channel/hex.hpp"
#include "tests/api/rpc_proxy.hpp"
#include "tests/api/x402_stack.hpp"
#include "tests/support/print.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include <array>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <vector>

using namespace support;
using namespace std::chrono_literals;
using channel::Amount;

namespace {

/// The stack with one node, which does what the test says.
struct OneNode {
    std::unique_ptr<RpcProxy> node;
    X402Stack test{[this](api::Config& config) {
        const auto direct = config.networks[0].rpc_urls[0];
        const auto port = std::stoi(direct.substr(direct.rfind(':') + 1));
        node = std::make_unique<RpcProxy>(static_cast<std::uint16_t>(port),
                                          std::make_shared<Mempool>(), 1);
        config.networks[0].rpc_urls = {node->url()};
    }};
};

/// Calls of contracts have no answer; blocks, logs and receipts do.
Faults no_views() {
    Faults faults;
    faults.denials = 100;
    return faults;
}

bool is_done_but_unread(const RestAnswer& answer) {
    return answer.text("/errorMessage").find("cannot be read") != std::string::npos;
}

}  // namespace

TEST_CASE("x402 nodes: two at once are one transaction, though the contract refuses the later one",
          "[x402]") {
    OneNode one;
    auto& test = one.test;
    const auto foreign = test.funded(test.delegated(1), 5000);
    const auto receiver = test.token(X402Stack::kProvider);
    const auto twice = [&](const auto& payload, const channel::ChannelConfig& config) {
        Faults faults;
        faults.refuses_later_estimates = true;
        one.node->set(faults);
        const auto ask = [&] { return test.settle(payload, test.requirements(config), receiver); };
        auto other = std::async(std::launch::async, ask);
        const std::array answers{ask(), other.get()};
        for (const auto& answer : answers) {
            INFO(answer.response.body);
            CHECK(answer.text("/success") == "true");
            CHECK(answer.text("/transaction") == answers[0].text("/transaction"));
        }
    };
    SECTION("deposit") {
        const auto fresh = test.own(3);
        twice(test.deposit(fresh, 2000, 100), fresh);
        CHECK(test.totals(fresh).balance == Amount{2000});
    }
    SECTION("claim") {
        twice(X402Stack::claim({test.row(foreign, 100, 100)}), foreign);
    }
    SECTION("settle") {
        const auto claim = X402Stack::claim({test.row(foreign, 100, 100)});
        REQUIRE(test.settle(claim, test.requirements(foreign), receiver).text("/success") ==
                "true");
        twice(test.settlement(), foreign);
    }
    SECTION("refund") {
        twice(test.completed(foreign, 0, 1000, 0), foreign);
        CHECK(test.totals(foreign).balance == Amount{4000});
    }
}

TEST_CASE(
    "x402 nodes: a channel whose state cannot be read is said to be that, and nothing is sent",
    "[x402]") {
    OneNode one;
    auto& test = one.test;
    const auto foreign = test.funded(test.delegated(1), 5000);
    const auto booked = test.open(5000, 2);
    const auto receiver = test.token(X402Stack::kProvider);
    const auto fresh = test.own(3);
    one.node->set(no_views());
    const auto of = [&](const channel::ChannelConfig& config) { return test.requirements(config); };

    const std::string unread = "channel_state_read_failed";
    for (const auto& payload : {test.voucher(foreign, 100), test.refund(foreign, 0)})
        CHECK(reason_of(test.verify(payload, of(foreign))) == unread);
    CHECK(reason_of(test.verify(test.deposit(fresh, 2000, 100), of(fresh))) == unread);
    CHECK(reason_of(test.settle(test.deposit(fresh, 2000, 100), of(fresh))) == unread);
    const auto claim = X402Stack::claim({test.row(foreign, 100, 100)});
    CHECK(reason_of(test.settle(claim, of(foreign), receiver)) == unread);
    for (const auto& config : {foreign, booked}) {
        const auto refund = test.completed(config, 0, 1000, 0);
        const auto answer = test.settle(refund, of(config), receiver);
        INFO(answer.response.body);
        CHECK(reason_of(answer) == unread);
        CHECK(answer.text("/errorMessage").find("ask again") != std::string::npos);
        CHECK(answer.text("/transaction").empty());
    }
    CHECK(reason_of(test.settle(test.settlement(), of(foreign))) == "rpc_read_failed");
    CHECK(test.chain.query("select count(*) from facilitated") == "0");
    CHECK(test.chain.query("select count(*) from refund") == "0");

    // The same again, once the node answers.
    one.node->set({});
    CHECK(test.verify(test.voucher(foreign, 100), of(foreign)).text("/isValid") == "true");
    CHECK(test.settle(claim, of(foreign), receiver).text("/success") == "true");
    const auto refunded = test.settle(test.completed(booked, 0, 1000, 0), of(booked), receiver);
    INFO(refunded.response.body);
    CHECK(refunded.text("/amount") == "1000");
}

TEST_CASE("x402 nodes: what is done is no success before the channel's state is known", "[x402]") {
    OneNode one;
    auto& test = one.test;
    const auto config = test.funded(test.delegated(), 5000);
    const auto required = test.requirements(config);
    const auto receiver = test.token(X402Stack::kProvider);
    const auto payload = test.completed(config, 600, 1000, 0);
    const auto ask = [&] { return test.settle(payload, required, receiver); };
    test.stop_mining();
    test.chain.config.x402.wait = 150ms;
    const auto pending = ask();
    REQUIRE(reason_of(pending) == "settlement_pending");
    CHECK_FALSE(is_done_but_unread(pending));

    one.node->set(no_views());
    test.mine_on();
    RestAnswer unread = ask();
    CHECK(test.chain.wait([&] {
        if (!is_done_but_unread(unread)) unread = ask();
        return is_done_but_unread(unread);
    }));
    INFO(unread.response.body);
    CHECK(unread.text("/success") == "false");
    CHECK(reason_of(unread) == "settlement_pending");
    CHECK(unread.text("/transaction") == pending.text("/transaction"));
    CHECK(unread.text("/payer") == channel::to_hex(config.payer));
    CHECK(unread.text("/extra").empty());

    one.node->set({});
    test.chain.config.x402.wait = 30s;
    const auto done = ask();
    INFO(done.response.body);
    CHECK(done.text("/success") == "true");
    CHECK(done.text("/transaction") == pending.text("/transaction"));
    CHECK(done.text("/amount") == "1000");
    CHECK(done.text("/extra/channelState/balance") == "4000");
    CHECK(test.sent("refund") == "1");
}

TEST_CASE("x402 nodes: all who wait for a transaction ask for its receipt once a block", "[x402]") {
    OneNode one;
    auto& test = one.test;
    const auto first = test.funded(test.delegated(1), 5000);
    const auto second = test.funded(test.delegated(2), 5000);
    const auto receiver = test.token(X402Stack::kProvider);
    const auto claim = [&](const channel::ChannelConfig& config) {
        return test.settle(X402Stack::claim({test.row(config, 500, 500)}),
                           test.requirements(config), receiver);
    };
    test.stop_mining();
    test.chain.config.x402.wait = 150ms;
    // The outbox asks for the first one that is not mined, so that for the second one only those
    // ask who wait for it.
    REQUIRE(reason_of(claim(first)) == "settlement_pending");
    const auto pending = claim(second);
    REQUIRE(reason_of(pending) == "settlement_pending");
    const auto hash = pending.text("/transaction");
    const auto asked = [&] { return one.node->asked("eth_getTransactionReceipt", hash); };
    CHECK(asked() == 1);

    for (unsigned block = 1; block <= 3; ++block) {
        // Nobody pays that much, so that the block stays empty.
        if (block > 1) {
            test.chain.anvil.rpc("anvil_setNextBlockBaseFeePerGas", "[\"0x12a05f2000\"]");
            test.chain.anvil.mine(1);
            REQUIRE(test.chain.wait_until_followed());
        }
        std::array<std::future<RestAnswer>, 4> waiting;
        for (auto& each : waiting)
            each = std::async(std::launch::async, [&] { return claim(second); });
        for (auto& each : waiting) {
            const auto answer = each.get();
            CHECK(reason_of(answer) == "settlement_pending");
            CHECK(answer.text("/transaction") == hash);
        }
        CHECK(asked() == block);
    }

    test.chain.config.x402.wait = 30s;
    test.chain.anvil.rpc("anvil_setNextBlockBaseFeePerGas", "[\"0x3b9aca00\"]");
    test.mine_on();
    for (const auto& config : {first, second}) {
        const auto answer = claim(config);
        INFO(answer.response.body);
        CHECK(answer.text("/success") == "true");
    }
    CHECK(test.totals(second).total_claimed == Amount{500});
}
