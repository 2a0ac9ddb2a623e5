#include "ledger/chain/escrow_calls.hpp"
#include "tests/api/chain_stack.hpp"
#include "tests/api/rpc_proxy.hpp"
#include "tests/support/print.hpp"

#include <catch2/catch.hpp>

using namespace support;
using channel::Amount;

namespace {

const auto kReceiver =
    *channel::parse_fixed<channel::Address>("0x00000000000000000000000000000000000000cc");

/// A stack whose chain is seen through nodes of its own.
struct ManyNodes {
    ChainStack stack{{}, [](api::Config& config) {
                         config.networks[0].poll_interval = std::chrono::milliseconds{5};
                     }};
    std::shared_ptr<Mempool> mempool = std::make_shared<Mempool>();
    std::vector<std::unique_ptr<RpcProxy>> nodes;

    explicit ManyNodes(unsigned count,
                       std::chrono::milliseconds timeout = std::chrono::milliseconds{500}) {
        stack.network().rpc_timeout = timeout;
        stack.network().rpc_urls.clear();
        for (unsigned n = 0; n < count; ++n) {
            nodes.push_back(std::make_unique<RpcProxy>(stack.anvil.port(), mempool, n));
            stack.network().rpc_urls.push_back(nodes.back()->url());
        }
    }
    ~ManyNodes() { stack.stop(); }

    bool in_service(std::size_t node) {
        return stack.chain().health().front().nodes.at(node).in_service;
    }
    /// A whole settlement, from deposit to payout.
    void settle(unsigned payer, std::uint64_t salt, std::uint64_t amount) {
        const auto terms = stack.terms(payer, kReceiver, salt);
        stack.opened(payer, terms, 5000);
        REQUIRE(stack.pay(payer, terms, amount, amount) == std::nullopt);
        const auto outcome = stack.run(stack.chain().claim(kReceiver, std::nullopt, std::nullopt));
        REQUIRE_FALSE(error_of(outcome).has_value());
        REQUIRE(stack.wait_for_claim(std::get<api::ClaimSummary>(outcome).claim_id, "confirmed"));
    }
};

}  // namespace

TEST_CASE("nodes: one of three that is behind is set aside, and comes back by itself", "[chain]") {
    ManyNodes many(3);
    many.stack.anvil.mine(20);
    many.nodes[1]->set({.stale = 100, .blocks_behind = 10});
    many.stack.start();
    REQUIRE(many.stack.wait([&] { return !many.in_service(1); }));
    CHECK(many.in_service(0));
    CHECK(many.in_service(2));
    many.settle(1, 1, 700);
    CHECK(many.stack.anvil.token_balance(kReceiver) == Amount{700});
    CHECK(many.stack.wait([&] {
        return many.stack.chain().health().front().block == many.stack.anvil.block_number();
    }));
    many.nodes[1]->set({});
    REQUIRE(many.stack.wait([&] { return many.in_service(1); }));
    CHECK(many.stack.chain().health().front().nodes[1].times_set_aside >= 1);
    many.settle(2, 2, 41);
    CHECK(many.stack.anvil.token_balance(kReceiver) == Amount{741});
}

TEST_CASE("nodes: one of three that lies about receipts is not believed", "[chain]") {
    // All of them answer: a slow one is no liar.
    ManyNodes many(3, std::chrono::seconds{10});
    many.nodes[0]->set({.lies = 100});
    many.stack.start();
    for (unsigned n = 0; n < 3; ++n) many.settle(1 + n, n, 100);
    CHECK(many.stack.anvil.token_balance(kReceiver) == Amount{300});
    CHECK(many.stack.query("select count(*) from outbox where status = 'failed'") == "0");
    CHECK(many.stack.query("select count(*) from claim") == "3");
    CHECK(many.stack.query("select count(*) from outbox where gas_used = 21000") == "0");
    CHECK(many.stack.trial_balance() == "0");
    CHECK(many.stack.chain().health().front().nodes[0].times_set_aside >= 1);
    CHECK(many.stack.chain().health().front().nodes[1].times_set_aside == 0);
}

TEST_CASE("nodes: one of three that says the contract refuses keeps no channel from its claim",
          "[chain]") {
    ManyNodes many(3);
    many.nodes[1]->set({.denials = 100});
    many.stack.start();
    many.settle(1, 1, 500);
    CHECK(many.stack.anvil.token_balance(kReceiver) == Amount{500});
    CHECK(many.stack.query("select count(*) from claim_quarantine") == "0");
    CHECK(many.stack.chain().health().front().nodes[1].times_set_aside >= 1);
}

TEST_CASE("nodes: one of three that is silent holds up nothing", "[chain]") {
    ManyNodes many(3);
    many.stack.start();
    many.nodes[2]->set({.drops = 100});
    many.settle(1, 1, 500);
    CHECK(many.stack.anvil.token_balance(kReceiver) == Amount{500});
    REQUIRE(many.stack.wait([&] { return !many.in_service(2); }));
    many.nodes[2]->set({});
    REQUIRE(many.stack.wait([&] { return many.in_service(2); }));
}

TEST_CASE("nodes: while none tells of withdrawals, all that is due is claimed all the same",
          "[chain]") {
    ManyNodes many(1);
    auto& stack = many.stack;
    // A quarter of the shortest delay is how long it may not know.
    stack.network().withdraw_delay_seconds_min = 4;
    stack.start();
    const auto terms = stack.terms(1, kReceiver);
    const auto id = stack.opened(1, terms, 5000);
    many.nodes[0]->set({.no_logs = 100});
    REQUIRE(stack.wait([&] {
        stack.anvil.mine(1);
        return !stack.chain().health().front().following;
    }));
    CHECK(stack.pay(1, terms, 800, 800) == std::nullopt);
    CHECK(error_of(stack.run(stack.chain().open(stack.network().network, terms, "",
                                                stack.deposit(1, terms, 10, 1)))) ==
          channel::Error::unavailable);
    stack.anvil.send(1, escrow_address(),
                     ledger::chain::initiate_withdraw_call(terms, Amount{5000}));
    REQUIRE(stack.wait([&] { return stack.anvil.token_balance(kReceiver) == Amount{800}; }));
    CHECK(stack.state(id).status == channel::Status::open);
    const std::string sent = "select status from outbox where purpose = 'claim'";
    CHECK(stack.wait([&] { return stack.query(sent) == "sent"; }));
    many.nodes[0]->set({});
    REQUIRE(stack.wait_for_status(id, channel::Status::closing));
    REQUIRE(stack.wait([&] { return stack.query("select status from claim") == "confirmed"; }));
    CHECK(stack.trial_balance() == "0");
}

TEST_CASE("nodes: two have to agree, whichever of them lies", "[chain]") {
    ManyNodes many(2);
    many.stack.start();
    many.nodes[1]->set({.lies = 100});
    const auto terms = many.stack.terms(1, kReceiver, 1);
    const auto opened = many.stack.run(many.stack.chain().open(
        many.stack.network().network, terms, "", many.stack.deposit(1, terms, 5000)));
    REQUIRE_FALSE(error_of(opened).has_value());
    REQUIRE(many.stack.wait_for_status(many.stack.id(terms), channel::Status::open));
    many.stack.anvil.mine(3);
    REQUIRE(many.stack.wait_until_followed());
    CHECK(many.stack.query("select status from outbox") == "sent");
    many.nodes[1]->set({});
    REQUIRE(many.stack.wait(
        [&] { return many.stack.query("select status from outbox") == "confirmed"; }));
    CHECK(many.stack.trial_balance() == "0");
}
