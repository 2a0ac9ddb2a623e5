#include "channel/hex.hpp"
#include "ledger/chain/escrow_calls.hpp"
#include "ledger/stats_reader.hpp"
#include "tests/api/chain_stack.hpp"
#include "tests/support/print.hpp"

#include <catch2/catch.hpp>

using namespace support;
using channel::Amount;
using channel::Error;
using channel::Status;

namespace {

/// Nobody else's in these tests, so that what it holds is what was swept to it.
const auto kReceiver =
    *channel::parse_fixed<channel::Address>("0x00000000000000000000000000000000000000aa");

api::ClaimSummary value_of(const api::ChainService::Outcome<api::ClaimSummary>& outcome) {
    if (const auto error = error_of(outcome))
        throw std::runtime_error("refused: " + std::string(channel::reason(*error)));
    return std::get<api::ClaimSummary>(outcome);
}

api::ChainService::Outcome<api::ClaimSummary> claim(ChainStack& stack) {
    return stack.run(stack.chain().claim(kReceiver, std::nullopt, std::nullopt));
}

/// What the metrics say can still be lost to withdrawals.
std::map<std::string, ledger::Stats::Closing> closing(ChainStack& stack) {
    const auto work = [](pqxx::connection& connection) { return ledger::read_stats(connection); };
    return stack.run(stack.database().run(work)).closing;
}

std::vector<std::string> names_of(const std::vector<api::ChainService::SettlementEvent>& events) {
    std::vector<std::string> names;
    for (const auto& event : events) names.push_back(event.name);
    return names;
}

/// Transfers of the token to the receiver, as the chain has logged them.
std::size_t transfers_to_receiver(ChainStack& stack) {
    const auto logs = stack.anvil.rpc(
        "eth_getLogs",
        "[{\"fromBlock\":\"0x0\",\"address\":\"" + channel::to_hex(stack.anvil.token()) +
            "\",\"topics\":[\"0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef\","
            "null,\"0x" +
            std::string(24, '0') + channel::to_hex(kReceiver).substr(2) + "\"]}]");
    std::size_t count = 0;
    for (std::size_t at = 0; (at = logs.find("\"logIndex\"", at)) != std::string::npos; ++at)
        ++count;
    return count;
}

}  // namespace

TEST_CASE("claim: all that is due is swept to the receiver in one transfer, to the unit",
          "[chain]") {
    ChainStack stack;
    stack.start();
    CHECK(error_of(claim(stack)) == Error::nothing_to_settle);
    const auto first = stack.terms(1, kReceiver, 1);
    const auto second = stack.terms(2, kReceiver, 2);
    const auto unused = stack.terms(2, kReceiver, 3);
    stack.opened(1, first, 10'000);
    stack.opened(2, second, 10'000);
    stack.opened(2, unused, 10'000);
    CHECK(stack.pay(1, first, 700, 1000) == std::nullopt);
    CHECK(stack.pay(2, second, 300, 300) == std::nullopt);
    CHECK(stack.pay(2, second, 41, 5000) == std::nullopt);

    const auto made = value_of(claim(stack));
    CHECK(made.channels == 2);
    CHECK(made.amount == Amount{1041});
    CHECK(made.transactions.size() == 1);
    CHECK((made.status == "sent" || made.status == "confirmed"));
    REQUIRE(stack.wait_for_claim(made.claim_id, "confirmed"));
    CHECK(stack.anvil.token_balance(kReceiver) == Amount{1041});
    CHECK(transfers_to_receiver(stack) == 1);

    const auto ended = value_of(stack.run(stack.chain().get_claim(made.claim_id, kReceiver)));
    CHECK(ended.status == "confirmed");
    CHECK(ended.amount == Amount{1041});
    CHECK(ended.transactions == made.transactions);
    CHECK(ended.error.empty());
    CHECK(error_of(stack.run(stack.chain().get_claim(made.claim_id, first.payer))) ==
          Error::forbidden);
    CHECK(error_of(stack.run(stack.chain().get_claim("0x00", kReceiver))) == Error::invalid_params);
    CHECK(names_of(stack.settlement_events()) ==
          std::vector<std::string>{"queued", "sent", "confirmed"});

    // Confirmed means: in the books as well.
    CHECK(stack.query("select sum(total_claimed) from channel") == "1041");
    CHECK(stack.query("select coalesce(sum(credits - debits), 0) from account "
                      "where kind in ('earned', 'claimed')") == "0");
    CHECK(stack.query("select sum(debits - credits) from account where kind = 'escrow'") ==
          "28959");
    CHECK(stack.anvil.token_balance(escrow_address()) == Amount{28'959});
    CHECK(stack.query("select count(*), sum(fee) = (select sum(debits) from account where kind = "
                      "'gas') from outbox") == "4|t");
    CHECK(stack.trial_balance() == "0");
    CHECK(error_of(claim(stack)) == Error::nothing_to_settle);

    // The next claim takes only what came since.
    CHECK(stack.pay(1, first, 59, 1000) == std::nullopt);
    const auto next = value_of(claim(stack));
    CHECK(next.amount == Amount{59});
    REQUIRE(stack.wait_for_claim(next.claim_id, "confirmed"));
    CHECK(stack.anvil.token_balance(kReceiver) == Amount{1100});
    CHECK(stack.trial_balance() == "0");
}

TEST_CASE("claim: more rows than one transaction takes are still one sweep", "[chain]") {
    ChainStack stack({}, [](api::Config& config) { config.networks[0].claim_rows_max = 2; });
    stack.start();
    for (unsigned n = 0; n < 5; ++n) {
        const auto terms = stack.terms(1, kReceiver, n);
        stack.opened(1, terms, 5000);
        CHECK(stack.pay(1, terms, 10 + n, 100) == std::nullopt);
    }
    const auto made = value_of(claim(stack));
    CHECK(made.channels == 5);
    CHECK(made.amount == Amount{60});
    CHECK(made.transactions.size() == 3);
    REQUIRE(stack.wait_for_claim(made.claim_id, "confirmed"));
    CHECK(stack.anvil.token_balance(kReceiver) == Amount{60});
    CHECK(transfers_to_receiver(stack) == 1);
    CHECK(value_of(stack.run(stack.chain().get_claim(made.claim_id, kReceiver))).amount ==
          Amount{60});
    CHECK(stack.trial_balance() == "0");
}

TEST_CASE("claim: one bad row is left out and holds up no other", "[chain]") {
    ChainStack stack;
    stack.start();
    std::vector<channel::ChannelId> ids;
    for (unsigned n = 0; n < 4; ++n) {
        const auto terms = stack.terms(1, kReceiver, n);
        ids.push_back(stack.opened(1, terms, 5000));
        CHECK(stack.pay(1, terms, 100, 100) == std::nullopt);
    }
    stack.query(
        "update channel set signature = decode(repeat('1b', 65), 'hex') where "
        "channel_id = '\\x" +
        channel::to_hex(ids[2]).substr(2) + "' returning 1");
    const auto made = value_of(claim(stack));
    CHECK(made.channels == 3);
    CHECK(made.amount == Amount{300});
    REQUIRE(stack.wait_for_claim(made.claim_id, "confirmed"));
    CHECK(stack.anvil.token_balance(kReceiver) == Amount{300});
    CHECK(stack.query("select count(*) from claim_row where channel_id = '\\x" +
                      channel::to_hex(ids[2]).substr(2) + "'") == "0");
}

TEST_CASE("claim: what somebody else has claimed is swept alone", "[chain]") {
    ChainStack stack;
    stack.start();
    const auto terms = stack.terms(1, kReceiver);
    const auto id = stack.opened(1, terms, 5000);
    CHECK(stack.pay(1, terms, 800, 800) == std::nullopt);
    // The receiver authorizer's own transaction, beside this service.
    const auto signature = channel::parse_fixed<channel::Signature>(
        "0x" + stack.query("select encode(signature, 'hex') from channel"));
    const std::vector<ledger::chain::VoucherClaim> rows{
        {terms, Amount{800}, *signature, Amount{800}}};
    stack.anvil.send(9, escrow_address(), ledger::chain::claim_call(rows));
    REQUIRE(stack.wait_for_event(id, "claimed"));
    CHECK(stack.state(id).total_claimed == Amount{800});
    CHECK(stack.state(id).charged == Amount{800});

    const auto made = value_of(claim(stack));
    CHECK(made.channels == 0);
    CHECK(made.amount == Amount{800});
    REQUIRE(stack.wait_for_claim(made.claim_id, "confirmed"));
    CHECK(stack.anvil.token_balance(kReceiver) == Amount{800});
    CHECK(stack.trial_balance() == "0");
}

TEST_CASE("claim: the fee is posted once although the service starts anew", "[chain]") {
    ChainStack stack({}, [](api::Config& config) { config.networks[0].confirmations = 2; });
    stack.start();
    const auto terms = stack.terms(1, kReceiver);
    const auto open = stack.run(
        stack.chain().open(stack.network().network, terms, "", stack.deposit(1, terms, 5000)));
    REQUIRE_FALSE(error_of(open).has_value());
    stack.anvil.mine(1);
    REQUIRE(stack.wait_for_status(stack.id(terms), Status::open));
    CHECK(stack.pay(1, terms, 800, 800) == std::nullopt);
    const auto made = value_of(claim(stack));
    stack.stop();
    stack.anvil.mine(3);
    stack.start();
    REQUIRE(stack.wait_for_claim(made.claim_id, "confirmed"));
    CHECK(stack.anvil.token_balance(kReceiver) == Amount{800});
    CHECK(stack.query("select count(*) from chain_event where kind = 'fee_paid'") == "2");
    CHECK(stack.query("select total_claimed from channel") == "800");
    CHECK(stack.trial_balance() == "0");
}

TEST_CASE("claim: by interval and by threshold without being asked", "[chain]") {
    const bool by_threshold = GENERATE(true, false);
    ChainStack stack({}, [&](api::Config& config) {
        if (by_threshold)
            config.networks[0].tokens[0].claim_threshold = Amount{500};
        else
            config.networks[0].claim_interval = std::chrono::seconds{1};
    });
    stack.start();
    const auto terms = stack.terms(1, kReceiver);
    stack.opened(1, terms, 5000);
    CHECK(stack.pay(1, terms, 499, 5000) == std::nullopt);
    if (by_threshold) {
        stack.anvil.mine(1);
        REQUIRE(stack.wait_until_followed());
        CHECK(stack.settlement_events().empty());
        CHECK(stack.pay(1, terms, 1, 5000) == std::nullopt);
    }
    REQUIRE(stack.wait([&] {
        return stack.query("select count(*) from claim where status = 'confirmed'") == "1";
    }));
    CHECK(stack.anvil.token_balance(kReceiver) == Amount{by_threshold ? 500u : 499u});
    CHECK(stack.trial_balance() == "0");
}

TEST_CASE("withdrawal: seen at once, service stops, the claim goes out inside the window",
          "[chain]") {
    ChainStack stack({}, [](api::Config& config) { config.networks[0].confirmations = 4; });
    stack.start();
    const auto terms = stack.terms(1, kReceiver);
    const auto id = stack.id(terms);
    stack.deposit_directly(1, terms, 5000);
    stack.anvil.mine(4);
    REQUIRE(stack.wait_until_followed());
    REQUIRE_FALSE(
        error_of(stack.run(stack.chain().open(stack.network().network, terms, "", std::nullopt)))
            .has_value());
    CHECK(stack.pay(1, terms, 800, 1000) == std::nullopt);

    stack.anvil.send(1, escrow_address(),
                     ledger::chain::initiate_withdraw_call(terms, Amount{5000}));
    REQUIRE(stack.wait_for_status(id, Status::closing));
    CHECK(stack.pay(1, terms, 1, 1000) == Error::channel_closing);
    REQUIRE(stack.wait(
        [&] { return stack.query("select count(*) from claim where status <> 'queued'") == "1"; }));
    stack.anvil.mine(5);
    REQUIRE(stack.wait([&] {
        return stack.query("select count(*) from claim where status = 'confirmed'") == "1";
    }));
    CHECK(stack.anvil.token_balance(kReceiver) == Amount{800});

    const auto before = stack.anvil.token_balance(terms.payer);
    stack.anvil.rpc("evm_increaseTime", "[901]");
    stack.anvil.send(1, escrow_address(), ledger::chain::finalize_withdraw_call(terms));
    stack.anvil.mine(4);
    REQUIRE(stack.wait_for_status(id, Status::closed));
    CHECK(stack.anvil.token_balance(terms.payer).units() - before.units() == 4200);
    CHECK(stack.state(id).balance == Amount{800});
    CHECK(stack.state(id).withdraw_requested_at == 0);
    CHECK(stack.query("select count(*) from chain_event where kind like 'withdraw%'") == "2");
    CHECK(stack.trial_balance() == "0");
}

TEST_CASE("withdrawal: a claim that is stuck offers more sooner than others, and is in time",
          "[chain]") {
    ChainStack stack({}, [](api::Config& config) {
        config.networks[0].poll_interval = std::chrono::milliseconds{5};
    });
    stack.start();
    const auto terms = stack.terms(1, kReceiver);
    const auto id = stack.opened(1, terms, 5000);
    CHECK(stack.pay(1, terms, 800, 800) == std::nullopt);
    stack.anvil.rpc("evm_setAutomine", "[false]");
    stack.anvil.rpc("eth_sendTransaction",
                    "[{\"from\":\"" + channel::to_hex(terms.payer) + "\",\"to\":\"" +
                        channel::to_hex(escrow_address()) + "\",\"data\":\"" +
                        channel::to_hex(channel::BytesView(
                            ledger::chain::initiate_withdraw_call(terms, Amount{5000}))) +
                        "\"}]");
    stack.anvil.mine(1);
    REQUIRE(stack.wait_for_status(id, Status::closing));
    const auto network = channel::to_string(stack.network().network);
    const std::string claim = "from outbox where purpose = 'claim' and status = 'sent'";
    REQUIRE(stack.wait([&] { return stack.query("select count(*) " + claim) == "1"; }));
    const auto first_fee = stack.query("select max_fee " + claim);
    const auto at_risk = closing(stack);
    REQUIRE(at_risk.count(network) == 1);
    CHECK(at_risk.at(network).unclaimed == 1);
    CHECK(at_risk.at(network).seconds_left > 0);
    CHECK(at_risk.at(network).seconds_left <= 900);
    // Two blocks that cost more than it offers: without a deadline it would wait for a third.
    for (int block = 0; block < 2; ++block) {
        stack.anvil.rpc("anvil_setNextBlockBaseFeePerGas", "[\"0x2540be400\"]");
        stack.anvil.mine(1);
    }
    REQUIRE(stack.wait([&] { return stack.query("select count(*) from outbox_attempt") >= "1"; }));
    CHECK(stack.query("select max_fee * 8 >= " + first_fee + " * 9 " + claim) == "t");
    stack.anvil.rpc("evm_setAutomine", "[true]");
    stack.anvil.mine(1);
    REQUIRE(stack.wait([&] { return stack.query("select status from claim") == "confirmed"; }));
    CHECK(stack.anvil.token_balance(kReceiver) == Amount{800});
    CHECK(stack.query("select count(*) from outbox where purpose = 'claim'") == "1");
    CHECK(closing(stack).empty());
    CHECK(stack.state(id).status == Status::closing);
    CHECK(stack.trial_balance() == "0");
}
