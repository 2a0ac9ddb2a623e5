#include "channel/uint256.hpp"
#include "ledger/chain/escrow_calls.hpp"
#include "tests/api/chain_stack.hpp"
#include "tests/support/print.hpp"

#include <catch2/catch.hpp>

using namespace support;
using channel::Amount;
using channel::Error;
using channel::Status;

namespace {

const auto kReceiver = Anvil::key(3).address();

const api::OpenedChannel& value_of(const api::ChainService::Outcome<api::OpenedChannel>& outcome) {
    if (const auto error = error_of(outcome))
        throw std::runtime_error("refused: " + std::string(channel::reason(*error)));
    return std::get<api::OpenedChannel>(outcome);
}

}  // namespace

TEST_CASE("deposit: pending until its confirmations, then its channel is open", "[chain]") {
    ChainStack stack({}, [](api::Config& config) { config.networks[0].confirmations = 3; });
    stack.start();
    const auto terms = stack.terms(1, kReceiver);
    const auto opened = value_of(stack.run(
        stack.chain().open(stack.network().network, terms, "demo", stack.deposit(1, terms, 5000))));
    CHECK(opened.id == stack.id(terms));
    CHECK(opened.status == Status::pending);
    CHECK(opened.balance == Amount{0});
    REQUIRE(opened.transaction.has_value());

    stack.anvil.mine(1);
    REQUIRE(stack.wait_until_followed());
    CHECK(stack.state(opened.id).status == Status::pending);
    CHECK(stack.pay(1, terms, 1, 10) == Error::channel_not_open);

    stack.anvil.mine(1);
    REQUIRE(stack.wait_for_status(opened.id, Status::open));
    CHECK(stack.state(opened.id).balance == Amount{5000});
    CHECK(stack.pay(1, terms, 1, 10) == std::nullopt);
    REQUIRE(stack.wait([&] { return stack.query("select status from outbox") == "confirmed"; }));
    CHECK(stack.query("select count(*) from chain_event where kind = 'fee_paid'") == "1");
    CHECK(stack.query("select sum(debits) > 0 from account where kind = 'gas'") == "t");
    CHECK(stack.trial_balance() == "0");
}

TEST_CASE("deposit: the same one again is the same transaction and counts once", "[chain]") {
    ChainStack stack;
    stack.start();
    const auto terms = stack.terms(1, kReceiver);
    const auto deposit = stack.deposit(1, terms, 5000);
    const auto open = [&] {
        return value_of(stack.run(stack.chain().open(stack.network().network, terms, "", deposit)));
    };
    const auto first = open();
    REQUIRE(stack.wait_for_status(first.id, Status::open));
    const auto second = open();
    CHECK(second.transaction == first.transaction);
    CHECK(second.status == Status::open);
    CHECK(second.balance == Amount{5000});
    CHECK(stack.query("select count(*) from outbox") == "1");

    const auto more = value_of(
        stack.run(stack.chain().top_up(first.id, terms.payer, stack.deposit(1, terms, 2000, 1))));
    CHECK(more.transaction != first.transaction);
    REQUIRE(stack.wait_for_event(first.id, "topped_up"));
    CHECK(stack.query("select balance from channel") == "7000");
    CHECK(stack.channel_events(first.id) ==
          std::vector<std::string>{"pending", "opened", "topped_up"});
    CHECK(stack.trial_balance() == "0");
}

TEST_CASE("open: a channel funded on chain is taken at once, with every deposit counted once",
          "[chain]") {
    ChainStack stack({}, [](api::Config& config) { config.networks[0].confirmations = 2; });
    stack.start();
    const auto terms = stack.terms(1, kReceiver);
    const auto open = [&] {
        return stack.run(stack.chain().open(stack.network().network, terms, "", std::nullopt));
    };
    CHECK(error_of(open()) == Error::channel_not_found);
    CHECK(stack.query("select count(*) from channel") == "0");

    stack.deposit_directly(1, terms, 4000);
    const auto unconfirmed = value_of(open());
    CHECK(unconfirmed.status == Status::pending);
    stack.anvil.mine(1);
    REQUIRE(stack.wait_for_status(unconfirmed.id, Status::open));

    const auto other = stack.terms(2, kReceiver, 7);
    stack.deposit_directly(2, other, 3000);
    stack.anvil.mine(1);
    stack.deposit_directly(2, other, 500, 1);
    REQUIRE(stack.wait_until_followed());
    const auto confirmed =
        value_of(stack.run(stack.chain().open(stack.network().network, other, "", std::nullopt)));
    CHECK(confirmed.status == Status::open);
    CHECK(confirmed.balance == Amount{3000});
    stack.anvil.mine(1);
    REQUIRE(stack.wait([&] { return stack.query("select sum(balance) from channel") == "7500"; }));
    CHECK(stack.trial_balance() == "0");
}

TEST_CASE("open: what cannot become a channel is refused and leaves nothing", "[chain]") {
    ChainStack stack({}, [](api::Config& config) {
        config.networks[0].withdraw_delay_seconds_min = 900;
        config.networks[0].withdraw_delay_seconds_max = 86'400;
    });
    stack.start();
    const auto network = stack.network().network;
    const auto good = stack.terms(1, kReceiver);
    const auto refused = [&](const channel::ChannelConfig& terms, const api::GaslessDeposit& one) {
        return error_of(stack.run(stack.chain().open(network, terms, "", one)));
    };
    const auto deposit = stack.deposit(1, good, 5000);
    CHECK(error_of(stack.run(stack.chain().open({1}, good, "", deposit))) ==
          Error::network_mismatch);
    auto terms = good;
    terms.token = kReceiver;
    CHECK(refused(terms, deposit) == Error::token_mismatch);
    terms = good;
    terms.withdraw_delay_seconds = 899;
    CHECK(refused(terms, deposit) == Error::withdraw_delay_out_of_range);
    terms.withdraw_delay_seconds = 86'401;
    CHECK(refused(terms, deposit) == Error::withdraw_delay_out_of_range);
    terms = good;
    terms.receiver = {};
    CHECK(refused(terms, deposit) == Error::receiver_mismatch);
    terms = good;
    terms.receiver_authorizer = {};
    CHECK(refused(terms, deposit) == Error::receiver_authorizer_mismatch);

    CHECK(refused(good, stack.deposit(1, good, 999)) == Error::deposit_below_min_deposit);
    CHECK(refused(good, stack.deposit(2, good, 5000)) == Error::receive_authorization_signature);
    CHECK(refused(good, stack.deposit(1, good, 1'000'000'000'001)) == Error::insufficient_balance);
    auto changed = deposit;
    std::get<ledger::chain::Erc3009Authorization>(changed.authorization).valid_after =
        channel::word_from(std::uint64_t{4'102'444'799});
    CHECK(refused(good, changed) == Error::payload_authorization_valid_after);
    changed = deposit;
    std::get<ledger::chain::Erc3009Authorization>(changed.authorization).valid_before =
        channel::word_from(std::uint64_t{1'700'000'000});
    CHECK(refused(good, changed) == Error::payload_authorization_valid_before);
    changed = deposit;
    changed.amount = Amount{5001};
    CHECK(refused(good, changed) == Error::receive_authorization_signature);
    CHECK(stack.query("select count(*) from channel") == "0");
    CHECK(stack.query("select count(*) from outbox") == "0");

    // Used already, by somebody else's transaction.
    stack.deposit_directly(1, good, 5000);
    CHECK(refused(good, deposit) == Error::deposit_simulation_failed);
    CHECK(stack.query("select count(*) from outbox") == "0");

    const auto id = stack.id(good);
    CHECK(error_of(stack.run(stack.chain().top_up(id, good.payer, deposit))) ==
          Error::channel_unknown);
    stack.run(stack.chain().open(network, good, "", std::nullopt));
    CHECK(error_of(stack.run(stack.chain().top_up(id, kReceiver, deposit))) == Error::forbidden);
}

TEST_CASE("deposit: through Permit2 the payer's approval and signature move exactly the amount",
          "[chain]") {
    ChainStack stack;
    stack.start();
    const auto network = stack.network().network;
    const auto terms = stack.terms(1, kReceiver);
    const auto deposit = stack.permit2_deposit(1, terms, 5000, 77);
    const auto open = [&] { return stack.run(stack.chain().open(network, terms, "", deposit)); };
    const auto before = stack.anvil.token_balance(terms.payer);

    CHECK(error_of(open()) == Error::permit2_allowance_required);
    stack.approve_permit2(1, 4999);
    CHECK(std::get<channel::Refusal>(open()).limit == Amount{4999});
    CHECK(stack.query("select count(*) from outbox") == "0");
    CHECK(stack.query("select count(*) from channel") == "0");
    stack.approve_permit2(1, 10'000);

    const auto opened = value_of(open());
    REQUIRE(stack.wait_for_status(opened.id, Status::open));
    CHECK(stack.state(opened.id).balance == Amount{5000});
    CHECK(stack.anvil.token_balance(terms.payer) ==
          channel::subtract(before, Amount{5000}).value());
    CHECK(stack.anvil.token_balance(escrow_address()) == Amount{5000});

    // The same again is the same transaction, and a top-up by either method is another.
    CHECK(value_of(open()).transaction == opened.transaction);
    const auto more = stack.permit2_deposit(1, terms, 1700, 78);
    value_of(stack.run(stack.chain().top_up(opened.id, terms.payer, more)));
    value_of(
        stack.run(stack.chain().top_up(opened.id, terms.payer, stack.deposit(1, terms, 2000, 1))));
    REQUIRE(stack.wait([&] { return stack.query("select balance from channel") == "8700"; }));
    CHECK(stack.query("select count(*) from outbox") == "3");
    CHECK(stack.pay(1, terms, 8700, 8700) == std::nullopt);
    CHECK(stack.trial_balance() == "0");
}

TEST_CASE("deposit: a Permit2 nonce is good for one deposit, whatever the channel", "[chain]") {
    ChainStack stack;
    stack.start();
    const auto network = stack.network().network;
    stack.approve_permit2(1, 100'000);
    const auto first = stack.terms(1, kReceiver, 1);
    const auto second = stack.terms(1, kReceiver, 2);
    const auto open = [&](const channel::ChannelConfig& terms, const api::GaslessDeposit& deposit) {
        return stack.run(stack.chain().open(network, terms, "", deposit));
    };
    value_of(open(first, stack.permit2_deposit(1, first, 5000, 7)));
    CHECK(error_of(open(second, stack.permit2_deposit(1, second, 5000, 7))) ==
          Error::deposit_simulation_failed);
    CHECK(error_of(open(first, stack.permit2_deposit(1, first, 5001, 7))) ==
          Error::deposit_simulation_failed);
    // Signed for the other channel, or by somebody else.
    CHECK(error_of(open(second, stack.permit2_deposit(1, first, 5000, 8))) ==
          Error::channel_id_mismatch);
    CHECK(error_of(open(second, stack.permit2_deposit(2, second, 5000, 8))) ==
          Error::permit2_invalid_signature);
    CHECK(stack.query("select count(*) from outbox") == "1");

    // Used on chain without the service.
    const auto third = stack.terms(1, kReceiver, 3);
    const auto used = stack.permit2_deposit(1, third, 5000, 9);
    ledger::chain::DepositTerms collector;
    collector.permit2_collector = permit2_collector_address();
    stack.anvil.send(1, escrow_address(), ledger::chain::deposit_call(collector, third, used));
    CHECK(error_of(open(third, used)) == Error::deposit_simulation_failed);
    CHECK(stack.trial_balance() == "0");
}

TEST_CASE("deposit: a token is taken by the methods that its configuration names", "[chain]") {
    ChainStack stack({}, [](api::Config& config) {
        config.networks[0].tokens[0].transfer_methods = {api::TransferMethod::permit2};
    });
    stack.start();
    stack.approve_permit2(1, 5000);
    const auto terms = stack.terms(1, kReceiver);
    const auto network = stack.network().network;
    CHECK(error_of(
              stack.run(stack.chain().open(network, terms, "", stack.deposit(1, terms, 5000)))) ==
          Error::permit2_authorization_required);
    value_of(
        stack.run(stack.chain().open(network, terms, "", stack.permit2_deposit(1, terms, 5000))));
}

TEST_CASE("deposit: waited for until it has its confirmations, for so long", "[chain]") {
    ChainStack stack({}, [](api::Config& config) {
        config.networks[0].confirmations = 3;
        config.limits.deposit_wait = std::chrono::seconds{1};
    });
    stack.start();
    const auto network = stack.network().network;
    const auto terms = stack.terms(1, kReceiver);
    const auto deposit = stack.deposit(1, terms, 5000);
    const auto wait = [&](const api::GaslessDeposit& one) {
        const auto is_unwanted = std::make_shared<const std::atomic<bool>>(false);
        return stack.run(stack.chain().await_deposit(network, terms, one, is_unwanted));
    };
    CHECK(error_of(wait(deposit)) == Error::deposit_transaction_failed);
    const auto opened = value_of(stack.run(stack.chain().open(network, terms, "", deposit)));
    const auto outcome = wait(deposit);
    CHECK(std::get<channel::Refusal>(outcome) ==
          channel::Refusal{Error::unavailable, Amount{1}, "deposit"});

    boost::asio::io_context io;
    auto waiting = boost::asio::co_spawn(
        io,
        stack.chain().await_deposit(network, terms, deposit,
                                    std::make_shared<const std::atomic<bool>>(false)),
        boost::asio::use_future);
    stack.anvil.mine(2);
    io.run();
    const auto counted = waiting.get();
    REQUIRE_FALSE(error_of(counted).has_value());
    CHECK(std::get<api::RelayedDeposit>(counted).transaction == opened.transaction);
    CHECK(std::get<api::RelayedDeposit>(counted).amount == Amount{5000});
    CHECK(stack.query("select status, balance from channel") == "open|5000");
}

TEST_CASE("deposit: nobody waits for whom there is no room, or who is gone", "[chain]") {
    for (const bool full : {true, false}) {
        ChainStack stack({}, [&](api::Config& config) {
            config.networks[0].confirmations = 100;
            config.limits.deposit_wait = std::chrono::hours{1};
            if (full) config.limits.deposits_awaited_max = 0;
        });
        stack.start();
        const auto network = stack.network().network;
        const auto terms = stack.terms(1, kReceiver);
        const auto deposit = stack.deposit(1, terms, 5000);
        value_of(stack.run(stack.chain().open(network, terms, "", deposit)));
        const auto is_unwanted = std::make_shared<std::atomic<bool>>(false);
        boost::asio::io_context io;
        auto waiting = boost::asio::co_spawn(
            io, stack.chain().await_deposit(network, terms, deposit, is_unwanted),
            boost::asio::use_future);
        if (!full) *is_unwanted = true;
        io.run();
        CHECK(error_of(waiting.get()) == (full ? Error::overloaded : Error::unavailable));
    }
}

TEST_CASE("deposit: many at once each get a nonce of their own", "[chain]") {
    ChainStack stack;
    stack.start();
    constexpr unsigned kChannels = 12;
    boost::asio::io_context io;
    std::vector<std::future<api::ChainService::Outcome<api::OpenedChannel>>> outcomes;
    std::vector<channel::ChannelConfig> all;
    for (unsigned n = 0; n < kChannels; ++n) {
        const auto payer = n % 2 + 1;
        all.push_back(stack.terms(payer, kReceiver, n));
        // The last is the same request as the one before it.
        if (n == kChannels - 1) all.back() = all[n - 2];
        outcomes.push_back(
            boost::asio::co_spawn(io,
                                  stack.chain().open(stack.network().network, all.back(), "",
                                                     stack.deposit(payer, all.back(), 2000)),
                                  boost::asio::use_future));
    }
    io.run();
    for (auto& outcome : outcomes) value_of(outcome.get());
    REQUIRE(stack.wait([&] {
        return stack.query("select count(*), sum(balance) from channel where status = 'open'") ==
               "11|22000";
    }));
    CHECK(stack.query("select count(*), count(distinct nonce) from outbox") == "11|11");
    CHECK(stack.trial_balance() == "0");
}
