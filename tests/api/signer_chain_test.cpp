#include "channel/hex.hpp"
#include "tests/api/chain_stack.hpp"
#include "tests/api/signer_stack.hpp"
#include "tests/support/print.hpp"

#include <catch2/catch.hpp>

using namespace support;
using channel::Amount;
using channel::Error;
using channel::Status;

namespace {

const auto kReceiver =
    *channel::parse_fixed<channel::Address>("0x00000000000000000000000000000000000000aa");

/// A chain service whose keys are in another process.
struct SignedStack {
    std::unique_ptr<SignerProcess> signer;
    ChainStack stack;

    explicit SignedStack(const std::string& more = "", const std::string& token_more = "",
                         bool one_key = false) {
        signer = use_signer(stack.config, {{}, {}, more, "", token_more, one_key});
        stack.start();
    }
    api::ChainService::Outcome<api::ClaimSummary> claim() {
        return stack.run(stack.chain().claim(kReceiver, std::nullopt, std::nullopt));
    }
    bool signer_is(bool available) {
        return stack.wait([&] { return stack.chain().signer_health().available == available; });
    }
};

}  // namespace

TEST_CASE("signer: deposits and claims with the keys in another process", "[chain][signer]") {
    SignedStack signed_stack;
    auto& stack = signed_stack.stack;
    const auto terms = stack.terms(1, kReceiver);
    stack.opened(1, terms, 5000);
    CHECK(stack.pay(1, terms, 800, 1000) == std::nullopt);
    const auto outcome = signed_stack.claim();
    REQUIRE_FALSE(error_of(outcome).has_value());
    const auto claimed = std::get<api::ClaimSummary>(outcome);
    REQUIRE(stack.wait_for_claim(claimed.claim_id, "confirmed"));
    CHECK(stack.anvil.token_balance(kReceiver) == Amount{800});
    CHECK(stack.trial_balance() == "0");
}

TEST_CASE("signer: while it is away deposits are refused and claims wait; nothing is lost",
          "[chain][signer]") {
    SignedStack signed_stack;
    auto& stack = signed_stack.stack;
    const auto first = stack.terms(1, kReceiver, 1);
    const auto second = stack.terms(2, kReceiver, 2);
    stack.opened(1, first, 5000);
    const bool hangs = GENERATE(false, true);
    if (hangs)
        signed_stack.signer->suspend();
    else
        signed_stack.signer->kill();
    REQUIRE(signed_stack.signer_is(false));

    // Payments need no signer.
    CHECK(stack.pay(1, first, 800, 1000) == std::nullopt);
    const auto network = stack.network().network;
    const auto deposit = stack.deposit(2, second, 5000);
    CHECK(error_of(stack.run(stack.chain().open(network, second, "", deposit))) ==
          Error::unavailable);
    CHECK(error_of(signed_stack.claim()) == Error::unavailable);
    CHECK(stack.query("select count(*) from outbox") == "1");
    CHECK(stack.query("select count(*) from claim") == "0");
    CHECK(stack.chain().health().front().following);

    if (hangs)
        signed_stack.signer->resume();
    else
        signed_stack.signer->start();
    REQUIRE(signed_stack.signer_is(true));
    CHECK_FALSE(error_of(stack.run(stack.chain().open(network, second, "", deposit))).has_value());
    REQUIRE(stack.wait_for_status(stack.id(second), Status::open));
    CHECK(stack.pay(2, second, 41, 41) == std::nullopt);
    const auto outcome = signed_stack.claim();
    REQUIRE_FALSE(error_of(outcome).has_value());
    REQUIRE(stack.wait_for_claim(std::get<api::ClaimSummary>(outcome).claim_id, "confirmed"));
    CHECK(stack.anvil.token_balance(kReceiver) == Amount{841});
    CHECK(stack.trial_balance() == "0");
}

TEST_CASE("signer: killed again and again, every claim is paid once", "[chain][signer]") {
    SignedStack signed_stack("signatures_per_minute_max = 100000");
    auto& stack = signed_stack.stack;
    const auto terms = stack.terms(1, kReceiver);
    stack.opened(1, terms, 5000);
    for (unsigned round = 1; round <= 5; ++round) {
        CHECK(stack.pay(1, terms, 100, 100 * round) == std::nullopt);
        signed_stack.signer->kill();
        signed_stack.signer->start();
        auto outcome = signed_stack.claim();
        for (int n = 0; n < 10 && error_of(outcome) == Error::unavailable; ++n) {
            REQUIRE(signed_stack.signer_is(true));
            outcome = signed_stack.claim();
        }
        REQUIRE_FALSE(error_of(outcome).has_value());
        REQUIRE(stack.wait_for_claim(std::get<api::ClaimSummary>(outcome).claim_id, "confirmed"));
        CHECK(stack.anvil.token_balance(kReceiver) == Amount{100 * round});
    }
    CHECK(stack.trial_balance() == "0");
}

TEST_CASE("signer: with one key for both, claims need no signature over their rows",
          "[chain][signer]") {
    SignedStack signed_stack("", "signed_value_per_hour_max = \"1000\"", true);
    auto& stack = signed_stack.stack;
    for (unsigned n = 0; n < 2; ++n) {
        const auto terms = stack.terms(1, kReceiver, n);
        stack.opened(1, terms, 5000);
        CHECK(stack.pay(1, terms, n == 0 ? 2000 : 800, 2000) == std::nullopt);
    }
    const auto outcome = signed_stack.claim();
    REQUIRE_FALSE(error_of(outcome).has_value());
    const auto claimed = std::get<api::ClaimSummary>(outcome);
    CHECK(claimed.channels == 1);
    REQUIRE(stack.wait_for_claim(claimed.claim_id, "confirmed"));
    CHECK(stack.anvil.token_balance(kReceiver) == Amount{800});
    CHECK(stack.query("select count(*) from outbox where purpose = 'claim' and "
                      "position('\\x29237b0c'::bytea in data) > 0") == "1");
    CHECK(stack.query("select count(*) from claim_quarantine") == "1");
    CHECK(stack.trial_balance() == "0");
}

TEST_CASE(
    "signer: a refund that it cannot sign is given back to the channel, and may be asked again",
    "[chain][signer][refund]") {
    SignedStack signed_stack;
    auto& stack = signed_stack.stack;
    const auto terms = stack.terms(1, kReceiver);
    const auto id = stack.opened(1, terms, 5000);
    CHECK(stack.pay(1, terms, 800, 1000) == std::nullopt);
    const auto refund = [&] {
        const channel::AskRefund asked{{}, stack.voucher(1, terms, 800), 0};
        return stack.run(stack.chain().refund(id, terms.payer, asked));
    };
    signed_stack.signer->kill();
    REQUIRE(signed_stack.signer_is(false));
    CHECK(error_of(refund()) == Error::unavailable);
    CHECK(stack.wait([&] { return stack.state(id).refunding.is_zero(); }));
    CHECK(stack.query("select count(*) from outbox where purpose = 'refund'") == "0");

    signed_stack.signer->start();
    REQUIRE(signed_stack.signer_is(true));
    const auto outcome = refund();
    REQUIRE_FALSE(error_of(outcome).has_value());
    CHECK(std::get<api::RefundSent>(outcome).amount == Amount{4200});
    REQUIRE(stack.wait_for_event(id, "refunded"));
    CHECK(stack.state(id).balance == Amount{800});
    CHECK(stack.state(id).total_claimed == Amount{800});
    CHECK(stack.trial_balance() == "0");
}

TEST_CASE("signer: a row that it refuses holds up no other", "[chain][signer]") {
    SignedStack signed_stack("", "signed_value_per_hour_max = \"1000\"");
    auto& stack = signed_stack.stack;
    for (unsigned n = 0; n < 3; ++n) {
        const auto terms = stack.terms(1, kReceiver, n);
        stack.opened(1, terms, 5000);
        CHECK(stack.pay(1, terms, n == 1 ? 2000 : 300, 2000) == std::nullopt);
    }
    const auto outcome = signed_stack.claim();
    REQUIRE_FALSE(error_of(outcome).has_value());
    const auto claimed = std::get<api::ClaimSummary>(outcome);
    CHECK(claimed.channels == 2);
    REQUIRE(stack.wait_for_claim(claimed.claim_id, "confirmed"));
    CHECK(stack.anvil.token_balance(kReceiver) == Amount{600});
    CHECK(stack.chain().signer_health().refusals > 0);
}
