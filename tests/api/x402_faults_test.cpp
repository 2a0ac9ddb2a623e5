// What a facilitator says when the chain is slow, fails, or when the service ends in between.
#include "channel/eip712.hpp"
#include "channel/hex.hpp"
#include "channel/receive_authorization.hpp"
#include "channel/uint256.hpp"
#include "channel/voucher.hpp"
#include "ledger/chain/abi.hpp"
#include "tests/api/rpc_proxy.hpp"
#include "tests/api/x402_stack.hpp"
#include "tests/support/print.hpp"
#include "tests/support/wallet_code.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>

using namespace support;
using namespace std::chrono_literals;
using channel::Amount;
using Object = X402Stack::Object;

namespace {

void check_unknown(const RestAnswer& answer) {
    INFO(answer.response.body);
    CHECK(answer.text("/success") == "false");
    CHECK(answer.text("/errorReason") == "settlement_pending");
    CHECK(answer.text("/transaction").size() == 66);
    CHECK(answer.text("/errorMessage").find("ask again") != std::string::npos);
}

/// One of each kind that moves the token, ready to be sent.
struct Asked {
    std::string failed_reason;
    Object payload;
    Object required;
    std::string bearer;
};

std::vector<Asked> asked_of(X402Stack& test) {
    const auto fresh = test.own(1);
    const auto config = test.funded(test.delegated(2), 5000);
    const auto required = test.requirements(config);
    const auto receiver = test.token(X402Stack::kProvider);
    REQUIRE(test.settle(X402Stack::claim({test.row(config, 500, 500)}), required, receiver)
                .text("/success") == "true");
    return {{"deposit", test.deposit(fresh, 2000, 100), test.requirements(fresh), ""},
            {"settle", test.settlement(), required, ""},
            {"refund", test.completed(config, 600, 1000, 0), required, receiver}};
}

}  // namespace

TEST_CASE("x402 faults: a transaction that is not mined in time is waited for again, and sent once",
          "[x402]") {
    X402Stack test([](api::Config& config) { config.x402.wait = 1500ms; });
    const auto asked = asked_of(test);
    test.stop_mining();
    std::vector<std::string> hashes;
    for (int n = 0; n < 2; ++n) {
        for (const auto& one : asked) {
            const auto answer = test.settle(one.payload, one.required, one.bearer);
            check_unknown(answer);
            if (n == 0) hashes.push_back(answer.text("/transaction"));
            if (n == 0) test.chain.config.x402.wait = 150ms;
        }
    }
    test.chain.config.x402.wait = 30s;
    test.mine_on();
    for (std::size_t n = 0; n < asked.size(); ++n) {
        const auto answer = test.settle(asked[n].payload, asked[n].required, asked[n].bearer);
        INFO(answer.response.body);
        CHECK(answer.text("/success") == "true");
        CHECK_FALSE(answer.text("/amount").empty());
        // What the refund has claimed by then is owed beyond the settlement, and so paid by
        // another.
        const bool is_settlement = asked[n].failed_reason == "settle";
        CHECK((answer.text("/transaction") == hashes[n]) == !is_settlement);
        if (is_settlement) CHECK(answer.text("/amount") == "100");
    }
    CHECK(test.chain.query("select count(*) from facilitated") == "5");
}

TEST_CASE("x402 faults: a transaction that reverts says so, and may be asked for anew", "[x402]") {
    X402Stack test;
    const auto asked = asked_of(test);
    for (const auto& one : asked) {
        CAPTURE(one.failed_reason);
        test.stop_mining();
        test.chain.config.x402.wait = 150ms;
        const auto pending = test.settle(one.payload, one.required, one.bearer);
        check_unknown(pending);
        test.break_token();
        test.chain.config.x402.wait = 30s;
        test.mine_on();
        const auto failed = test.settle(one.payload, one.required, one.bearer);
        INFO(failed.response.body);
        CHECK(reason_of(failed) == one.failed_reason + "_transaction_failed");
        CHECK(failed.text("/transaction") == pending.text("/transaction"));
        const auto is_known = "select count(*) from outbox where status = 'failed' and hash = '\\" +
                              pending.text("/transaction").substr(1) + "'";
        REQUIRE(test.chain.wait([&] { return test.chain.query(is_known) == "1"; }));
        // A deposit's payer cannot even be asked what it holds.
        if (one.failed_reason != "deposit") {
            const auto still = test.settle(one.payload, one.required, one.bearer);
            CHECK(reason_of(still) == "transaction_reverted");
            CHECK(still.text("/transaction") == pending.text("/transaction"));
        }
        test.mend_token();
        const auto anew = test.settle(one.payload, one.required, one.bearer);
        INFO(anew.response.body);
        CHECK(anew.text("/success") == "true");
        CHECK(anew.text("/transaction") != pending.text("/transaction"));
    }
    CHECK(test.chain.trial_balance() == "0");
}

TEST_CASE("x402 faults: what the contract would refuse is not sent", "[x402]") {
    X402Stack test;
    const auto asked = asked_of(test);
    test.break_token();
    for (const auto& one : {asked[1], asked[2]}) {
        const auto answer = test.settle(one.payload, one.required, one.bearer);
        INFO(answer.response.body);
        CHECK(reason_of(answer) == one.failed_reason + "_simulation_failed");
        CHECK(answer.text("/transaction").empty());
    }
    CHECK(test.sent("settle") == "0");
    CHECK(test.sent("refund") == "0");
    test.mend_token();
}

TEST_CASE("x402 faults: a wallet that says yes and then no", "[x402]") {
    X402Stack test;
    ledger::chain::AbiTuple owners;
    owners.add(Anvil::key(X402Stack::kPayer).address())
        .add(Anvil::key(X402Stack::kStranger).address());
    auto config = test.delegated();
    config.payer =
        test.chain.anvil.deploy(ledger::chain::code::kTwoOwnerWalletCreation, owners.encode());
    ledger::chain::AbiTuple gift;
    gift.add(config.payer).add(std::uint64_t{100'000});
    test.chain.anvil.send(0, test.chain.anvil.token(),
                          ledger::chain::encode_call({0xa9, 0x05, 0x9c, 0xbb}, gift));
    // Both owners sign what one of them signs in a channel of keys.
    const auto by_both = [&](const channel::Digest& digest) {
        channel::Bytes both;
        for (const auto owner : {X402Stack::kPayer, X402Stack::kStranger}) {
            const auto signature = Anvil::key(owner).sign(digest);
            both.insert(both.end(), signature.bytes.begin(), signature.bytes.end());
        }
        return both;
    };
    const auto voucher = [&](std::uint64_t most) {
        const channel::Voucher promise{test.chain.id(config), Amount{most}};
        return channel::to_hex(channel::BytesView(by_both(channel::digest(
            ledger::chain::domain_separator({{Anvil::kChainId}, escrow_address()}), promise))));
    };
    const auto required = test.requirements(config);
    auto deposit = test.deposit(config, 5000, 100);
    deposit.at("voucher").as_object()["signature"] = voucher(100);
    auto& authorization =
        deposit.at("deposit").at("authorization").at("erc3009Authorization").as_object();
    const channel::ReceiveAuthorization transfer{
        config.payer,
        collector_address(),
        Amount{5000},
        {},
        *channel::parse_uint256(std::string(authorization["validBefore"].as_string())),
        channel::deposit_nonce(test.chain.id(config), {})};
    const auto token_separator =
        channel::domain_separator({"USD Coin", "2", Anvil::kChainId, test.chain.anvil.token()});
    authorization["signature"] =
        channel::to_hex(channel::BytesView(by_both(channel::digest(token_separator, transfer))));
    const auto deposited = test.settle(deposit, required);
    INFO(deposited.response.body);
    REQUIRE(deposited.text("/success") == "true");

    const auto receiver = test.token(X402Stack::kProvider);
    auto row = test.row(config, 600, 600);
    row["signature"] = voucher(600);
    auto paid = test.voucher(config, 600);
    paid.at("voucher").as_object()["signature"] = voucher(600);
    CHECK(test.verify(paid, required).text("/isValid") == "true");
    paid.at("voucher").as_object()["maxClaimableAmount"] = "601";
    CHECK(reason_of(test.verify(paid, required)) == "voucher_signature");

    const auto code = test.chain.anvil.rpc(
        "eth_getCode", "[\"" + channel::to_hex(config.payer) + "\",\"latest\"]");
    test.chain.anvil.set_code(config.payer, "0xfe");
    const auto refused = test.settle(X402Stack::claim({row}), required, receiver);
    CHECK(reason_of(refused) == "claim_simulation_failed");
    test.chain.anvil.set_code(config.payer, code.substr(1, code.size() - 2));

    test.stop_mining();
    test.chain.config.x402.wait = 150ms;
    const auto pending = test.settle(X402Stack::claim({row}), required, receiver);
    check_unknown(pending);
    test.chain.anvil.set_code(config.payer, "0xfe");
    test.chain.config.x402.wait = 30s;
    test.mine_on();
    const auto failed = test.settle(X402Stack::claim({row}), required, receiver);
    CHECK(reason_of(failed) == "claim_transaction_failed");
    CHECK(failed.text("/transaction") == pending.text("/transaction"));
    test.chain.anvil.set_code(config.payer, code.substr(1, code.size() - 2));
}

TEST_CASE("x402 faults: a node that hangs is told of", "[x402]") {
    X402Stack test([](api::Config& config) { config.networks[0].rpc_timeout = 1000ms; });
    const auto config = test.funded(test.own(), 5000);
    test.chain.anvil.suspend();
    REQUIRE(test.chain.wait([&] { return !test.chain.chain().health().front().following; }));
    const auto told = test.settle(test.settlement(), test.requirements(config));
    CHECK(reason_of(told) == "rpc_read_failed");
    CHECK(reason_of(test.verify(test.voucher(config, 1), test.requirements(config))) ==
          "rpc_read_failed");
    test.chain.anvil.resume();
}

TEST_CASE("x402 faults: what was written down and never sent is seen through by the next start",
          "[x402]") {
    std::unique_ptr<RpcProxy> node;
    X402Stack test([&](api::Config& config) {
        const auto& direct = config.networks[0].rpc_urls[0];
        const auto port = std::stoi(direct.substr(direct.rfind(':') + 1));
        node = std::make_unique<RpcProxy>(static_cast<std::uint16_t>(port),
                                          std::make_shared<Mempool>(), 1);
        config.networks[0].rpc_urls = {node->url()};
    });
    const auto config = test.funded(test.delegated(), 5000);
    const auto required = test.requirements(config);
    const auto receiver = test.token(X402Stack::kProvider);
    REQUIRE(test.settle(X402Stack::claim({test.row(config, 500, 500)}), required, receiver)
                .text("/success") == "true");
    // Written down, taken by the node, and lost there.
    Faults lost;
    lost.swallows = 100;
    node->set(lost);
    test.chain.config.x402.wait = 300ms;
    const auto pending = test.settle(test.settlement(), required);
    check_unknown(pending);
    CHECK(test.receiver_totals().total_settled == Amount{0});
    test.chain.stop();
    node->set({});
    test.chain.config.x402.wait = 30s;
    test.chain.start();
    api::x402::FacilitatorRequest again;
    again.requirements.scheme = "batch-settlement";
    again.requirements.network = "eip155:31337";
    again.requirements.asset = config.token;
    again.requirements.pay_to = config.receiver;
    again.payment.accepted = again.requirements;
    again.payment.payload = api::x402::SettlePayload{config.receiver, config.token};
    const auto told = test.chain.run(test.chain.chain().settle(again));
    const auto& settlement = std::get<api::x402::Settlement>(told);
    CHECK_FALSE(settlement.objection.has_value());
    REQUIRE(settlement.transaction.has_value());
    CHECK(channel::to_hex(*settlement.transaction) == pending.text("/transaction"));
    CHECK(settlement.amount == Amount{500});
    CHECK(test.receiver_totals().total_settled == Amount{500});
    CHECK(test.sent("settle") == "1");
}
