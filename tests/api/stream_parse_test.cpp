#include "api/stream/parse.hpp"
#include "channel/hex.hpp"
#include "tests/support/print.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace millrace;
using namespace millrace::api;
using namespace millrace::api::stream;

namespace {

const std::string kChannel = "0x" + std::string(64, 'a');
const std::string kAddress = "0x" + std::string(40, 'B');
/// r and s one, v 27: good in form.
const std::string kSignature =
    "0x" + std::string(63, '0') + "1" + std::string(63, '0') + "1" + "1b";

std::string quoted(const std::string& text) {
    return '"' + text + '"';
}

/// A request with these parameters; the rest of the envelope is good.
std::string request(const std::string& method, const std::string& params) {
    return R"({"jsonrpc":"2.0","id":"x","method":")" + method + R"(","params":)" + params + "}";
}

std::string inference(const std::string& more = "") {
    return R"({"id":"i-1","model":"m")" + more + "}";
}

std::string voucher(const std::string& max = R"("10")", const std::string& signature = kSignature) {
    return R"({"maxClaimableAmount":)" + max + R"(,"signature":)" + quoted(signature) + "}";
}

std::string pay(const std::string& amount, const std::string& voucher_text = voucher(),
                const std::string& inference_text = inference()) {
    return request("payment.pay", R"({"channelId":)" + quoted(kChannel) + R"(,"inference":)" +
                                      inference_text + R"(,"amount":)" + amount + R"(,"voucher":)" +
                                      voucher_text + "}");
}

std::string config(const std::string& delay = "900", const std::string& more = "") {
    return R"({"payer":)" + quoted(kAddress) + R"(,"payerAuthorizer":)" + quoted(kAddress) +
           R"(,"receiver":)" + quoted(kAddress) + R"(,"receiverAuthorizer":)" + quoted(kAddress) +
           R"(,"token":)" + quoted(kAddress) + R"(,"withdrawDelay":)" + delay + R"(,"salt":)" +
           quoted(kChannel) + more + "}";
}

std::string open(const std::string& config_text, const std::string& more = "") {
    return request("channel.open",
                   R"({"network":"eip155:1","channelConfig":)" + config_text + more + "}");
}

std::string accept(const std::string& config_text, const std::string& voucher_text = voucher(),
                   const std::string& more = "") {
    return request("payment.accept", R"({"channelConfig":)" + config_text + R"(,"inference":)" +
                                         inference() + R"(,"maxAmount":"9","voucher":)" +
                                         voucher_text + more + "}");
}

std::string deposit(const std::string& authorization) {
    return R"(,"deposit":{"amount":"5","authorization":)" + authorization + "}";
}

const std::string kPermitted = R"("token":)" + quoted(kAddress) + R"(,"amount":"5")";

std::string permit2(const std::string& permitted, const std::string& more = "") {
    return deposit(R"({"permit2Authorization":{"from":)" + quoted(kAddress) + R"(,"permitted":{)" +
                   permitted + R"(},"spender":)" + quoted(kAddress) +
                   R"(,"nonce":"256","deadline":"99","witness":{"channelId":"0x)" +
                   std::string(64, 'c') + R"("},"signature":"0x0102")" + more + "}}");
}

struct Parser {
    LimitsConfig limits;
    FrameParser parser{limits};

    Call one(const std::string& text) {
        auto& frame = parser.parse(text);
        REQUIRE_FALSE(frame.failure.has_value());
        REQUIRE_FALSE(frame.is_batch);
        REQUIRE(frame.calls.size() == 1);
        return frame.calls.front();
    }

    /// "code reason field limit" of whatever failed.
    std::string failed(const std::string& text) {
        auto& frame = parser.parse(text);
        const auto* failure =
            frame.failure ? &*frame.failure : std::get_if<Failure>(&frame.calls.front().command);
        if (!failure) return "accepted";
        CHECK_FALSE(failure->message.empty());
        return std::to_string(static_cast<int>(failure->code)) + " " +
               std::string(failure->reason) + " " + failure->field + " " + failure->limit;
    }
};

}  // namespace

TEST_CASE("parse: a payment is read with every member", "[stream][parse]") {
    Parser parser;
    const auto call =
        parser.one(pay(R"("7")", voucher(),
                       inference(R"(, "units" : 12.50, "app":"a", "other":[1], "requestHash":"0x)" +
                                 std::string(64, 'C') + "\"")));
    CHECK(call.id == "\"x\"");
    CHECK(call.method == Method::payment_pay);
    const auto& payment = std::get<ledger::PaymentRequest>(call.command);
    CHECK(channel::to_hex(payment.channel) == kChannel);
    const auto& command = std::get<channel::Pay>(payment.command);
    CHECK(command.inference.text() == "i-1");
    CHECK(command.amount == channel::Amount{7});
    CHECK(command.voucher.max_claimable == channel::Amount{10});
    CHECK(channel::to_hex(command.voucher.signature) == kSignature);
    // As long as a smart wallet's may be; whether the channel has one, its session knows.
    const auto longest = "0x" + std::string(2 * 2048, '1');
    const auto by_wallet = parser.one(pay(R"("10")", voucher(R"("10")", longest)));
    const auto& request_of_wallet = std::get<ledger::PaymentRequest>(by_wallet.command);
    CHECK(channel::to_hex(std::get<channel::Pay>(request_of_wallet.command).voucher.signature) ==
          longest);
    CHECK(payment.detail == R"({"model":"m","app":"a","units":12.50,"requestHash":"0x)" +
                                std::string(64, 'c') + R"("})");
}

TEST_CASE("parse: authorize, charge and release are read", "[stream][parse]") {
    Parser parser;
    const auto id = R"({"channelId":)" + quoted(kChannel);
    const auto authorize = parser.one(request(
        "payment.authorize", id + R"(,"inference":)" + inference() + R"(,"maxAmount":"9"})"));
    const auto& payment = std::get<ledger::PaymentRequest>(authorize.command);
    CHECK(std::get<channel::Authorize>(payment.command).max_amount == channel::Amount{9});
    CHECK_FALSE(std::get<channel::Authorize>(payment.command).voucher.has_value());

    const auto charge = parser.one(request(
        "payment.charge",
        id + R"(,"inferenceId":"i","amount":"0","final":false,"usage":{"inputTokens":3,"x":"y"},)"
             R"("receipt":[ "r" , {"n":1e2} ]})"));
    const auto& charged = std::get<ledger::PaymentRequest>(charge.command);
    CHECK(std::get<channel::Charge>(charged.command).finality == channel::Finality::partial);
    CHECK(charged.detail == R"({"usage":{"inputTokens":3,"x":"y"},"receipt":["r",{"n":1e2}]})");

    const auto release = parser.one(
        request("payment.release", id + R"(,"inferenceId":"i","reason":"late \"job\""})"));
    const auto& released = std::get<ledger::PaymentRequest>(release.command);
    CHECK(std::holds_alternative<channel::Release>(released.command));
    CHECK(released.detail == R"({"reason":"late \"job\""})");
}

TEST_CASE("parse: what a provider hands in is read as x402 has it", "[stream][parse]") {
    Parser parser;
    const auto plain = parser.one(accept(config()));
    CHECK(plain.method == Method::payment_accept);
    const auto& asked = std::get<AcceptPayment>(plain.command);
    CHECK_FALSE(asked.network.has_value());
    CHECK_FALSE(asked.channel.has_value());
    CHECK_FALSE(asked.deposit.has_value());
    CHECK(asked.config.withdraw_delay_seconds == 900);
    CHECK(asked.payment.inference.text() == "i-1");
    CHECK(asked.payment.max_amount == channel::Amount{9});
    CHECK(asked.payment.voucher.max_claimable == channel::Amount{10});
    CHECK(asked.detail == R"({"model":"m"})");

    const auto whole = parser.one(accept(config(),
                                         R"({"channelId":)" + quoted(kChannel) +
                                             R"(,"maxClaimableAmount":"10","signature":)" +
                                             quoted(kSignature) + "}",
                                         R"(,"network":"eip155:7")" + permit2(kPermitted)));
    const auto& given = std::get<AcceptPayment>(whole.command);
    CHECK(given.network->chain_id == 7);
    REQUIRE(given.channel.has_value());
    CHECK(channel::to_hex(*given.channel) == kChannel);
    REQUIRE(given.deposit.has_value());
    CHECK(given.deposit->amount == channel::Amount{5});
}

TEST_CASE("parse: a login may bring a delegation", "[stream][parse]") {
    Parser parser;
    const auto own = parser.one(request("auth.login", R"({"message":"m","signature":"s"})"));
    CHECK_FALSE(std::get<Login>(own.command).delegation.has_value());
    const auto delegated = parser.one(
        request("auth.login",
                R"({"message":"m","signature":"s","delegation":{"message":"d","signature":"t"}})"));
    const auto& login = std::get<Login>(delegated.command);
    REQUIRE(login.delegation.has_value());
    CHECK(login.delegation->message == "d");
    CHECK(login.delegation->signature == "t");
}

TEST_CASE("parse: the other methods are read", "[stream][parse]") {
    Parser parser;
    const auto opened = parser.one(open(
        config(), R"(,"app":"shop")" +
                      deposit(R"({"erc3009Authorization":{"validAfter":"0","validBefore":"99",)"
                              R"("salt":"0x1f","signature":"0x01"}})")));
    const auto& asked = std::get<OpenAChannel>(opened.command);
    CHECK(asked.network.chain_id == 1);
    CHECK(asked.config.withdraw_delay_seconds == 900);
    CHECK(asked.app == "shop");
    REQUIRE(asked.deposit.has_value());
    CHECK(asked.deposit->amount == channel::Amount{5});
    const auto& erc3009 =
        std::get<ledger::chain::Erc3009Authorization>(asked.deposit->authorization);
    CHECK(erc3009.salt.bytes[31] == 0x1f);
    CHECK(erc3009.valid_before.bytes[31] == 99);

    const auto topped_up =
        parser.one(request("channel.topUp", R"({"channelId":"0x)" + std::string(64, 'c') + '"' +
                                                permit2(kPermitted) + "}"));
    const auto& added = std::get<TopUp>(topped_up.command);
    const auto& permit2_given =
        std::get<ledger::chain::Permit2Authorization>(added.deposit.authorization);
    CHECK(permit2_given.amount == channel::Amount{5});
    CHECK(permit2_given.from.bytes[0] == 0xbb);
    CHECK(permit2_given.nonce.bytes[30] == 1);
    CHECK(permit2_given.deadline.bytes[31] == 99);
    CHECK(permit2_given.channel_id.bytes[0] == 0xcc);
    CHECK(permit2_given.signature == channel::Bytes{1, 2});

    const auto listed = parser.one(request("channel.list", "{}"));
    CHECK(std::get<ListChannels>(listed.command).limit == 100);
    const auto without = parser.one(R"({"jsonrpc":"2.0","id":1,"method":"channel.list"})");
    CHECK(std::holds_alternative<ListChannels>(without.command));
    const auto subscribed = parser.one(request(
        "events.subscribe", R"({"topics":["payment","channel","payment"],"fromSeq":"17"})"));
    const auto& wanted = std::get<Subscribe>(subscribed.command);
    CHECK(wanted.topics.size() == 2);
    CHECK(wanted.from_seq == 17);
    const auto claimed = parser.one(
        request("settlement.claim", R"({"network":"eip155:10","token":)" + quoted(kAddress) + "}"));
    CHECK(std::get<MakeClaim>(claimed.command).network->chain_id == 10);
}

TEST_CASE("parse: a refund is read, of an amount or of all", "[stream][parse]") {
    Parser parser;
    const auto id = R"({"channelId":)" + quoted(kChannel) + R"(,"voucher":)" + voucher();
    const auto all = parser.one(request("channel.refund", id + "}"));
    CHECK(all.method == Method::channel_refund);
    const auto& asked = std::get<AskForRefund>(all.command);
    CHECK(channel::to_hex(asked.channel) == kChannel);
    CHECK_FALSE(asked.asked.amount.has_value());
    CHECK(asked.asked.voucher.max_claimable == channel::Amount{10});
    const auto some = parser.one(request("channel.refund", id + R"(,"amount":"7"})"));
    CHECK(std::get<AskForRefund>(some.command).asked.amount == channel::Amount{7});
}

TEST_CASE("parse: ids come back as they were given", "[stream][parse]") {
    Parser parser;
    const auto id_of = [&](const std::string& id) {
        return parser.one(R"({"jsonrpc":"2.0","id":)" + id + R"(,"method":"server.info"})").id;
    };
    CHECK(id_of("1") == "1");
    CHECK(id_of("-0") == "-0");
    CHECK(id_of("1.0") == "1.0");
    CHECK(id_of("123456789012345678901234567890") == "123456789012345678901234567890");
    CHECK(id_of("null") == "null");
    CHECK(id_of("\"\"") == "\"\"");
    CHECK(id_of(R"("a\"b")") == R"("a\"b")");
    CHECK(parser.one(R"({"jsonrpc":"2.0","method":"server.info"})").id.empty());
}

TEST_CASE("parse: a frame or an envelope that is none", "[stream][parse]") {
    Parser parser;
    struct Case {
        std::string text;
        std::string failure;
    };
    const std::vector<Case> cases{
        {"", "-32700 parse_error  "},
        {"{", "-32700 parse_error  "},
        {"[\"\xc3\x28\"]", "-32700 parse_error  "},
        {std::string(17, '[') + std::string(17, ']'), "-32600 invalid_request  16"},
        {"[]", "-32600 invalid_request  1"},
        {"null", "-32600 invalid_request  "},
        {"[1]", "-32600 invalid_request  "},
        {"{}", "-32600 invalid_request jsonrpc "},
        {R"({"jsonrpc":2.0,"method":"server.info"})", "-32600 invalid_request jsonrpc "},
        {R"({"jsonrpc":"2.1","method":"server.info"})", "-32600 invalid_request jsonrpc "},
        {R"({"jsonrpc":"2.0","id":1})", "-32600 invalid_request method "},
        {R"({"jsonrpc":"2.0","id":1,"method":1})", "-32600 invalid_request method "},
        {R"({"jsonrpc":"2.0","id":{},"method":"server.info"})", "-32600 invalid_request id "},
        {R"({"jsonrpc":"2.0","id":true,"method":"server.info"})", "-32600 invalid_request id "},
        {R"({"jsonrpc":"2.0","id":")" + std::string(129, 'i') + R"(","method":"server.info"})",
         "-32600 invalid_request id 128"},
        {R"({"jsonrpc":"2.0","id":1,"method":"no.such"})", "-32601  method "},
        {request("server.info", "[]"), "-32602 invalid_params params "},
        {request("server.info", "null"), "-32602 invalid_params params "},
        {request("server.info", R"({"a":{"b":1,"\u0062":1}})"), "-32600 invalid_request b "},
    };
    for (const auto& one : cases) {
        CAPTURE(one.text);
        CHECK(parser.failed(one.text) == one.failure);
    }
    std::string many = "[1";
    for (int n = 0; n < 256; ++n) many += ",1";
    CHECK(parser.failed(many + "]") == "-32600 invalid_request  256");
}

TEST_CASE("parse: a parameter that is wrong is named", "[stream][parse]") {
    Parser parser;
    struct Case {
        std::string text;
        std::string failure;
    };
    const auto amount_max = channel::to_string(channel::Amount::max());
    const std::string bad_voucher =
        "-32000 invalid_batch_settlement_evm_voucher_signature voucher.signature ";
    const auto authorization = [](const std::string& salt, const std::string& more = "") {
        return deposit(R"({"erc3009Authorization":{"validAfter":"0","validBefore":"1","salt":)" +
                       salt + R"(,"signature":"0x01")" + more + "}}");
    };
    const auto refund = [](const std::string& params) {
        return request("channel.refund", params + (params == "{}" ? "" : "}"));
    };
    const auto id = R"({"channelId":)" + quoted(kChannel);
    const std::vector<Case> cases{
        {request("payment.pay", "{}"), "-32602 invalid_params channelId "},
        {request("payment.pay", R"({"channelId":1})"), "-32602 invalid_params channelId "},
        {request("payment.pay", R"({"channelId":"0x12"})"), "-32602 wrong_length channelId "},
        {request("payment.pay", R"({"channelId":"12"})"), "-32602 not_hex channelId "},
        {pay("10"), "-32602 invalid_params amount "},
        {pay("18446744073709551617"), "-32602 invalid_params amount "},
        {pay("null"), "-32602 invalid_params amount "},
        {pay(R"("010")"), "-32602 not_decimal amount "},
        {pay(R"("1.0")"), "-32602 not_decimal amount "},
        {pay(R"("0")"), "-32602 invalid_params amount 1"},
        {pay(R"("340282366920938463463374607431768211456")"),
         "-32602 amount_out_of_range amount " + amount_max},
        {pay(R"("1")", "[]"), "-32602 invalid_params voucher "},
        {pay(R"("1")", voucher("10")), "-32602 invalid_params voucher.maxClaimableAmount "},
        {pay(R"("1")", voucher(R"("1")", "beef")), "-32602 not_hex voucher.signature "},
        {pay(R"("1")", voucher(R"("1")", "0x")), bad_voucher},
        {pay(R"("1")", voucher(R"("1")", "0x" + std::string(2 * 2049, '1'))), bad_voucher},
        {pay(R"("1")",
             R"({"maxClaimableAmount":"1","signature":")" + kSignature + R"(","memo":1})"),
         "-32602 invalid_params voucher.memo "},
        {pay(R"("1")", R"({"channelId":"0x)" + std::string(64, 'b') +
                           R"(","maxClaimableAmount":"1","signature":")" + kSignature + "\"}"),
         "-32000 invalid_batch_settlement_evm_channel_id_mismatch voucher.channelId "},
        {pay(R"("1")", voucher(), "[]"), "-32602 invalid_params inference "},
        {pay(R"("1")", voucher(), R"({"model":"m"})"), "-32602 invalid_params inference.id "},
        {pay(R"("1")", voucher(), R"({"id":"a b","model":"m"})"),
         "-32602 not_an_inference_id inference.id "},
        {pay(R"("1")", voucher(), R"({"id":"a"})"), "-32602 invalid_params inference.model "},
        {pay(R"("1")", voucher(), inference(R"(,"units":{})")),
         "-32602 invalid_params inference.units "},
        {pay(R"("1")", voucher(), inference(R"(,"requestHash":"0x12")")),
         "-32602 wrong_length inference.requestHash "},
        {pay(R"("1")", voucher(), inference(R"(,"app":")" + std::string(4096, 'x') + "\"")),
         "-32602 invalid_params inference 4096"},
        {open(config("\"900\"")), "-32602 invalid_params channelConfig.withdrawDelay "},
        {open(config("900.5")),
         "-32602 invalid_params channelConfig.withdrawDelay 18446744073709551615"},
        {open(config("900", R"(,"memo":"x")")), "-32602 invalid_params channelConfig.memo "},
        {open(config(), R"(,"app":"a\u0000b")"), "-32602 invalid_params app "},
        {open(config(), R"(,"app":")" + std::string(257, 'a') + "\""),
         "-32602 invalid_params app 256"},
        {open(config(), deposit("{}")),
         "-32000 invalid_batch_settlement_evm_erc3009_authorization_required "
         "deposit.authorization.erc3009Authorization "},
        {open(config(), authorization("\"0x" + std::string(65, '1') + "\"")),
         "-32602 wrong_length deposit.authorization.erc3009Authorization.salt "},
        {open(config(), authorization("7")),
         "-32602 invalid_params deposit.authorization.erc3009Authorization.salt "},
        {open(config(), authorization("\"7\"", R"(,"v":27)")),
         "-32602 invalid_params deposit.authorization.erc3009Authorization.v "},
        {request("payment.accept", "{}"), "-32602 invalid_params channelConfig "},
        {accept(config("900", R"(,"memo":"x")")), "-32602 invalid_params channelConfig.memo "},
        {accept(config(), "[]"), "-32602 invalid_params voucher "},
        {accept(config(), voucher(R"("1")", "0x")), bad_voucher},
        {accept(config(), R"({"channelId":"0x12"})"), "-32602 wrong_length voucher.channelId "},
        {accept(config(), voucher(), R"(,"network":"1")"), "-32602 not_a_network network "},
        {accept(config(), voucher(), deposit("{}")),
         "-32000 invalid_batch_settlement_evm_erc3009_authorization_required "
         "deposit.authorization.erc3009Authorization "},
        {request("auth.login", R"({"message":"m","signature":"s","delegation":{"message":")" +
                                   std::string(5000, 'm') + "\"}}"),
         "-32602 invalid_params delegation.message 4096"},
        {request("auth.login", R"({"message":"m","signature":"s","delegation":"d"})"),
         "-32602 invalid_params delegation "},
        {refund("{}"), "-32602 invalid_params channelId "},
        {refund(id), "-32602 invalid_params voucher "},
        {refund(id + R"(,"voucher":)" + voucher(R"("1")", "0x")), bad_voucher},
        {refund(id + R"(,"voucher":)" + voucher("1")),
         "-32602 invalid_params voucher.maxClaimableAmount "},
        {refund(id + R"(,"amount":5,"voucher":)" + voucher()), "-32602 invalid_params amount "},
        {refund(id + R"(,"amount":"-5","voucher":)" + voucher()), "-32602 not_decimal amount "},
        {refund(id + R"(,"amount":null,"voucher":)" + voucher()), "-32602 invalid_params amount "},
        {open(config(), deposit(R"({"permit2Authorization":{},"erc3009Authorization":{}})")),
         "-32602 invalid_params deposit.authorization "},
        {open(config(), permit2(R"("token":"0x12","amount":"1")")),
         "-32602 not_an_address deposit.authorization.permit2Authorization.permitted.token "},
        {open(config(), permit2(kPermitted + R"(,"fee":"1")")),
         "-32602 invalid_params deposit.authorization.permit2Authorization.permitted.fee "},
        {open(config(), permit2(kPermitted, R"(,"memo":"1")")),
         "-32602 invalid_params deposit.authorization.permit2Authorization.memo "},
        {request("channel.list", R"({"limit":0})"), "-32602 invalid_params limit 1000"},
        {request("channel.list", R"({"limit":1001})"), "-32602 invalid_params limit 1000"},
        {request("channel.list", R"({"limit":"5"})"), "-32602 invalid_params limit "},
        {request("channel.list", R"({"limit":-5})"),
         "-32602 invalid_params limit 18446744073709551615"},
        {request("channel.list", R"({"cursor":"next"})"), "-32602 not_hex cursor "},
        {request("auth.challenge", R"({"address":"bob"})"), "-32602 not_an_address address "},
        {request("auth.login", R"({"message":")" + std::string(5000, 'm') + "\"}"),
         "-32602 invalid_params message 4096"},
        {request("settlement.claim", R"({"network":"1"})"), "-32602 not_a_network network "},
        {request("settlement.get", "{}"), "-32602 invalid_params claimId "},
        {request("events.subscribe", R"({"topics":[]})"), "-32602 invalid_params topics "},
        {request("events.subscribe", R"({"topics":["x"]})"), "-32602 invalid_params topics "},
        {request("events.subscribe", R"({"topics":["payment"],"fromSeq":1})"),
         "-32602 invalid_params fromSeq "},
        {request("events.subscribe", R"({"topics":["payment"],"fromSeq":"18446744073709551616"})"),
         "-32602 invalid_params fromSeq 18446744073709551615"},
    };
    for (const auto& one : cases) {
        CAPTURE(one.text);
        CHECK(parser.failed(one.text) == one.failure);
    }
}

TEST_CASE("parse: a bad member of a batch spoils no other", "[stream][parse]") {
    Parser parser;
    auto& frame = parser.parser.parse(
        "[" + pay(R"("1")") + ",{\"id\":7}," + pay("2") + "," +
        R"({"jsonrpc":"2.0","id":1,"id":2,"method":"server.info"},)" +
        R"({"jsonrpc":"2.0","id":3,"method":"server.info","params":{"a":1,"a":2}},)" +
        pay(R"("3")") + "]");
    REQUIRE(frame.is_batch);
    REQUIRE(frame.calls.size() == 6);
    const auto good = [&](std::size_t at) {
        return !std::holds_alternative<Failure>(frame.calls[at].command);
    };
    CHECK(good(0));
    CHECK_FALSE(good(1));
    CHECK(frame.calls[1].id == "7");
    CHECK_FALSE(good(2));
    CHECK(frame.calls[2].id == "\"x\"");
    CHECK_FALSE(good(3));
    CHECK(frame.calls[3].id == "null");
    CHECK_FALSE(good(4));
    CHECK(frame.calls[4].id == "3");
    CHECK(good(5));
}
