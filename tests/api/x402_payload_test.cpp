#include "api/x402/header.hpp"
#include "api/x402/payload.hpp"
#include "api/x402/reasons.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include <rapidcheck.h>

using namespace millrace;
using namespace api::x402;
namespace json = boost::json;

namespace {

const std::string kAddress = "0x1111111111111111111111111111111111111111";
const std::string kWord = "0x" + std::string(64, '2');
const std::string kSignature = "0x" + std::string(128, '3') + "1b";

json::object config() {
    return {{"payer", kAddress},    {"payerAuthorizer", kAddress},
            {"receiver", kAddress}, {"receiverAuthorizer", kAddress},
            {"token", kAddress},    {"withdrawDelay", 900},
            {"salt", kWord}};
}

json::object voucher(std::string type) {
    return {{"type", std::move(type)},
            {"channelConfig", config()},
            {"voucher",
             {{"channelId", kWord}, {"maxClaimableAmount", "7"}, {"signature", kSignature}}}};
}

json::object row() {
    return {{"voucher", {{"channel", config()}, {"maxClaimableAmount", "7"}}},
            {"signature", kSignature},
            {"totalClaimed", "5"}};
}

json::object message(json::object payload) {
    return {{"x402Version", 2},
            {"accepted",
             {{"scheme", "batch-settlement"},
              {"network", "eip155:31337"},
              {"amount", "100"},
              {"asset", kAddress},
              {"payTo", kAddress},
              {"maxTimeoutSeconds", 60},
              {"extra", {{"name", "USD Coin"}, {"version", "2"}, {"withdrawDelay", 900}}}}},
            {"resource", {{"url", "http://a.example/x"}, {"description", "d"}}},
            {"payload", std::move(payload)},
            {"extensions", json::object{}}};
}

auto parsed(const json::object& message_of) {
    return parse_payment_payload(json::serialize(message_of));
}

template <class Payload>
Payload good(const json::object& payload) {
    const auto result = parsed(message(payload));
    if (const auto* failure = std::get_if<api::stream::Failure>(&result))
        throw std::runtime_error(failure->field + ": " + std::string(failure->reason));
    return std::get<Payload>(std::get<PaymentPayload>(result).payload);
}

std::pair<std::string, std::string> wrong(const json::object& message_of) {
    const auto result = parsed(message_of);
    const auto* failure = std::get_if<api::stream::Failure>(&result);
    if (!failure) return {"nothing", ""};
    return {std::string(failure->reason), failure->field};
}

json::object without(json::object from, std::string_view key) {
    from.erase(key);
    return from;
}

json::object with(json::object to, std::string_view key, json::value value) {
    to[key] = std::move(value);
    return to;
}

}  // namespace

TEST_CASE("x402 header: what is encoded is decoded again", "[x402]") {
    rc::check([](const std::string& text) {
        RC_PRE(!text.empty() && text.size() < 1000);
        const auto header = encode_header(text);
        RC_ASSERT(header.size() % 4 == 0);
        RC_ASSERT(decode_header(header) == text);
    });
}

TEST_CASE("x402 header: only canonical base64 with padding, and no more than is asked for",
          "[x402]") {
    CHECK(encode_header("{}") == "e30=");
    CHECK(decode_header("e30=") == "{}");
    for (const auto* text : {"", "e30", "e31=", "e30=\n", " e30=", "e3-_", "e30=e30=", "====", "é"})
        CHECK_FALSE(decode_header(text).has_value());
    const auto longest = encode_header(std::string(kHeaderBytesMax / 4 * 3, 'a'));
    CHECK(longest.size() == kHeaderBytesMax);
    CHECK(decode_header(longest).has_value());
    CHECK_FALSE(decode_header(longest + "YWFh").has_value());
    CHECK_FALSE(decode_header("e30=", 3).has_value());
}

TEST_CASE("x402 payload: each type is read as it is written", "[x402]") {
    const auto paid = good<VoucherPayload>(voucher("voucher"));
    CHECK(channel::to_hex(paid.paid.channel) == kWord);
    CHECK(paid.paid.voucher.max_claimable == channel::Amount{7});
    CHECK(paid.paid.config.withdraw_delay_seconds == 900);

    const json::object erc3009{
        {"validAfter", "0"}, {"validBefore", "9"}, {"salt", "0x1"}, {"signature", kSignature}};
    const auto deposit = good<DepositPayload>(
        with(voucher("deposit"), "deposit",
             {{"amount", "10"}, {"authorization", {{"erc3009Authorization", erc3009}}}}));
    CHECK(deposit.deposit.amount == channel::Amount{10});
    CHECK(deposit.deposit.authorization.index() == 0);

    CHECK_FALSE(good<RefundPayload>(voucher("refund")).completion.has_value());
    auto completed = with(voucher("refund"), "amount", "3");
    completed["refundNonce"] = "4";
    completed["claims"] = json::array{row()};
    completed["refundAuthorizerSignature"] = kSignature;
    const auto refund = good<RefundPayload>(completed);
    CHECK(refund.amount == channel::Amount{3});
    REQUIRE(refund.completion.has_value());
    CHECK(refund.completion->claims.size() == 1);
    CHECK(refund.completion->refund_signature.has_value());
    CHECK_FALSE(refund.completion->claim_signature.has_value());

    const auto claim = good<ClaimPayload>({{"type", "claim"}, {"claims", json::array{row()}}});
    CHECK(claim.claims.front().total_claimed == channel::Amount{5});
    CHECK(claim.claims.front().max_claimable == channel::Amount{7});
    const auto settle =
        good<SettlePayload>({{"type", "settle"}, {"receiver", kAddress}, {"token", kAddress}});
    CHECK(channel::to_hex(settle.receiver) == kAddress);
}

TEST_CASE("x402 payload: what it accepts is read with it", "[x402]") {
    const auto result = parsed(message(voucher("voucher")));
    const auto& payment = std::get<PaymentPayload>(result);
    CHECK(payment.accepted.amount == channel::Amount{100});
    CHECK(payment.accepted.token_name == "USD Coin");
    CHECK(payment.accepted.withdraw_delay_seconds == 900);
    CHECK_FALSE(payment.accepted.receiver_authorizer.has_value());
}

TEST_CASE("x402 payload: what is wrong has the reason of its type, and names the member",
          "[x402]") {
    const std::string prefix(kReasonPrefix);
    struct Case {
        json::object payload;
        std::string reason;
        std::string field;
    };
    const json::object no_kind{{"amount", "10"}, {"authorization", json::object{}}};
    const json::object nothing{{"amount", "0"}, {"authorization", json::object{}}};
    const std::vector<Case> cases{
        {{}, "payload_type", "payload.type"},
        {{{"type", 7}}, "payload_type", "payload.type"},
        {{{"type", "barter"}}, "payload_type", "payload.type"},
        {without(voucher("voucher"), "voucher"), "voucher_payload", "payload.voucher"},
        {with(voucher("voucher"), "voucher", "x"), "voucher_payload", "payload.voucher"},
        {with(voucher("voucher"), "channelConfig", without(config(), "salt")), "voucher_payload",
         "payload.channelConfig.salt"},
        {with(voucher("voucher"), "channelConfig", with(config(), "more", 1)), "voucher_payload",
         "payload.channelConfig.more"},
        {with(voucher("voucher"), "voucher",
              {{"channelId", kWord}, {"maxClaimableAmount", "7"}, {"signature", "0x"}}),
         "voucher_signature", "payload.voucher.signature"},
        {voucher("deposit"), "deposit_payload", "payload.deposit"},
        {with(voucher("deposit"), "deposit", nothing), "deposit_payload", "payload.deposit.amount"},
        {with(voucher("deposit"), "deposit", no_kind), "erc3009_authorization_required",
         "deposit.authorization.erc3009Authorization"},
        {with(voucher("refund"), "amount", "-1"), "refund_payload", "payload.amount"},
        {with(voucher("refund"), "claims", json::array{}), "refund_payload", "payload.amount"},
        {{{"type", "claim"}}, "claim_payload", "payload.claims"},
        {{{"type", "claim"}, {"claims", json::array{}}}, "claim_payload", "payload.claims"},
        {{{"type", "claim"}, {"claims", json::array{row(), 5}}},
         "claim_payload",
         "payload.claims[1]"},
        {{{"type", "claim"}, {"claims", json::array{without(row(), "totalClaimed")}}},
         "claim_payload",
         "payload.claims[0].totalClaimed"},
        {{{"type", "settle"}, {"receiver", kAddress}}, "settle_payload", "payload.token"},
    };
    for (const auto& one : cases) {
        INFO(json::serialize(one.payload));
        const auto [reason, field] = wrong(message(one.payload));
        CHECK(reason == prefix + one.reason);
        CHECK(field == one.field);
    }
    json::array many;
    for (int n = 0; n < 251; ++n) many.push_back(row());
    CHECK(wrong(message({{"type", "claim"}, {"claims", many}})).second == "payload.claims");
}

TEST_CASE("x402 payload: another version, scheme or no object is refused", "[x402]") {
    CHECK(wrong(with(message(voucher("voucher")), "x402Version", 1)).first == kX402Version);
    auto other = message(voucher("voucher"));
    other["accepted"].as_object()["scheme"] = "exact";
    CHECK(wrong(other) == std::pair{std::string(kScheme), std::string("accepted.scheme")});
    other["accepted"].as_object().erase("scheme");
    CHECK(wrong(other).first == kScheme);
    for (const auto* text : {"", "{", "[]", "null", R"({"x402Version":2,"x402Version":2})"}) {
        const auto result = parse_payment_payload(text);
        REQUIRE(std::holds_alternative<api::stream::Failure>(result));
        CHECK(std::get<api::stream::Failure>(result).reason == "invalid_request");
    }
}
