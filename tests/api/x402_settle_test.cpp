#include "channel/hex.hpp"
#include "tests/api/x402_stack.hpp"
#include "tests/support/print.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <future>

using namespace support;
using channel::Amount;
namespace json = boost::json;
using Object = X402Stack::Object;

namespace {

constexpr unsigned kPayer = X402Stack::kPayer;

/// Every transaction is in the books with what it cost, and the books balance.
void check_books(X402Stack& test) {
    REQUIRE(test.chain.wait([&] {
        return test.chain.query("select count(*) from outbox where status in ('queued', 'sent')") ==
               "0";
    }));
    CHECK(test.chain.query("select coalesce(sum(fee), 0) from outbox") ==
          test.chain.query("select coalesce(sum(debits - credits), 0) from account where kind = "
                           "'gas'"));
    CHECK(test.chain.trial_balance() == "0");
    const auto report = test.get("/v1/ledger/reconciliation", {.bearer = RestStack::kAuditor});
    INFO(report.response.body);
    CHECK(report.text("/reconciled") == "true");
    CHECK(report.text("/breaks") == "[]");
}

}  // namespace

TEST_CASE("x402 settle: a deposit into a channel of others is sent once, and not taken under care",
          "[x402]") {
    X402Stack test;
    const auto config = test.own();
    const auto payload = test.deposit(config, 2000, 100);
    const auto first = test.settle(payload, test.requirements(config));
    INFO(first.response.body);
    REQUIRE(first.text("/success") == "true");
    CHECK(first.text("/amount") == "2000");
    CHECK(first.text("/payer") == channel::to_hex(config.payer));
    CHECK(first.text("/network") == "eip155:31337");
    CHECK(first.text("/extra/channelState/balance") == "2000");
    CHECK(test.totals(config).balance == Amount{2000});

    for (int n = 0; n < 2; ++n) {
        const auto again = test.settle(payload, test.requirements(config));
        CHECK(again.text("/success") == "true");
        CHECK(again.text("/transaction") == first.text("/transaction"));
        check_books(test);
    }
    CHECK(test.verify(payload, test.requirements(config)).text("/isValid") == "true");
    CHECK(test.sent("deposit") == "1");
    CHECK(test.totals(config).balance == Amount{2000});
    CHECK(test.chain.query("select count(*) from channel") == "0");
    check_books(test);
}

TEST_CASE("x402 settle: two at once are one transaction", "[x402]") {
    X402Stack test;
    const auto config = test.own();
    const auto payload = test.deposit(config, 2000, 100);
    auto other = std::async(std::launch::async,
                            [&] { return test.settle(payload, test.requirements(config)); });
    const auto one = test.settle(payload, test.requirements(config));
    const auto two = other.get();
    CHECK(one.text("/success") == "true");
    CHECK(two.text("/success") == "true");
    CHECK(one.text("/transaction") == two.text("/transaction"));
    CHECK(test.chain.query("select count(*) from outbox") == "1");
    check_books(test);
}

TEST_CASE("x402 settle: of two deposits of one Permit2 nonce one succeeds", "[x402]") {
    X402Stack test;
    test.chain.approve_permit2(kPayer, 50'000);
    const auto ask = [&](std::uint64_t salt) {
        const auto config = test.own(salt);
        return test.settle(test.permit2_deposit(config, 2000, 100), test.requirements(config));
    };
    auto other = std::async(std::launch::async, ask, 1);
    const std::array answers{ask(2), other.get()};
    const auto succeeded = std::count_if(answers.begin(), answers.end(), [](const auto& answer) {
        return answer.text("/success") == "true";
    });
    CHECK(succeeded == 1);
    for (const auto& answer : answers) {
        INFO(answer.response.body);
        if (answer.text("/success") == "true") continue;
        CHECK(reason_of(answer) == "deposit_simulation_failed");
        CHECK(answer.text("/transaction").empty());
    }
    CHECK(reason_of(ask(3)) == "deposit_simulation_failed");
    CHECK(test.sent("deposit") == "1");
    check_books(test);
}

TEST_CASE("x402 settle: a deposit into a channel of the books is a top-up of it", "[x402]") {
    X402Stack test;
    const auto config = test.open(5000);
    auto deposit = test.deposit(config, 2000, 100);
    deposit["deposit"] = test.permit2_deposit(config, 2000, 100).at("deposit");
    test.chain.approve_permit2(kPayer, 5000);
    auto required = test.requirements(config);
    required.at("extra").as_object()["assetTransferMethod"] = "permit2";
    const auto answer = test.settle(deposit, required);
    INFO(answer.response.body);
    REQUIRE(answer.text("/success") == "true");
    CHECK(answer.text("/extra/channelState/balance") == "7000");
    REQUIRE(test.chain.wait(
        [&] { return test.chain.state(test.chain.id(config)).balance == Amount{7000}; }));
    check_books(test);
}

TEST_CASE("x402 settle: claims with the receiver's own signature, and what is claimed already",
          "[x402]") {
    X402Stack test;
    const auto one = test.funded(test.own(1), 5000);
    const auto two = test.funded(test.own(2), 5000);
    const auto required = test.requirements(one);
    const std::vector rows{test.claim_of(one, 700, 650), test.claim_of(two, 800, 800)};
    auto payload = X402Stack::claim({test.row(one, 700, 650), test.row(two, 800, 800)});
    payload["claimAuthorizerSignature"] = test.claims_signature(rows);
    const auto first = test.settle(payload, required);
    INFO(first.response.body);
    REQUIRE(first.text("/success") == "true");
    CHECK(test.totals(one).total_claimed == Amount{650});
    CHECK(test.totals(two).total_claimed == Amount{800});
    const auto again = test.settle(payload, required);
    CHECK(again.text("/success") == "true");
    CHECK(again.text("/transaction") == first.text("/transaction"));

    // The same rows in another claim: nothing is left to send.
    auto part = X402Stack::claim({test.row(two, 800, 800)});
    part["claimAuthorizerSignature"] = test.claims_signature({rows[1]});
    const auto done = test.settle(part, required);
    CHECK(done.text("/success") == "true");
    CHECK(done.text("/transaction").empty());
    CHECK(test.sent("claim") == "1");

    CHECK(reason_of(test.settle(X402Stack::claim({test.row(one, 900, 900)}), required)) ==
          "authorizer_address_mismatch");
    auto forged = X402Stack::claim({test.row(one, 900, 900)});
    forged["claimAuthorizerSignature"] = test.claims_signature(rows);
    CHECK(reason_of(test.settle(forged, required)) == "authorizer_address_mismatch");
    check_books(test);
}

TEST_CASE("x402 settle: claims that are left to this service's authorizer", "[x402]") {
    X402Stack test;
    const auto one = test.funded(test.delegated(1), 5000);
    const auto two = test.funded(test.delegated(2), 5000);
    const auto required = test.requirements(one);
    const auto receiver = test.token(X402Stack::kProvider);
    for (const auto& bearer :
         {std::string(), test.token(kPayer), test.token(X402Stack::kStranger)}) {
        const auto answer =
            test.settle(X402Stack::claim({test.row(one, 700, 700)}), required, bearer);
        CHECK(reason_of(answer) == "authorizer_address_mismatch");
        CHECK(answer.text("/errorMessage").find("receiver") != std::string::npos);
    }
    const auto first = test.settle(X402Stack::claim({test.row(one, 700, 700)}), required, receiver);
    INFO(first.response.body);
    REQUIRE(first.text("/success") == "true");
    // One of two is claimed already.
    const auto second = test.settle(
        X402Stack::claim({test.row(one, 700, 700), test.row(two, 900, 800)}), required, receiver);
    REQUIRE(second.text("/success") == "true");
    CHECK(second.text("/transaction") != first.text("/transaction"));
    CHECK(test.totals(two).total_claimed == Amount{800});

    const auto foreign = test.funded(test.own(3), 5000);
    auto elsewhere = test.row(two, 900, 850);
    elsewhere.at("voucher").as_object().at("channel").as_object()["receiver"] =
        channel::to_hex(Anvil::key(X402Stack::kStranger).address());
    auto unsigned_row = test.row(two, 900, 850);
    unsigned_row["signature"] = test.row(two, 901, 850)["signature"];
    struct Case {
        std::string reason;
        std::vector<Object> rows;
    };
    const std::vector<Case> cases{
        {"charge_exceeds_signed_cumulative", {test.row(two, 900, 901)}},
        {"cumulative_exceeds_balance", {test.row(two, 5001, 5001)}},
        {"voucher_signature", {unsigned_row}},
        {"authorizer_address_mismatch", {test.row(two, 900, 900), test.row(foreign, 900, 900)}},
        {"claim_payload", {test.row(two, 900, 900), test.row(two, 900, 900)}},
        {"receiver_mismatch", {elsewhere}},
    };
    for (const auto& bad : cases) {
        const auto answer = test.settle(X402Stack::claim(bad.rows), required, receiver);
        INFO(answer.response.body);
        CHECK(answer.text("/success") == "false");
        CHECK(reason_of(answer) == bad.reason);
        CHECK(answer.text("/transaction").empty());
    }
    CHECK(test.sent("claim") == "2");
    check_books(test);
}

TEST_CASE("x402 settle: of a channel of the books nobody claims more than is charged", "[x402]") {
    X402Stack test;
    const auto config = test.open(5000);
    const auto required = test.requirements(config);
    REQUIRE_FALSE(test.chain.pay(kPayer, config, 300, 1000).has_value());
    const auto answer = test.settle(X402Stack::claim({test.row(config, 1000, 301)}), required);
    CHECK(reason_of(answer) == "charge_exceeds_signed_cumulative");
    CHECK(answer.text("/errorMessage").find("300") != std::string::npos);
    CHECK(test.settle(X402Stack::claim({test.row(config, 1000, 300)}), required).text("/success") ==
          "true");
    REQUIRE(test.chain.wait(
        [&] { return test.chain.state(test.chain.id(config)).total_claimed == Amount{300}; }));
    check_books(test);
}

TEST_CASE("x402 settle: what is claimed is paid out once", "[x402]") {
    X402Stack test;
    const auto config = test.funded(test.delegated(), 5000);
    const auto required = test.requirements(config);
    CHECK(reason_of(test.settle(test.settlement(), required)) == "nothing_to_settle");
    const auto before = test.chain.anvil.token_balance(config.receiver);
    for (const std::uint64_t total : {700, 900}) {
        const auto claimed = test.settle(X402Stack::claim({test.row(config, total, total)}),
                                         required, test.token(X402Stack::kProvider));
        REQUIRE(claimed.text("/success") == "true");
        const auto paid = test.settle(test.settlement(), required);
        INFO(paid.response.body);
        REQUIRE(paid.text("/success") == "true");
        CHECK(paid.text("/amount") == (total == 700 ? "700" : "200"));
        // For some minutes it is told to whoever asks, and not paid again.
        for (const auto& bearer : {std::string(), test.token(X402Stack::kProvider)}) {
            const auto again = test.settle(test.settlement(), required, bearer);
            CHECK(again.text("/success") == "true");
            CHECK(again.text("/transaction") == paid.text("/transaction"));
            CHECK(again.text("/amount") == paid.text("/amount"));
        }
    }
    check_books(test);
    test.chain.query("update outbox set updated_at = updated_at - interval '6 minutes'");
    CHECK(reason_of(test.settle(test.settlement(), required)) == "nothing_to_settle");
    const auto after = test.chain.anvil.token_balance(config.receiver);
    CHECK(after.units() - before.units() == 900);
    CHECK(test.sent("settle") == "2");
    CHECK(reason_of(test.settle(
              with(test.settlement(), "/receiver", channel::to_hex(Anvil::key(7).address())),
              required)) == "receiver_mismatch");
    CHECK(reason_of(test.settle(
              with(test.settlement(), "/token", channel::to_hex(Anvil::key(7).address())),
              required)) == "token_mismatch");
    CHECK(reason_of(test.settle(test.voucher(config, 901), required)) == "unknown_settle_action");
    check_books(test);
}

TEST_CASE("x402 settle: a refund with the receiver's own signatures", "[x402]") {
    X402Stack test;
    const auto config = test.funded(test.own(), 5000);
    const auto required = test.requirements(config);
    auto payload = test.completed(config, 600, 1000, 0);
    CHECK(reason_of(test.settle(payload, required)) == "authorizer_address_mismatch");
    payload["refundAuthorizerSignature"] = test.refund_signature(config, 1001, 0);
    payload["claimAuthorizerSignature"] = test.claims_signature({test.claim_of(config, 600, 600)});
    CHECK(reason_of(test.settle(payload, required)) == "authorizer_address_mismatch");
    payload["refundAuthorizerSignature"] = test.refund_signature(config, 1000, 0);
    const auto first = test.settle(payload, required);
    INFO(first.response.body);
    REQUIRE(first.text("/success") == "true");
    CHECK(first.text("/amount") == "1000");
    CHECK(first.text("/payer") == channel::to_hex(config.payer));
    CHECK(first.text("/extra/channelState/balance") == "4000");
    CHECK(first.text("/extra/channelState/totalClaimed") == "600");
    CHECK(first.text("/extra/channelState/refundNonce") == "1");
    const auto again = test.settle(payload, required);
    CHECK(again.text("/success") == "true");
    CHECK(again.text("/transaction") == first.text("/transaction"));
    CHECK(again.text("/amount") == "1000");

    // What is claimed already need not be claimed again; more than there is, is all there is.
    auto rest = test.completed(config, 600, 9000, 1);
    rest["refundAuthorizerSignature"] = test.refund_signature(config, 9000, 1);
    rest["claimAuthorizerSignature"] = test.claims_signature({test.claim_of(config, 600, 600)});
    const auto second = test.settle(rest, required);
    REQUIRE(second.text("/success") == "true");
    CHECK(second.text("/amount") == "3400");
    auto nothing = test.completed(config, 600, 100, 2);
    nothing["refundAuthorizerSignature"] = test.refund_signature(config, 100, 2);
    CHECK(reason_of(test.settle(nothing, required)) == "refund_no_balance");
    CHECK(test.sent("refund") == "2");
    check_books(test);
}

TEST_CASE("x402 settle: only the receiver has refunds signed here", "[x402]") {
    X402Stack test;
    const auto config = test.funded(test.delegated(), 5000);
    const auto required = test.requirements(config);
    const auto payload = test.completed(config, 600, 1000, 0);
    for (const auto& bearer : {std::string(), test.token(kPayer), test.token(X402Stack::kStranger),
                               test.delegate_token(X402Stack::kProvider, X402Stack::kStranger)}) {
        const auto answer = test.settle(payload, required, bearer);
        CHECK(reason_of(answer) == "authorizer_address_mismatch");
        CHECK(answer.text("/errorMessage").find("receiver") != std::string::npos);
    }
    CHECK(test.sent("refund") == "0");
    const auto receiver = test.token(X402Stack::kProvider);
    struct Case {
        std::string reason;
        Object payload;
    };
    const std::vector<Case> cases{
        {"refund_payload", test.refund(config, 0)},
        {"refund_amount_invalid", test.completed(config, 600, 0, 0)},
        {"refund_simulation_failed", test.completed(config, 600, 1000, 7)},
        {"voucher_signature",
         with(test.completed(config, 600, 1000, 0), "/voucher/maxClaimableAmount", "599")},
        {"refund_no_balance", test.completed(config, 5000, 1000, 0)},
        {"cumulative_exceeds_balance", test.completed(config, 5001, 1000, 0)},
        {"channel_not_found", test.completed(test.delegated(9), 0, 1000, 0)},
    };
    for (const auto& bad : cases) {
        const auto answer = test.settle(bad.payload, required, receiver);
        INFO(answer.response.body);
        CHECK(reason_of(answer) == bad.reason);
    }
    const auto done = test.settle(payload, required, receiver);
    INFO(done.response.body);
    REQUIRE(done.text("/success") == "true");
    CHECK(done.text("/amount") == "1000");
    CHECK(test.totals(config).total_claimed == Amount{600});
    // More than there is, is all there is; whoever has the receiver's delegated key can claim.
    const auto delegate = test.delegate_token(X402Stack::kProvider, X402Stack::kStranger);
    CHECK(test.settle(X402Stack::claim({test.row(config, 700, 700)}), required, delegate)
              .text("/success") == "true");
    const auto rest = test.completed(config, 700, 1'000'000'000'000'000, 1);
    const auto all = test.settle(rest, required, receiver);
    INFO(all.response.body);
    CHECK(all.text("/amount") == "3300");
    CHECK(test.settle(rest, required, receiver).text("/transaction") == all.text("/transaction"));
    CHECK(test.chain.query(
              "select distinct asked_as is not null from facilitated where action = 'refund'") ==
          "t");
    check_books(test);
}

TEST_CASE("x402 settle: of a channel of the books a party is refunded what the books allow",
          "[x402]") {
    X402Stack test;
    const auto config = test.open(5000);
    const auto required = test.requirements(config);
    REQUIRE_FALSE(test.chain.pay(kPayer, config, 300, 1000).has_value());
    const auto payer = test.token(kPayer);
    const auto payload = test.completed(config, 300, 4000, 0);
    CHECK(reason_of(test.settle(payload, required)) == "authorizer_address_mismatch");
    CHECK(reason_of(test.settle(payload, required, test.token(X402Stack::kStranger))) ==
          "authorizer_address_mismatch");
    CHECK(reason_of(test.settle(test.completed(config, 299, 4000, 0), required, payer)) ==
          "cumulative_amount_mismatch");
    // Another nonce than the contract's, and one that no number of the books holds.
    for (const auto nonce : {std::uint64_t{1}, std::uint64_t{1} << 63})
        CHECK(reason_of(test.settle(test.completed(config, 300, 4000, nonce), required, payer)) ==
              "refund_simulation_failed");
    const auto first = test.settle(payload, required, payer);
    INFO(first.response.body);
    REQUIRE(first.text("/success") == "true");
    CHECK(first.text("/amount") == "4000");
    CHECK(first.text("/extra/channelState/balance") == "1000");
    const auto again = test.settle(payload, required, payer);
    CHECK(again.text("/transaction") == first.text("/transaction"));
    check_books(test);
    // More than is left is all that is left.
    const auto rest = test.completed(config, 300, 4701, 1);
    REQUIRE(test.chain.wait(
        [&] { return test.chain.state(test.chain.id(config)).refunding.is_zero(); }));
    const auto second = test.settle(rest, required, payer);
    INFO(second.response.body);
    CHECK(second.text("/amount") == "700");
    CHECK(test.settle(rest, required, payer).text("/transaction") == second.text("/transaction"));
    CHECK(test.sent("refund") == "0");
    CHECK(test.chain.query("select count(*) from refund") == "2");
    check_books(test);
}

TEST_CASE("x402 settle: what is sent for others has a price of its own", "[x402]") {
    X402Stack test([](api::Config& config) { config.x402.cost_per_hour_max = Amount{1}; });
    const auto config = test.own();
    const auto answer = test.settle(test.deposit(config, 2000, 100), test.requirements(config));
    CHECK(reason_of(answer) == "rate_limited");
    CHECK(test.sent("deposit") == "0");
    // The service's own are not counted.
    test.open(5000);
    check_books(test);
}

TEST_CASE("x402 settle: what costs nothing is answered while nothing more may be spent", "[x402]") {
    X402Stack test;
    const auto one = test.funded(test.delegated(1), 5000);
    const auto two = test.funded(test.delegated(2), 5000);
    const auto required = test.requirements(one);
    const auto receiver = test.token(X402Stack::kProvider);
    const auto claim = [&](std::vector<Object> rows) {
        return test.settle(X402Stack::claim(std::move(rows)), required, receiver);
    };
    const auto first = claim({test.row(one, 700, 700)});
    REQUIRE(first.text("/success") == "true");
    const auto all = claim({test.row(two, 5000, 5000)});
    REQUIRE(all.text("/success") == "true");
    const auto paid = test.settle(test.settlement(), required);
    REQUIRE(paid.text("/success") == "true");
    test.chain.config.x402.cost_per_hour_max = Amount{1};

    // More of it would cost.
    CHECK(reason_of(claim({test.row(one, 701, 701)})) == "rate_limited");
    CHECK(reason_of(test.settle(test.completed(one, 700, 100, 0), required, receiver)) ==
          "rate_limited");
    // Claimed already, in other claims than these, with less or with nothing of it.
    for (const auto& rows :
         {std::vector{test.row(one, 700, 699)}, std::vector{test.row(one, 900, 0)},
          std::vector{test.row(one, 700, 700), test.row(two, 5000, 5000)}}) {
        const auto answer = claim(rows);
        INFO(answer.response.body);
        CHECK(answer.text("/success") == "true");
        CHECK(answer.text("/transaction").empty());
    }
    // What was sent is told again, and what is wrong is told as it is.
    CHECK(claim({test.row(one, 700, 700)}).text("/transaction") == first.text("/transaction"));
    CHECK(test.settle(test.settlement(), required).text("/transaction") ==
          paid.text("/transaction"));
    CHECK(reason_of(claim({test.row(one, 5001, 5001)})) == "cumulative_exceeds_balance");
    CHECK(reason_of(test.settle(test.completed(two, 5000, 100, 0), required, receiver)) ==
          "refund_no_balance");
    CHECK(test.sent("claim") == "2");
    CHECK(test.sent("refund") == "0");
    check_books(test);
}
