#include "api/gate/offer.hpp"

#include "api/gate/terms.hpp"
#include "channel/address.hpp"
#include "channel/config.hpp"
#include "channel/hex.hpp"
#include "channel/secp256k1.hpp"
#include "channel/voucher.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include <string>

using namespace millrace;
using namespace millrace::api::gate;
namespace json = boost::json;

namespace {

channel::Address address(char digit) {
    return channel::parse_address("0x" + std::string(40, digit)).value();
}

json::object server_info() {
    return json::parse(R"({"networks":[{"network":"eip155:31337",
        "contract":"0x4020074e9df2ce1dee5a9c1b5c3f541d02a10003",
        "tokens":[{"address":"0x1111111111111111111111111111111111111111","name":"USD Coin",
                   "version":"2","decimals":6,"symbol":"USDC",
                   "assetTransferMethods":["eip3009","permit2"]}],
        "receiverAuthorizer":"0x2222222222222222222222222222222222222222",
        "withdrawDelay":{"min":900,"max":2592000}}]})")
        .as_object();
}

TermsWanted wanted() {
    TermsWanted all;
    all.pay_to = address('3');
    all.deposit_min = channel::Amount{1000};
    return all;
}

Terms terms() {
    return std::get<Terms>(make_terms(server_info(), wanted()));
}

std::string refusal(const TermsWanted& all) {
    const auto made = make_terms(server_info(), all);
    const auto* wrong = std::get_if<std::string>(&made);
    return wrong ? *wrong : "";
}

api::x402::ChannelVoucher paid() {
    api::x402::ChannelVoucher voucher;
    voucher.config = {address('a'), {}, address('3'), address('2'), address('1'), 900, {}};
    voucher.channel = channel::channel_id(terms().escrow_separator, voucher.config);
    return voucher;
}

api::x402::Requirements accepted() {
    api::x402::Requirements all;
    all.scheme = "batch-settlement";
    all.network = "eip155:31337";
    all.amount = channel::Amount{50};
    all.asset = address('1');
    all.pay_to = address('3');
    all.receiver_authorizer = address('2');
    all.withdraw_delay_seconds = 900;
    return all;
}

json::object channel_object() {
    return json::parse(R"({"channelId":"0x01","balance":"1000","totalClaimed":"5",
        "withdrawRequestedAt":7,"refundNonce":"2","chargedCumulativeAmount":"40",
        "signedMaxClaimable":"90","signature":"0x02"})")
        .as_object();
}

}  // namespace

TEST_CASE("gate terms: are the service's and the configuration's", "[gate]") {
    const auto made = terms();
    CHECK(made.withdraw_delay_seconds == 900);
    CHECK(made.token_name == "USD Coin");
    CHECK(made.transfer_methods.size() == 2);
    auto other = wanted();
    other.network = channel::Network{1};
    CHECK(refusal(other).find("gate.network") == 0);
    other = wanted();
    other.token = address('9');
    CHECK(refusal(other).find("gate.token") == 0);
    other = wanted();
    other.withdraw_delay_seconds = 3'000'000;
    CHECK(refusal(other).find("gate.withdraw_delay_seconds") == 0);
    CHECK(std::get<std::string>(make_terms({}, wanted())).find("not understood") !=
          std::string::npos);
}

TEST_CASE("gate offer: says what is asked for, once for each way to deposit", "[gate]") {
    const Offer offer{"http://h/v1", "Chat \"x\"", channel::Amount{50}, "Payment required"};
    const auto said = json::parse(render(terms(), offer)).as_object();
    CHECK(said == json::parse(R"({"x402Version":2,"error":"Payment required",
        "resource":{"url":"http://h/v1","description":"Chat \"x\"","mimeType":"application/json"},
        "accepts":[{"scheme":"batch-settlement","network":"eip155:31337","amount":"50",
          "asset":"0x1111111111111111111111111111111111111111",
          "payTo":"0x3333333333333333333333333333333333333333","maxTimeoutSeconds":60,
          "extra":{"name":"USD Coin","version":"2",
            "receiverAuthorizer":"0x2222222222222222222222222222222222222222",
            "withdrawDelay":900,"minDeposit":"1000","assetTransferMethod":"eip3009"}},
         {"scheme":"batch-settlement","network":"eip155:31337","amount":"50",
          "asset":"0x1111111111111111111111111111111111111111",
          "payTo":"0x3333333333333333333333333333333333333333","maxTimeoutSeconds":60,
          "extra":{"name":"USD Coin","version":"2",
            "receiverAuthorizer":"0x2222222222222222222222222222222222222222",
            "withdrawDelay":900,"minDeposit":"1000","assetTransferMethod":"permit2"}}]})"));
    CHECK(least_deposit(terms(), channel::Amount{5000}) == channel::Amount{5000});
    auto unbounded = terms();
    unbounded.deposit_min = channel::Amount{};
    const auto left = json::parse(render(unbounded, offer)).at("accepts").at(0).at("extra");
    CHECK_FALSE(left.as_object().contains("minDeposit"));
}

TEST_CASE("gate offer: a corrective one has the channel's state and voucher", "[gate]") {
    const auto channel = channel_object();
    Offer offer{"u", "", channel::Amount{50}, "x", &channel};
    const auto extra_of = [&] {
        return json::parse(render(terms(), offer)).at("accepts").at(0).at("extra").as_object();
    };
    const auto extra = extra_of();
    CHECK(extra.at("channelState") ==
          json::parse(R"({"channelId":"0x01","balance":"1000","totalClaimed":"5",
              "withdrawRequestedAt":7,"refundNonce":"2","chargedCumulativeAmount":"40"})"));
    CHECK(extra.at("voucherState") ==
          json::parse(R"({"signedMaxClaimable":"90","signature":"0x02"})"));
    auto unsigned_yet = channel_object();
    unsigned_yet["signature"] = nullptr;
    offer.channel = &unsigned_yet;
    CHECK_FALSE(extra_of().contains("voucherState"));
}

TEST_CASE("gate offer: a payment has to be for it, member by member", "[gate]") {
    const auto why = [](const api::x402::Requirements& repeated,
                        const api::x402::ChannelVoucher& voucher) {
        const auto found = why_not(terms(), channel::Amount{50}, repeated, voucher);
        return std::string(found.value_or("fits"));
    };
    CHECK(why(accepted(), paid()) == "fits");
    const std::string prefix = "invalid_batch_settlement_evm_";
    auto other = accepted();
    other.scheme = "exact";
    CHECK(why(other, paid()) == prefix + "scheme");
    other = accepted();
    other.network = "eip155:1";
    CHECK(why(other, paid()) == prefix + "network_mismatch");
    other = accepted();
    other.receiver_authorizer.reset();
    CHECK(why(other, paid()) == prefix + "receiver_authorizer_mismatch");
    other = accepted();
    other.withdraw_delay_seconds.reset();
    CHECK(why(other, paid()) == prefix + "withdraw_delay_mismatch");
    other = accepted();
    other.amount = channel::Amount{49};
    CHECK(why(other, paid()) == kNoMatch);
    // The channel itself, whatever was repeated.
    auto voucher = paid();
    voucher.config.token = address('9');
    CHECK(why(accepted(), voucher) == prefix + "token_mismatch");
    voucher = paid();
    voucher.config.receiver = address('9');
    CHECK(why(accepted(), voucher) == prefix + "receiver_mismatch");
    voucher = paid();
    voucher.config.receiver_authorizer = address('9');
    CHECK(why(accepted(), voucher) == prefix + "receiver_authorizer_mismatch");
    voucher = paid();
    voucher.config.withdraw_delay_seconds = 901;
    CHECK(why(accepted(), voucher) == prefix + "withdraw_delay_mismatch");
    voucher = paid();
    voucher.config.payer = address('9');
    CHECK(why(accepted(), voucher) == prefix + "channel_id_mismatch");
}

TEST_CASE("gate offer: who has signed is known, but for contracts", "[gate]") {
    const auto payer = channel::SecretKey::parse("0x" + std::string(63, '0') + "1");
    const auto authorizer = channel::SecretKey::parse("0x" + std::string(63, '0') + "2");
    auto voucher = paid();
    voucher.config.payer = payer->address();
    voucher.voucher.max_claimable = channel::Amount{7};
    const auto seen = [&](const channel::SecretKey& key) {
        voucher.channel = channel::channel_id(terms().escrow_separator, voucher.config);
        voucher.voucher.signature = key.sign(channel::digest(
            terms().escrow_separator, channel::Voucher{voucher.channel, channel::Amount{7}}));
        return look_at_signature(terms(), voucher);
    };
    CHECK(seen(*payer) == Signed::by_payer);
    CHECK(seen(*authorizer) == Signed::by_a_contract_perhaps);
    voucher.config.payer_authorizer = authorizer->address();
    CHECK(seen(*authorizer) == Signed::by_payer);
    CHECK(seen(*payer) == Signed::by_nobody);
    voucher.voucher.max_claimable = channel::Amount{8};
    CHECK(look_at_signature(terms(), voucher) == Signed::by_nobody);
}

TEST_CASE("gate receipt: has what x402 says of a voucher, a deposit, a failure", "[gate]") {
    Receipt receipt;
    receipt.payer = address('a');
    receipt.network = {31337};
    receipt.charged = "25";
    receipt.channel_state = channel_state(channel_object(), "65", "1000");
    CHECK(json::parse(render(receipt)) ==
          json::parse(R"({"success":true,"payer":"0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
              "transaction":"","network":"eip155:31337","amount":"",
              "extra":{"chargedAmount":"25","channelState":{"channelId":"0x01","balance":"1000",
                "totalClaimed":"5","withdrawRequestedAt":7,"refundNonce":"2",
                "chargedCumulativeAmount":"65"}}})"));
    Receipt failed;
    failed.error_reason = "charge_pending";
    failed.error_message = "later";
    const auto said = json::parse(render(failed)).as_object();
    CHECK(said.at("success") == false);
    CHECK(said.at("errorReason") == "charge_pending");
    CHECK_FALSE(said.contains("extra"));
}
