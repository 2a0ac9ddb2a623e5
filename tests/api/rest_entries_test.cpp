// What caused a journal entry, as an auditor is told.
#include "channel/hex.hpp"
#include "channel/secp256k1.hpp"
#include "tests/api/rest_stack.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>
#include <catch2/catch.hpp>

using namespace support;

namespace {

const Ask kAsAuditor{.bearer = RestStack::kAuditor};

/// The newest entry with a posting of this cause.
RestAnswer newest_entry(RestStack& stack, const std::string& cause) {
    const auto seq =
        stack.chain.query("select max(seq) from transfer where cause = '" + cause + "'");
    return stack.get("/v1/ledger/entries/" + seq, kAsAuditor);
}

std::string block_hash(Anvil& anvil, const std::string& number) {
    const auto block = boost::json::parse(
        anvil.rpc("eth_getBlockByNumber", fmt::format("[\"{:#x}\",false]", std::stoull(number))));
    return std::string(block.at("hash").as_string());
}

}  // namespace

TEST_CASE("entries: a deposit names its log, or the block that the contract was read at",
          "[rest][audit]") {
    RestStack stack;
    const auto id = channel::to_hex(stack.chain.id(stack.open(100'000)));
    const auto logged = newest_entry(stack, "deposit");
    REQUIRE(logged.status() == 200);
    CHECK(logged.text("/opening").empty());
    CHECK(logged.text("/chain/event") == "deposited");
    CHECK(logged.text("/chain/blockHash") ==
          block_hash(stack.chain.anvil, logged.text("/chain/blockNumber")));

    // Deposited before the service had heard of it.
    const auto config =
        stack.chain.terms(RestStack::kPayer, Anvil::key(RestStack::kProvider).address(), 7);
    stack.chain.deposit_directly(RestStack::kPayer, config, 5'000);
    REQUIRE(stack.chain.wait_until_followed());
    stack.chain.run(
        stack.chain.chain().open(stack.chain.network().network, config, "test", std::nullopt));
    const auto read = newest_entry(stack, "deposit");
    REQUIRE(read.status() == 200);
    CHECK(read.text("/postings/0/amount") == "5000");
    CHECK(read.text("/chain").empty());
    CHECK(read.text("/opening/network") == "eip155:31337");
    CHECK(read.text("/opening/channelId") == channel::to_hex(stack.chain.id(config)));
    CHECK(read.text("/opening/balance") == "5000");
    CHECK(read.text("/opening/totalClaimed") == "0");
    CHECK(read.text("/opening/blockHash") ==
          block_hash(stack.chain.anvil, read.text("/opening/blockNumber")));
    const auto page = stack.get("/v1/ledger/entries", kAsAuditor);
    const auto& last = page.body.at("entries").as_array().back();
    CHECK(last.at("opening") == read.body.at("opening"));
}

TEST_CASE("entries: one that sums more payments than it shows says where they go on",
          "[rest][audit]") {
    RestStack stack;
    const auto config = stack.open(100'000);
    stack.pay(config, 1);
    const auto payment = newest_entry(stack, "payment");
    CHECK(payment.body.at("payments").as_array().size() == 1);
    CHECK(payment.text("/paymentsNext").empty());
    const auto seq = payment.text("/seq");
    const auto more = [&](std::uint64_t entry_seq, std::uint64_t first, std::uint64_t count) {
        stack.chain.query(fmt::format(
            "insert into payment select channel_id, s, 'more-' || s, step, kind, content, amount, "
            "increment, charged, reserved, signed_max, balance, voucher_max, signature, "
            "covered_by, "
            "detail, at, channel_month from payment, generate_series({}, {}) s where seq = {}",
            first, first + count - 1, seq));
        stack.chain.query(fmt::format(
            "insert into transfer select {}, leg, asset_id, debit_kind, debit_owner, credit_kind, "
            "credit_owner, {}, cause, {}, null, null, at from transfer where seq = {}",
            entry_seq, count, first, seq));
        return stack.get("/v1/ledger/entries/" + std::to_string(entry_seq), kAsAuditor);
    };
    const auto all = more(30'000, 20'001, 10'000);
    CHECK(all.body.at("payments").as_array().size() == 10'000);
    CHECK(all.text("/paymentsNext").empty());
    const auto part = more(60'000, 49'001, 10'001);
    CHECK(part.body.at("payments").as_array().size() == 10'000);
    CHECK(part.text("/paymentsNext") == "59000");
    const auto rest =
        stack.get("/v1/channels/" + channel::to_hex(stack.chain.id(config)) + "/payments",
                  {.query = {{"after", "59000"}}, .bearer = RestStack::kAuditor});
    REQUIRE(rest.body.at("payments").as_array().size() == 1);
    CHECK(rest.text("/payments/0/inferenceId") == "more-59001");
}
