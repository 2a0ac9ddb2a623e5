// Payments, deposits, claims and refunds of nothing.
#include "channel/hex.hpp"
#include "tests/api/x402_stack.hpp"
#include "tests/support/print.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace support;
using channel::Amount;
using Object = X402Stack::Object;

namespace {

/// A refund as a payer sends it, of so much.
Object refund_of(const X402Stack& test, const channel::ChannelConfig& config, std::uint64_t charged,
                 const std::string& amount) {
    return with(test.refund(config, charged), "/amount", amount);
}

}  // namespace

TEST_CASE("x402 zero: a price of nothing is a price, and a voucher that promises nothing is none",
          "[x402]") {
    X402Stack test;
    const auto config = test.funded(test.delegated(), 5000);
    const auto free = with(test.requirements(config), "/amount", "0");
    CHECK(test.verify(test.voucher(config, 1), free).text("/isValid") == "true");
    CHECK(reason_of(test.verify(test.voucher(config, 0), free)) == "cumulative_below_claimed");
    CHECK(reason_of(test.settle(test.voucher(config, 0), free)) == "unknown_settle_action");
    CHECK(test.chain.query("select count(*) from outbox") == "0");
}

TEST_CASE("x402 zero: a deposit of nothing is none, even where no least deposit is set", "[x402]") {
    X402Stack test(
        [](api::Config& config) { config.networks[0].tokens[0].deposit_min = Amount{0}; });
    test.chain.approve_permit2(X402Stack::kPayer, 5000);
    const auto config = test.own();
    const auto required = test.requirements(config);
    for (const auto& payload : {test.deposit(config, 0, 1), test.permit2_deposit(config, 0, 1)}) {
        CHECK(reason_of(test.verify(payload, required)) == "deposit_payload");
        const auto answer = test.settle(payload, required);
        CHECK(reason_of(answer) == "deposit_payload");
        CHECK(answer.text("/errorMessage").find("deposit.amount") != std::string::npos);
        CHECK(answer.text("/transaction").empty());
    }
    CHECK(test.verify(test.deposit(config, 1, 1), required).text("/isValid") == "true");
    CHECK(test.chain.query("select count(*) from outbox") == "0");
}

TEST_CASE("x402 zero: a claim of nothing is done, and sends nothing", "[x402]") {
    X402Stack test;
    const auto one = test.funded(test.delegated(1), 5000);
    const auto two = test.funded(test.delegated(2), 5000);
    const auto required = test.requirements(one);
    const auto receiver = test.token(X402Stack::kProvider);
    for (const auto& rows : {std::vector{test.row(one, 0, 0)}, std::vector{test.row(one, 500, 0)},
                             std::vector{test.row(one, 500, 0), test.row(two, 0, 0)}}) {
        const auto answer = test.settle(X402Stack::claim(rows), required, receiver);
        INFO(answer.response.body);
        CHECK(answer.text("/success") == "true");
        CHECK(answer.text("/transaction").empty());
    }
    CHECK(test.sent("claim") == "0");
    // Beside one that claims something it is left out.
    const auto both = test.settle(X402Stack::claim({test.row(one, 500, 0), test.row(two, 70, 70)}),
                                  required, receiver);
    CHECK(both.text("/success") == "true");
    CHECK(test.totals(one).total_claimed == Amount{0});
    CHECK(test.totals(two).total_claimed == Amount{70});
    CHECK(test.chain.trial_balance() == "0");
}

TEST_CASE("x402 zero: a refund of nothing is refused, in the books and out of them", "[x402]") {
    X402Stack test;
    const auto foreign = test.funded(test.delegated(1), 5000);
    const auto own = test.funded(test.own(2), 5000);
    const auto booked = test.open(5000, 3);
    const auto receiver = test.token(X402Stack::kProvider);
    auto with_consent = test.completed(own, 0, 0, 0);
    with_consent["refundAuthorizerSignature"] = test.refund_signature(own, 0, 0);
    struct Case {
        channel::ChannelConfig config;
        Object payload;
    };
    const std::vector<Case> cases{
        {foreign, test.completed(foreign, 100, 0, 0)},
        {foreign, refund_of(test, foreign, 0, "0")},
        {own, with_consent},
        {booked, test.completed(booked, 0, 0, 0)},
        {booked, refund_of(test, booked, 0, "0")},
    };
    for (const auto& one : cases) {
        const auto required = test.requirements(one.config);
        const auto verdict = test.verify(one.payload, required);
        CHECK(verdict.text("/isValid") == "false");
        CHECK(reason_of(verdict) == "refund_amount_invalid");
        CHECK(verdict.text("/payer") == channel::to_hex(one.config.payer));
        const auto answer = test.settle(one.payload, required, receiver);
        INFO(answer.response.body);
        CHECK(reason_of(answer) == "refund_amount_invalid");
        CHECK(answer.text("/transaction").empty());
    }
    CHECK(
        test.verify(refund_of(test, booked, 0, "1"), test.requirements(booked)).text("/isValid") ==
        "true");
    CHECK(test.sent("refund") == "0");
    CHECK(test.chain.query("select count(*) from refund") == "0");
    CHECK(test.chain.state(test.chain.id(booked)).refunding.is_zero());
}
