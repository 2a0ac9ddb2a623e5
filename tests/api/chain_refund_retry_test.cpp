// Refunds that blocks refuse, once or for long.
#include "channel/hex.hpp"
#include "ledger/chain/escrow_calls.hpp"
#include "tests/api/chain_stack.hpp"
#include "tests/api/payer_code.hpp"
#include "tests/support/print.hpp"

#include <catch2/catch.hpp>

using namespace support;
using channel::Amount;
using channel::Error;

namespace {

const auto kReceiver =
    *channel::parse_fixed<channel::Address>("0x00000000000000000000000000000000000000ad");
constexpr unsigned kPayer = 6;

/// A channel of 10,000 with 700 charged, and a refund of 5000 that is asked for.
struct Retried {
    ChainStack stack;
    channel::ChannelConfig terms = stack.terms(kPayer, kReceiver);
    channel::ChannelId id = stack.id(terms);
    Amount before;

    Retried() {
        stack.start();
        stack.opened(kPayer, terms, 10'000);
        REQUIRE(stack.pay(kPayer, terms, 700, 700) == std::nullopt);
        before = wallet();
    }
    void ask() {
        const channel::AskRefund asked{Amount{5000}, stack.voucher(kPayer, terms, 700), 0};
        const auto sent = stack.run(stack.chain().refund(id, terms.payer, asked));
        REQUIRE(error_of(sent) == std::nullopt);
    }
    std::string claim() {
        const auto outcome = stack.run(stack.chain().claim(kReceiver, {}, {}));
        REQUIRE(error_of(outcome) == std::nullopt);
        const auto& claim_id = std::get<api::ClaimSummary>(outcome).claim_id;
        const auto status = [&] {
            return stack.query("select status from claim where claim_id = '" + claim_id + "'");
        };
        REQUIRE(stack.wait([&] { return status() == "confirmed" || status() == "failed"; }));
        return status();
    }
    Amount wallet() { return stack.anvil.token_balance(terms.payer); }
    Amount claimed_on_chain() {
        const auto answer = stack.anvil.call(escrow_address(), ledger::chain::channels_call(id));
        return ledger::chain::decode_channels(answer).value().total_claimed;
    }
    std::string refunds(const std::string& status) {
        return stack.query("select count(*) from outbox where purpose = 'refund' and status = '" +
                           status + "'");
    }
    std::string held() { return stack.query("select refunding from channel"); }
};

}  // namespace

TEST_CASE("refund: while one cannot be carried out, the provider is paid, and it stays held",
          "[chain][refund]") {
    Retried test;
    auto& stack = test.stack;
    stack.anvil.rpc("evm_setAutomine", "[false]");
    test.ask();
    const auto code = stack.anvil.rpc(
        "eth_getCode", "[\"" + channel::to_hex(stack.anvil.token()) + "\",\"latest\"]");
    stack.anvil.set_code(stack.anvil.token(), "0xfe");
    stack.anvil.rpc("evm_setAutomine", "[true]");
    stack.anvil.mine(1);
    REQUIRE(stack.wait([&] { return test.refunds("failed") == "1"; }));
    REQUIRE(stack.wait_until_followed());

    // The token pays nobody, but what is charged is out of the payer's reach.
    CHECK(test.claim() == "confirmed");
    CHECK(test.claimed_on_chain() == Amount{700});
    CHECK(test.held() == "5000");
    CHECK(stack.pay(kPayer, test.terms, 4400, 5100) == Error::cumulative_exceeds_balance);
    CHECK(stack.pay(kPayer, test.terms, 100, 800) == std::nullopt);
    CHECK(test.refunds("failed") == "1");

    stack.stop();
    stack.anvil.set_code(stack.anvil.token(), code.substr(1, code.size() - 2));
    stack.start();
    REQUIRE(stack.wait([&] { return test.refunds("confirmed") == "1"; }));
    CHECK(test.wallet().units() - test.before.units() == 5000);
    REQUIRE(stack.wait([&] { return test.held() == "0"; }));
    CHECK(test.claim() == "confirmed");
    CHECK(stack.anvil.token_balance(kReceiver) == Amount{800});
    CHECK(stack.trial_balance() == "0");
}

TEST_CASE("refund: a voucher that only blocks refuse does not stand in its way twice",
          "[chain][refund]") {
    Retried test;
    auto& stack = test.stack;
    stack.anvil.set_code(test.terms.payer, kSaysNoInBlocks);
    test.ask();
    REQUIRE(stack.wait([&] { return test.refunds("failed") == "1"; }));
    // Without the claim, at once. What is charged stays in the channel, and is tried by itself.
    REQUIRE(stack.wait([&] { return test.refunds("confirmed") == "1"; }));
    CHECK(test.wallet().units() - test.before.units() == 5000);
    REQUIRE(stack.wait([&] { return test.held() == "0"; }));
    CHECK(test.claimed_on_chain() == Amount{0});
    CHECK(stack.pay(kPayer, test.terms, 4301, 5001) == Error::cumulative_exceeds_balance);
    CHECK(test.claim() == "failed");
    CHECK(stack.query("select reason from claim_quarantine") == "reverted");

    stack.anvil.set_code(test.terms.payer, "0x");
    const auto retried = stack.run(stack.chain().retry_channel(test.id, kReceiver));
    REQUIRE(error_of(retried) == std::nullopt);
    REQUIRE(stack.wait_for_claim(std::get<api::ClaimSummary>(retried).claim_id, "confirmed"));
    CHECK(stack.anvil.token_balance(kReceiver) == Amount{700});
    CHECK(stack.trial_balance() == "0");
}
