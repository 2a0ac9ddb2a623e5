#include "ledger/audit/statement_reader.hpp"
#include "channel/uint256.hpp"
#include "ledger/entry_reader.hpp"
#include "tests/support/ledger_fixture.hpp"

#include <catch2/catch.hpp>
#include <pqxx/pqxx>

#include <random>

using namespace support;
using namespace std::chrono_literals;
using ledger::AccountId;
using ledger::PostingKey;
using ledger::Side;
using ledger::Snapshot;

namespace {

ledger::ChainLog chain_log(unsigned n) {
    ledger::ChainLog one;
    one.transaction.bytes.fill(static_cast<std::uint8_t>(n));
    one.block_number = n;
    one.block_hash.bytes.fill(static_cast<std::uint8_t>(n));
    return one;
}

/// Channels of several payers to two receivers, with a random history of payments and claims.
struct History {
    Books books;
    ledger::Shard shard = books.shard();
    std::vector<Payer> apps;
    std::vector<std::uint64_t> paid;
    pqxx::connection connection{books.postgres.url()};

    explicit History(unsigned seed) {
        std::mt19937 random(seed);
        for (unsigned n = 1; n <= 4; ++n) {
            apps.push_back(payer(books, n, n % 2));
            paid.push_back(0);
            shard.process({apps.back().open(100'000)}, kNoon + std::chrono::minutes{n});
        }
        std::vector<std::uint64_t> claimed(apps.size());
        for (unsigned step = 0; step < 60; ++step) {
            const auto at = kNoon + 1h + std::chrono::minutes{step};
            const auto which = random() % apps.size();
            if (step % 7 == 6 && claimed[which] < paid[which]) {
                claimed[which] += 1 + random() % (paid[which] - claimed[which]);
                shard.process(
                    {ledger::PostChannelEvent{{},
                                              apps[which].terms.id,
                                              chain_log(step),
                                              channel::ClaimConfirmed{units(claimed[which])}}},
                    at);
            } else {
                pay(which, 1 + random() % 5, std::to_string(step), at);
            }
        }
    }

    void pay(std::size_t which, std::uint64_t times, const std::string& name, ledger::Time at) {
        std::vector<ledger::Request> batch;
        for (std::uint64_t n = 0; n < times; ++n) {
            paid[which] += n + 1;
            batch.emplace_back(apps[which].pay(name + "-" + std::to_string(n), n + 1, paid[which]));
        }
        shard.process(std::move(batch), at);
    }
};

/// Every leg of the period, read page by page, each page from a snapshot of its own.
ledger::Statement whole(pqxx::connection& connection, const AccountId& id,
                        const ledger::StatementPeriod& period, std::size_t limit) {
    std::optional<ledger::Statement> all;
    std::optional<PostingKey> after;
    for (;;) {
        Snapshot snapshot(connection);
        auto page = ledger::read_statement(snapshot, id, period, after, limit);
        REQUIRE(page.has_value());
        REQUIRE(page->legs.size() <= limit);
        const bool last = page->legs.size() < limit;
        if (!last) after = page->legs.back().key;
        if (!all)
            all = std::move(page);
        else
            all->legs.insert(all->legs.end(), page->legs.begin(), page->legs.end());
        if (last) return *all;
    }
}

/// What the entries say of the same account and period.
std::vector<PostingKey> keys_of(Snapshot& snapshot, const AccountId& id,
                                const ledger::StatementPeriod& period) {
    std::vector<PostingKey> keys;
    for (const auto& entry : ledger::list_entries(snapshot, period.from, 1000))
        for (const auto& posting : entry.postings)
            if (entry.seq <= period.to && (posting.debit == id || posting.credit == id))
                keys.push_back({entry.seq, posting.leg});
    return keys;
}

void check_equal(const ledger::Account& account, const ledger::Account& expected) {
    CHECK(account.id == expected.id);
    CHECK(account.debits == expected.debits);
    CHECK(account.credits == expected.credits);
    CHECK(account.balance == expected.balance);
    CHECK(account.side == expected.side);
    CHECK(account.symbol == expected.symbol);
    CHECK(account.decimals == expected.decimals);
}

void check_adds_up(const ledger::Statement& statement) {
    auto debits = statement.opening.debits;
    auto credits = statement.opening.credits;
    PostingKey before;
    for (const auto& leg : statement.legs) {
        CHECK(before < leg.key);
        before = leg.key;
        auto& moved = leg.side == Side::debit ? debits : credits;
        moved = channel::add(moved, leg.amount).value();
        const auto stands = ledger::standing(statement.opening.id.kind, debits, credits);
        CHECK(leg.balance == stands.balance);
        CHECK(leg.balance_side == stands.side);
        CHECK_FALSE(leg.counter == statement.opening.id);
    }
    CHECK(debits == statement.closing.debits);
    CHECK(credits == statement.closing.credits);
    CHECK(statement.debits == channel::subtract(debits, statement.opening.debits).value());
    CHECK(statement.credits == channel::subtract(credits, statement.opening.credits).value());
}

}  // namespace

TEST_CASE("statement: opening and legs lead to closing, for any account and period",
          "[statement]") {
    const auto seed = std::random_device{}();
    CAPTURE(seed);
    History history(seed);
    std::mt19937 random(seed);
    Snapshot snapshot(history.connection);
    pqxx::connection other(history.books.postgres.url());
    for (const auto& account : ledger::list_accounts(snapshot, {}, 100)) {
        CAPTURE(ledger::to_string(account.id));
        for (int n = 0; n < 6; ++n) {
            ledger::StatementPeriod period{random() % (snapshot.seq() + 1), snapshot.seq()};
            if (n > 0) period.to -= random() % (snapshot.seq() - period.from + 1);
            const auto limit = 1 + random() % 9;
            CAPTURE(period.from, period.to, limit);
            const auto statement = whole(other, account.id, period, limit);
            check_adds_up(statement);
            check_equal(statement.opening,
                        *ledger::read_account_at(snapshot, account.id, period.from));
            check_equal(statement.closing,
                        *ledger::read_account_at(snapshot, account.id, period.to));
            if (n == 0) check_equal(statement.closing, account);
            std::vector<PostingKey> keys;
            for (const auto& leg : statement.legs) keys.push_back(leg.key);
            CHECK(keys == keys_of(snapshot, account.id, period));
        }
    }
}

TEST_CASE("statement: a leg names the other account, its cause and what it sums", "[statement]") {
    Books books;
    auto shard = books.shard();
    const auto app = payer(books, 1);
    shard.process({app.open(1000)}, kNoon);
    shard.process({app.pay("a", 100, 100), app.pay("b", 50, 150)}, kNoon + 1h);
    pqxx::connection connection(books.postgres.url());
    Snapshot snapshot(connection);
    const auto& asset = books.assets.at(books.token);
    const auto id = app.terms.id.view();
    const auto receiver = app.terms.config.receiver.view();
    const AccountId channel{asset.network, asset.token, "channel", {id.begin(), id.end()}};
    const AccountId earned{
        asset.network, asset.token, "earned", {receiver.begin(), receiver.end()}};
    const auto statement =
        ledger::read_statement(snapshot, channel, {0, snapshot.seq()}, {}, 10).value();
    REQUIRE(statement.legs.size() == 2);
    const auto& deposit = statement.legs[0];
    CHECK(deposit.cause == "deposit");
    CHECK(deposit.side == Side::credit);
    CHECK(deposit.amount == units(1000));
    CHECK(deposit.counter.kind == "escrow");
    CHECK(deposit.at == "2026-01-02T12:00:00.000000Z");
    const auto& payment = statement.legs[1];
    CHECK(payment.cause == "payment");
    CHECK(payment.side == Side::debit);
    CHECK(payment.amount == units(150));
    CHECK(payment.balance == units(850));
    CHECK(payment.balance_side == Side::credit);
    CHECK(payment.counter == earned);
    CHECK(payment.first_seq == payment.key.seq - 1);
    CHECK(statement.closing.balance == units(850));

    // What one period ends with, the next begins with.
    const auto seq = deposit.key.seq;
    const auto first = ledger::read_statement(snapshot, channel, {0, seq}, {}, 10).value();
    const auto second =
        ledger::read_statement(snapshot, channel, {seq, snapshot.seq()}, {}, 10).value();
    check_equal(first.closing, second.opening);
    CHECK(first.legs.size() == 1);
    CHECK(second.legs.size() == 1);

    const auto empty = ledger::read_statement(snapshot, channel, {seq, seq}, {}, 10).value();
    CHECK(empty.legs.empty());
    check_equal(empty.opening, empty.closing);
    const auto behind = ledger::read_statement(snapshot, channel, {0, snapshot.seq()},
                                               PostingKey{snapshot.seq() + 5, 0}, 10);
    CHECK(behind->legs.empty());
    CHECK(behind->closing.balance == units(850));
    const AccountId nobody{asset.network, asset.token, "earned", channel::Bytes(20, 9)};
    CHECK_FALSE(ledger::read_statement(snapshot, nobody, {0, 1}, {}, 10).has_value());
}
