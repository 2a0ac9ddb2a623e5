#include "api/x402/reasons.hpp"
#include "channel/hex.hpp"
#include "tests/api/x402_stack.hpp"
#include "tests/support/print.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include <chrono>
#include <future>

using namespace support;
namespace json = boost::json;
using Object = X402Stack::Object;

namespace {

Object without(Object from, const std::string& part, const std::string& key) {
    from.at(part).as_object().erase(key);
    return from;
}

const std::string kSomebody = "0x00000000000000000000000000000000000000aa";

}  // namespace

TEST_CASE("x402: what is supported names the authorizer and who sends", "[x402]") {
    X402Stack test;
    const auto answer = test.get("/x402/supported");
    REQUIRE(answer.status() == 200);
    CHECK(answer.text("/kinds/0/scheme") == "batch-settlement");
    CHECK(answer.text("/kinds/0/network") == "eip155:31337");
    CHECK(answer.text("/kinds/0/extra/receiverAuthorizer") ==
          channel::to_hex(test.chain.chain().receiver_authorizer()));
    CHECK(answer.text("/signers/eip155:*/0") == channel::to_hex(test.chain.chain().relayer()));
}

TEST_CASE("x402 verify: payments over channels that nobody here knows of", "[x402]") {
    X402Stack test;
    const auto config = test.funded(test.own(), 10'000);
    const auto required = test.requirements(config);

    const auto voucher = test.verify(test.voucher(config, 500), required);
    INFO(voucher.response.body);
    CHECK(voucher.text("/isValid") == "true");
    CHECK(voucher.text("/payer") == channel::to_hex(config.payer));
    CHECK(voucher.text("/extra/channelId") == channel::to_hex(test.chain.id(config)));
    CHECK(voucher.text("/extra/balance") == "10000");
    CHECK(voucher.text("/extra/totalClaimed") == "0");
    CHECK(voucher.text("/extra/withdrawRequestedAt") == "0");
    CHECK(voucher.text("/extra/refundNonce") == "0");
    CHECK(test.verify(test.voucher(config, 10'000), required).text("/isValid") == "true");
    CHECK(test.verify(test.refund(config, 0), required).text("/isValid") == "true");

    const auto fresh = test.own(1);
    const auto deposit = test.verify(test.deposit(fresh, 2000, 100), test.requirements(fresh));
    INFO(deposit.response.body);
    CHECK(deposit.text("/isValid") == "true");
    CHECK(deposit.text("/extra/balance") == "0");

    test.chain.approve_permit2(X402Stack::kPayer, 5000);
    const auto permitted = with(test.requirements(fresh), "/extra/assetTransferMethod", "permit2");
    CHECK(test.verify(test.permit2_deposit(fresh, 2000, 100), permitted).text("/isValid") ==
          "true");
    // Where no method is required the payer has the choice.
    CHECK(test.verify(test.permit2_deposit(fresh, 2000, 100), test.requirements(fresh))
              .text("/isValid") == "true");
    CHECK(test.chain.query("select count(*) from channel") == "0");
    CHECK(test.chain.query("select count(*) from outbox") == "0");
}

TEST_CASE("x402 verify: each thing that can be wrong with a payment has its reason", "[x402]") {
    X402Stack test;
    const auto config = test.funded(test.own(), 10'000);
    const auto id = channel::to_hex(test.chain.id(config));
    const auto required = test.requirements(config);
    const auto paid = test.voucher(config, 500);
    const auto fresh = test.own(1);
    const auto deposit = test.deposit(fresh, 2000, 100);
    const auto wanted = test.requirements(fresh);
    const auto permit2 = test.permit2_deposit(fresh, 2000, 100);
    const auto by_permit2 = with(wanted, "/extra/assetTransferMethod", "permit2");
    const std::string erc3009 = "/deposit/authorization/erc3009Authorization";
    const std::string of_permit2 = "/deposit/authorization/permit2Authorization";
    auto soon = fresh;
    soon.withdraw_delay_seconds = 100;
    const auto other_delay = with(test.requirements(soon), "/extra/withdrawDelay", 100);

    struct Case {
        std::string reason;
        Object payload;
        Object required;
    };
    const std::vector<Case> cases{
        {"scheme", paid, with(required, "/scheme", "exact")},
        {"network_mismatch", paid, with(required, "/network", "eip155:1")},
        {"network_mismatch", paid, with(required, "/network", "solana:x")},
        {"payload_type", with(paid, "/type", "barter"), required},
        {"payload_type", test.settlement(), required},
        {"voucher_payload", without(paid, "voucher", "maxClaimableAmount"), required},
        {"deposit_payload", without(deposit, "deposit", "amount"), wanted},
        {"refund_payload", without(test.refund(config, 0), "voucher", "channelId"), required},
        {"claim_payload", {{"type", "claim"}}, required},
        {"settle_payload", {{"type", "settle"}}, required},
        {"channel_id_mismatch", with(paid, "/voucher/channelId", "0x" + std::string(64, '1')),
         required},
        {"receiver_mismatch", paid, with(required, "/payTo", kSomebody)},
        {"receiver_authorizer_mismatch", paid,
         with(required, "/extra/receiverAuthorizer", kSomebody)},
        {"receiver_authorizer_mismatch", paid, without(required, "extra", "receiverAuthorizer")},
        {"token_mismatch", paid, with(required, "/asset", kSomebody)},
        {"withdraw_delay_mismatch", paid, with(required, "/extra/withdrawDelay", 901)},
        {"withdraw_delay_out_of_range", test.voucher(soon, 1), other_delay},
        {"voucher_signature", with(paid, "/voucher/maxClaimableAmount", "501"), required},
        {"channel_not_found", test.voucher(fresh, 1), wanted},
        {"cumulative_exceeds_balance", test.voucher(config, 10'001), required},
        {"cumulative_below_claimed", test.voucher(config, 0), required},
        {"missing_eip712_domain", deposit, without(wanted, "extra", "version")},
        {"permit2_authorization_required", deposit, by_permit2},
        {"erc3009_authorization_required", permit2,
         with(wanted, "/extra/assetTransferMethod", "eip3009")},
        {"payload_authorization_valid_after", with(deposit, erc3009 + "/validAfter", "99999999999"),
         wanted},
        {"payload_authorization_valid_before", with(deposit, erc3009 + "/validBefore", "1"),
         wanted},
        {"receive_authorization_signature", with(deposit, "/deposit/amount", "2001"), wanted},
        {"permit2_invalid_spender", with(permit2, of_permit2 + "/spender", kSomebody), by_permit2},
        {"permit2_amount_mismatch", with(permit2, "/deposit/amount", "2001"), by_permit2},
        {"permit2_deadline_expired", with(permit2, of_permit2 + "/deadline", "1"), by_permit2},
        {"permit2_invalid_signature", with(permit2, of_permit2 + "/nonce", "77"), by_permit2},
        {"permit2_allowance_required", permit2, by_permit2},
        {"deposit_below_min_deposit", test.deposit(fresh, 999, 100), wanted},
        {"insufficient_balance", test.deposit(fresh, 2'000'000'000'000, 100), wanted},
        {"cumulative_exceeds_balance", test.deposit(fresh, 2000, 2001), wanted},
        {"cumulative_below_claimed", test.deposit(fresh, 2000, 0), wanted},
        {"invalid_x402_version", paid, required},
    };
    for (const auto& one : cases) {
        INFO(one.reason << " " << json::serialize(one.payload));
        auto body = X402Stack::message(one.payload, one.required);
        if (one.reason == "invalid_x402_version")
            body = json::serialize(
                with(json::parse(body).as_object(), "/paymentPayload/x402Version", 1));
        const auto answer = test.post("/x402/verify", {.body = body});
        CHECK(answer.status() == 200);
        CHECK(answer.text("/isValid") == "false");
        CHECK(reason_of(answer) == one.reason);
        CHECK_FALSE(answer.text("/invalidMessage").empty());
    }

    // Used up by the payer itself.
    test.chain.deposit_directly(X402Stack::kPayer, fresh, 2000);
    const auto used = test.verify(deposit, wanted);
    CHECK(reason_of(used) == "deposit_simulation_failed");
    CHECK(used.text("/invalidMessage").find("ERC3009UsedAuthorization") != std::string::npos);

    test.break_token();
    CHECK(reason_of(test.verify(test.deposit(test.own(2), 2000, 1),
                                test.requirements(test.own(2)))) == "rpc_read_failed");
    test.chain.anvil.set_code(escrow_address(), "0x00");
    CHECK(reason_of(test.verify(paid, required)) == "channel_state_read_failed");
}

TEST_CASE("x402 verify: after a claim the voucher has to promise more, a refund's as much",
          "[x402]") {
    X402Stack test;
    const auto config = test.funded(test.delegated(), 10'000);
    const auto required = test.requirements(config);
    const auto claimed = test.settle(X402Stack::claim({test.row(config, 600, 600)}), required,
                                     test.token(X402Stack::kProvider));
    REQUIRE(claimed.text("/success") == "true");
    CHECK(reason_of(test.verify(test.voucher(config, 600), required)) ==
          "cumulative_below_claimed");
    CHECK(test.verify(test.voucher(config, 601), required).text("/isValid") == "true");
    CHECK(test.verify(test.refund(config, 600), required).text("/isValid") == "true");
    CHECK(reason_of(test.verify(test.refund(config, 599), required)) == "cumulative_below_claimed");
}

TEST_CASE("x402 verify: a deposit that was sent before counts once", "[x402]") {
    X402Stack test([](api::Config& config) { config.x402.wait = std::chrono::seconds{2}; });
    const auto config = test.funded(test.own(), 5000);
    const auto required = test.requirements(config);
    // With another authorization than the deposit that funded it.
    auto deposit = test.deposit(config, 2000, 7000);
    deposit["deposit"] = test.permit2_deposit(config, 2000, 1).at("deposit");
    test.chain.approve_permit2(X402Stack::kPayer, 5000);
    const auto promising = [&](std::uint64_t most) {
        auto payload = test.voucher(config, most);
        payload["type"] = "deposit";
        payload["deposit"] = deposit["deposit"];
        return payload;
    };
    const auto check = [&] {
        CHECK(test.verify(promising(7000), required).text("/isValid") == "true");
        CHECK(reason_of(test.verify(promising(7001), required)) == "cumulative_exceeds_balance");
        CHECK(reason_of(test.settle(promising(7001), required)) == "cumulative_exceeds_balance");
        CHECK(reason_of(test.verify(promising(9000), required)) == "cumulative_exceeds_balance");
    };
    check();
    test.stop_mining();
    test.chain.config.x402.wait = std::chrono::milliseconds{150};
    const auto pending = test.settle(promising(7000), required);
    CHECK(reason_of(pending) == "settlement_pending");
    check();
    test.chain.config.x402.wait = std::chrono::seconds{30};
    test.mine_on();
    CHECK(test.settle(promising(7000), required).text("/success") == "true");
    check();
    REQUIRE(test.chain.wait([&] {
        return test.chain.query("select count(*) from outbox where status = 'confirmed'") == "1";
    }));
    check();
}

TEST_CASE("x402 verify: where the payer has code, its key alone is no proof", "[x402]") {
    X402Stack test;
    const auto config = test.funded(test.delegated(), 5000);
    const auto required = test.requirements(config);
    const auto receiver = test.token(X402Stack::kProvider);
    const auto claim = X402Stack::claim({test.row(config, 500, 500)});
    test.chain.anvil.set_code(config.payer, "0x00");
    CHECK(reason_of(test.verify(test.voucher(config, 500), required)) == "voucher_signature");
    CHECK(reason_of(test.settle(claim, required, receiver)) == "voucher_signature");
    test.chain.anvil.set_code(config.payer, "0x");
    CHECK(test.verify(test.voucher(config, 500), required).text("/isValid") == "true");
    CHECK(test.settle(claim, required, receiver).text("/success") == "true");
}

TEST_CASE("x402: what is no message is a problem, and so is a token that is none", "[x402]") {
    X402Stack test;
    for (const auto* path : {"/x402/verify", "/x402/settle"}) {
        CHECK(test.post(path, {.body = "{"}).status() == 400);
        CHECK(test.post(path, {.body = "{}"}).status() == 400);
        CHECK(test.post(path, {.body = R"({"paymentPayload":1,"paymentRequirements":{}})"})
                  .status() == 200);
        CHECK(test.post(path, {.bearer = "nobody's", .body = "{}"}).status() == 401);
    }
}

TEST_CASE("x402: strangers are served at a limited rate, and not where it is switched off",
          "[x402]") {
    X402Stack test([](api::Config& config) {
        config.x402.verify_per_minute_max = 2;
        config.x402.settle_per_minute_max = 1;
    });
    CHECK(test.post("/x402/verify", {.body = "{}"}).status() == 400);
    CHECK(test.post("/x402/verify", {.body = "{}"}).status() == 400);
    const auto late = test.post("/x402/verify", {.body = "{}"});
    CHECK(late.status() == 429);
    CHECK(late.text("/limit") == "2");
    CHECK_FALSE(late.header("Retry-After").empty());
    CHECK(test.post("/x402/settle", {.body = "{}"}).status() == 400);
    CHECK(test.post("/x402/settle", {.body = "{}"}).status() == 429);
    CHECK(test.get("/x402/supported").status() == 200);

    test.chain.config.x402.enabled = false;
    CHECK(test.get("/x402/supported").status() == 404);
    CHECK(test.post("/x402/verify", {.body = "{}"}).status() == 404);
    CHECK(test.post("/x402/settle", {.body = "{}"}).status() == 404);
}

TEST_CASE("x402: settlements that wait leave room for others", "[x402]") {
    X402Stack test([](api::Config& config) {
        config.x402.in_flight_max = 8;
        config.x402.wait = std::chrono::seconds{30};
    });
    const auto config = test.funded(test.own(), 5000);
    const auto required = test.requirements(config);
    test.stop_mining();
    auto waiting = std::async(std::launch::async, [&] {
        return test.settle(test.deposit(test.own(1), 2000, 1), test.requirements(test.own(1)));
    });
    CHECK(test.chain.wait([&] { return test.sent("deposit") == "1"; }));
    // One of eight is what an address has of them.
    const auto second = test.settle(test.settlement(), required);
    CHECK(second.status() == 503);
    CHECK(second.text("/limit") == "1");
    CHECK(test.verify(test.voucher(config, 1), required).text("/isValid") == "true");
    test.mine_on();
    CHECK(waiting.get().text("/success") == "true");
    CHECK(reason_of(test.settle(test.settlement(), required)) == "nothing_to_settle");
}
