#include "ledger/chain/cursor.hpp"
#include "ledger/posted_event.hpp"
#include "tests/support/answers.hpp"

#include <catch2/catch.hpp>
#include <pqxx/pqxx>

using namespace support;
using channel::Error;
using ledger::Answer;
using ledger::ChannelChanged;
using ledger::Request;

namespace {

/// Log `index` of transaction number `n` as of block `number` of branch `branch`.
ledger::ChainLog log(std::uint8_t n, std::uint64_t number, std::uint8_t branch,
                     std::uint32_t index = 0) {
    ledger::ChainLog one;
    one.transaction.bytes.fill(n);
    one.log_index = index;
    one.block_number = number;
    one.block_hash.bytes.fill(branch);
    one.block_hash.bytes[0] = static_cast<std::uint8_t>(number);
    return one;
}

ledger::PostChannelEvent post(const Payer& app, const ledger::ChainLog& at,
                              ledger::ChannelChainEvent event) {
    return {{}, app.terms.id, at, event};
}

ledger::UndoChannelEvent undo(const Payer& app, std::uint64_t seq) {
    return {{}, app.terms.id, seq};
}

/// channel, claimed, earned, escrow of the token.
std::string accounts(Books& books) {
    return books.query(
        "select string_agg(abs(credits - debits)::text, '|' order by kind) from "
        "account where asset_id = " +
        std::to_string(books.token));
}

std::vector<ledger::StandingEvent> standing(Books& books, std::uint64_t above) {
    pqxx::connection connection(books.postgres.service_url());
    pqxx::work transaction(connection);
    return ledger::standing_not_passed(transaction, {31337}, above);
}

channel::State contract(std::uint64_t balance, std::uint64_t claimed, std::uint64_t nonce = 0) {
    channel::State state;
    state.balance = units(balance);
    state.total_claimed = units(claimed);
    state.refund_nonce = nonce;
    return state;
}

}  // namespace

TEST_CASE("reversal: a deposit is undone by a transfer that refers to it, and posted once again",
          "[shard][reversal]") {
    Books books;
    auto shard = books.shard();
    const auto app = payer(books, 1);
    process(shard, app.open(0));
    const auto deposit = channel::DepositConfirmed{units(500)};
    const auto first = log(1, 7, 0xa0, 3);
    const auto seq = changed(process(shard, post(app, first, deposit))[0]).seq;
    process(shard, app.pay("a", 200, 200));

    // As of another block it cannot be posted while it stands as of the first.
    const auto again = log(1, 9, 0xb0, 5);
    CHECK(refused(process(shard, post(app, again, deposit))[0]) == Error::idempotency_conflict);

    const auto undone = process(shard, undo(app, seq), undo(app, seq));
    CHECK(changed(undone[0]).name == "reversed");
    CHECK(changed(undone[0]).amount == units(500));
    CHECK(changed(undone[0]).state.balance == units(0));
    CHECK(changed(undone[0]).state.owed == units(200));
    CHECK(changed(undone[0]).state.in_doubt);
    CHECK(changed(undone[1]).name.empty());
    CHECK(changed(process(shard, undo(app, seq))[0]).name.empty());
    CHECK(accounts(books) == "0|0|0|0");
    CHECK(
        books.query("select cause, amount, reverses_seq, reverses_leg from transfer where seq > " +
                    std::to_string(seq + 1) + " order by leg") ==
        "reversal|500|" + std::to_string(seq) + "|0\nuncollectable|200|-|-");

    const auto included = changed(process(shard, post(app, again, deposit))[0]);
    CHECK(included.name == "opened");
    CHECK(included.state.charged == units(200));
    CHECK(accounts(books) == "300|0|200|500");
    CHECK(changed(process(shard, post(app, again, deposit))[0]).name.empty());

    // The chain changes back: the very log of the first time, once more.
    process(shard, undo(app, included.seq));
    CHECK(changed(process(shard, post(app, first, deposit))[0]).name == "opened");
    CHECK(books.query("select log_index, inclusion from chain_event order by seq") ==
          "3|0\n5|0\n3|1");
    CHECK(accounts(books) == "300|0|200|500");
    CHECK(books.trial_balance() == "0");
}

TEST_CASE("reversal: a claim, its settlement and its fee are undone newest first",
          "[shard][reversal]") {
    Books books;
    auto shard = books.shard();
    const auto app = payer(books, 1);
    process(shard, app.open(0));
    process(shard, post(app, log(1, 1, 0xa0), channel::DepositConfirmed{units(500)}));
    process(shard, app.pay("a", 200, 200));
    process(shard, post(app, log(2, 5, 0xa0), channel::ClaimConfirmed{units(200)}));
    process(shard, ledger::PostAssetEvent{{},
                                          books.token,
                                          log(2, 5, 0xa0, 1),
                                          ledger::Settled{app.terms.config.receiver, units(200)}});
    process(shard, ledger::PostAssetEvent{
                       {}, books.coin, log(2, 5, 0xa0, 99), ledger::FeePaid{units(21000)}});
    CHECK(accounts(books) == "300|0|0|300");

    const auto orphans = standing(books, 1);
    REQUIRE(orphans.size() == 3);
    CHECK(orphans[0].kind == "fee_paid");
    CHECK(orphans[1].kind == "settled");
    CHECK(orphans[2].kind == "claimed");
    for (const auto& orphan : orphans) {
        if (orphan.channel)
            process(shard, undo(app, orphan.seq));
        else
            process(shard, ledger::UndoAssetEvent{{}, *orphan.asset_id, orphan.seq});
    }
    CHECK(standing(books, 1).empty());
    CHECK(accounts(books) == "300|0|200|500");
    CHECK(books.query("select credits - debits from account where kind = 'wallet'") == "0");
    CHECK(books.query("select count(*) from transfer where cause = 'reversal'") == "3");
    CHECK(books.query("select bool_and(o.amount = r.amount and o.debit_kind = r.credit_kind and "
                      "o.credit_kind = r.debit_kind and o.credit_owner = r.debit_owner) "
                      "from transfer r join transfer o on o.seq = r.reverses_seq and o.leg = "
                      "r.reverses_leg where r.cause = 'reversal'") == "t");
    CHECK(books.trial_balance() == "0");

    // Settled for less on the other branch.
    process(shard, post(app, log(2, 6, 0xb0), channel::ClaimConfirmed{units(150)}));
    process(shard, ledger::PostAssetEvent{{},
                                          books.token,
                                          log(2, 6, 0xb0, 1),
                                          ledger::Settled{app.terms.config.receiver, units(150)}});
    CHECK(accounts(books) == "300|0|50|350");
}

TEST_CASE("reversal: a claim beyond the charges takes back what it had charged by itself",
          "[shard][reversal]") {
    Books books;
    auto shard = books.shard();
    const auto app = payer(books, 1);
    process(shard, app.open(500));
    process(shard, app.pay("a", 100, 100));
    const auto seq =
        changed(process(shard, post(app, log(2, 5, 0xa0), channel::ClaimConfirmed{units(250)}))[0])
            .seq;
    CHECK(accounts(books) == "250|250|0|500");
    process(shard, undo(app, seq));
    CHECK(accounts(books) == "400|0|100|500");
    CHECK(books.query("select count(*), count(distinct reverses_leg) from transfer where "
                      "cause = 'reversal' and reverses_seq = " +
                      std::to_string(seq)) == "2|2");
    CHECK(books.trial_balance() == "0");
}

TEST_CASE("reversal: withdrawals and refunds, and what they had taken from the provider",
          "[shard][reversal]") {
    Books books;
    auto shard = books.shard();
    const auto app = payer(books, 1);
    process(shard, app.open(500));
    process(shard, app.pay("a", 200, 200));
    const auto posted =
        process(shard, post(app, log(3, 5, 0xa0), channel::WithdrawalRequested{1'700'000'000}),
                post(app, log(4, 6, 0xa0), channel::RefundConfirmed{units(100)}),
                post(app, log(5, 7, 0xa0), channel::WithdrawalFinalized{units(400)}));
    CHECK(accounts(books) == "0|0|0|0");

    const auto finalized = changed(process(shard, undo(app, changed(posted[2]).seq))[0]).state;
    CHECK(finalized.withdraw_requested_at == 1'700'000'000);
    CHECK(finalized.status == channel::Status::closing);
    CHECK(accounts(books) == "200|0|200|400");
    CHECK(changed(process(shard, undo(app, changed(posted[1]).seq))[0]).state.refund_nonce == 0);
    const auto reopened = changed(process(shard, undo(app, changed(posted[0]).seq))[0]);
    CHECK(reopened.name == "reopened");
    CHECK(reopened.state.status == channel::Status::open);
    CHECK(accounts(books) == "300|0|200|500");
    CHECK(books.trial_balance() == "0");
}

TEST_CASE("reversal: half done and then a crash, the rest is done by whoever comes next",
          "[shard][reversal]") {
    Books books;
    const auto app = payer(books, 1);
    {
        auto shard = books.shard();
        process(shard, app.open(0));
        process(shard, post(app, log(1, 3, 0xa0), channel::DepositConfirmed{units(300)}));
        process(shard, post(app, log(2, 4, 0xa0), channel::DepositConfirmed{units(200)}));
        process(shard, app.pay("a", 400, 400));
        process(shard, undo(app, standing(books, 2)[0].seq));
        shard.release_lease(kNoon);
    }
    auto shard = books.shard();
    const auto left = standing(books, 2);
    REQUIRE(left.size() == 1);
    const auto state = changed(process(shard, undo(app, left[0].seq))[0]).state;
    CHECK(state.owed == units(400));
    CHECK(state.balance == units(0));
    CHECK(accounts(books) == "0|0|0|0");
    const auto back = changed(
        process(shard, post(app, log(1, 3, 0xb0), channel::DepositConfirmed{units(450)}))[0]);
    CHECK(back.state.charged == units(400));
    CHECK(accounts(books) == "50|0|400|450");
    CHECK(books.trial_balance() == "0");
}

TEST_CASE("reversal: a channel opened with a state that is gone begins again from the fork's",
          "[shard][reversal]") {
    Books books;
    auto shard = books.shard();
    const auto app = payer(books, 1);
    auto open = app.open(500);
    open.snapshot.total_claimed = units(100);
    open.snapshot.refund_nonce = 2;
    open.block = {9, log(0, 9, 0xa0).block_hash};
    process(shard, open, open);
    process(shard, app.pay("a", 150, 250));
    CHECK(accounts(books) == "250|0|150|400");

    const auto orphans = standing(books, 5);
    REQUIRE(orphans.size() == 1);
    CHECK(orphans[0].kind == ledger::kOpened);
    CHECK(orphans[0].block.number == 9);
    const ledger::ReplaceSnapshot replace{
        {}, app.terms.id, orphans[0].seq, contract(200, 0, 1), {5, log(0, 5, 0xa0).block_hash}};
    const auto replaced = changed(process(shard, replace)[0]);
    CHECK(replaced.name == "reversed");
    CHECK(replaced.state.balance == units(200));
    CHECK(replaced.state.charged == units(200));
    CHECK(replaced.state.owed == units(250));
    CHECK(accounts(books) == "0|0|200|200");
    CHECK(changed(process(shard, replace)[0]).name.empty());
    CHECK(standing(books, 5).empty());
    REQUIRE(standing(books, 4).size() == 1);
    CHECK(books.trial_balance() == "0");

    // And once more, down to where there was nothing yet.
    const ledger::ReplaceSnapshot nothing{
        {}, app.terms.id, standing(books, 4)[0].seq, {}, {3, log(0, 3, 0xa0).block_hash}};
    CHECK(changed(process(shard, nothing)[0]).state.status == channel::Status::pending);
    CHECK(accounts(books) == "0|0|0|0");
    CHECK(books.trial_balance() == "0");
}

TEST_CASE("reversal: the doubt stays until the contract agrees, over a restart",
          "[shard][reversal]") {
    Books books;
    const auto app = payer(books, 1);
    {
        auto shard = books.shard();
        process(shard, app.open(500));
        const auto seq =
            changed(process(shard, post(app, log(3, 5, 0xa0),
                                        channel::WithdrawalRequested{1'700'000'000}))[0])
                .seq;
        process(shard, undo(app, seq));
        shard.release_lease(kNoon);
    }
    auto shard = books.shard();
    const auto in_doubt = [&] {
        pqxx::connection connection(books.postgres.service_url());
        pqxx::work transaction(connection);
        return ledger::channels_in_doubt(transaction, {31337}).size();
    };
    CHECK(in_doubt() == 1);
    const auto compare = [&](const channel::State& with) {
        return changed(process(shard, ledger::ReconcileChannel{{}, app.terms.id, with})[0]).name;
    };
    CHECK(compare(contract(499, 0)).empty());
    CHECK(in_doubt() == 1);
    CHECK(compare(contract(500, 0)) == "reconciled");
    CHECK(in_doubt() == 0);
    CHECK(compare(contract(500, 0)).empty());
    CHECK(books.query("select name from event order by seq") ==
          "opened\nclosing\nreopened\nreconciled");
}

TEST_CASE("cursor: goes back to the newest block that is known, and keeps a record of it",
          "[reversal]") {
    Books books;
    pqxx::connection connection(books.postgres.service_url());
    pqxx::work transaction(connection);
    const channel::Network network{31337};
    const auto block = [](std::uint64_t number, std::uint8_t branch) {
        return ledger::chain::Cursor{number, log(0, number, branch).block_hash};
    };
    for (std::uint64_t number = 1; number <= 9; ++number)
        ledger::chain::advance_cursor(transaction, network, block(number, 0xa0));
    const auto known = ledger::chain::known_blocks(transaction, network);
    REQUIRE(known.size() == 9);
    CHECK(known.front().block_number == 9);
    CHECK(known.front().block_hash == block(9, 0xa0).block_hash);

    ledger::chain::go_back(transaction, network, {known[0], known[4], 5}, kNoon);
    CHECK(ledger::chain::read_cursor(transaction, network)->block_number == 5);
    ledger::chain::advance_cursor(transaction, network, block(6, 0xb0));
    CHECK(ledger::chain::known_blocks(transaction, network).front().block_hash ==
          block(6, 0xb0).block_hash);
    ledger::chain::go_back(transaction, network, {block(6, 0xb0), known[5], 3}, kNoon);
    const auto rows = transaction.exec(
        "select number, from_block, fork_block, depth from chain_reorganisation "
        "order by number");
    REQUIRE(rows.size() == 2);
    CHECK(rows[1][0].as<int>() == 2);
    CHECK(rows[1][1].as<int>() == 6);
    CHECK(rows[1][2].as<int>() == 4);
    CHECK(rows[1][3].as<int>() == 3);
}

TEST_CASE(
    "cursor: an event that was posted ahead of it makes no block known, and is not lost behind it",
    "[reversal]") {
    Books books;
    auto shard = books.shard();
    const auto app = payer(books, 1);
    process(shard, app.open(500));
    pqxx::connection connection(books.postgres.service_url());
    pqxx::work transaction(connection);
    const channel::Network network{31337};
    const auto block = [](std::uint64_t number, std::uint8_t branch) {
        return ledger::chain::Cursor{number, log(0, number, branch).block_hash};
    };
    // The chain has gone over to another branch, and only the event's poster knows it.
    changed(
        process(shard, post(app, log(3, 5, 0xb0), channel::WithdrawalRequested{1'700'000'000}))[0]);
    for (std::uint64_t number = 1; number <= 7; ++number)
        ledger::chain::advance_cursor(transaction, network, block(number, 0xa0));
    for (const auto& known : ledger::chain::known_blocks(transaction, network))
        CHECK(known.block_hash == block(known.block_number, 0xa0).block_hash);
    const auto left = ledger::standing_not_passed(transaction, network, 7);
    REQUIRE(left.size() == 1);
    CHECK(left[0].block.hash == block(5, 0xb0).block_hash);
    CHECK(left[0].kind == "withdraw_initiated");
    CHECK(ledger::standing_not_passed(transaction, network, 7, 5).size() == 1);
    CHECK(ledger::standing_not_passed(transaction, network, 7, 6).empty());
    CHECK(ledger::standing_not_passed(transaction, network, 4, 5).size() == 1);
}
