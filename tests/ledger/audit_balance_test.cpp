#include "ledger/account_reader.hpp"
#include "ledger/trial_balance_reader.hpp"
#include "tests/support/journal_history.hpp"

#include <catch2/catch.hpp>
#include <pqxx/pqxx>

#include <atomic>
#include <map>
#include <random>
#include <thread>

using namespace support;

namespace {

using Sums = std::pair<channel::Uint128, channel::Uint128>;

struct Move {
    std::uint64_t seq;
    std::string debit, credit;
    channel::Uint128 amount;
};

/// Every transfer there is, with accounts as they are named to auditors.
std::vector<Move> all_moves(Books& books) {
    pqxx::connection connection(books.postgres.url());
    pqxx::work transaction(connection);
    const auto account = [](const pqxx::row& row, int kind) {
        const std::string owner(row[kind + 1].c_str());
        auto id = "31337:0x" + std::string(row[1].c_str() + 2) + ":" + row[kind].c_str();
        return owner.size() > 2 ? id + ":0x" + owner.substr(2) : id;
    };
    std::vector<Move> moves;
    for (const auto& row : transaction.exec(
             "select t.seq, s.token, debit_kind, debit_owner, credit_kind, credit_owner, amount "
             "from transfer t join asset s using (asset_id) order by seq, leg"))
        moves.push_back({row[0].as<std::uint64_t>(), account(row, 2), account(row, 4),
                         channel::parse_amount(row[6].c_str())->units()});
    return moves;
}

}  // namespace

TEST_CASE("balance: 1,000 balances of the past are those that the transfers add up to", "[audit]") {
    Books books;
    JournalHistory history(books, 21);
    history.run(80);
    const auto moves = all_moves(books);
    std::map<std::string, int> accounts;
    for (const auto& move : moves) accounts[move.debit] = accounts[move.credit] = 0;
    std::vector<std::string> names;
    for (const auto& [name, unused] : accounts) names.push_back(name);
    pqxx::connection connection(books.postgres.service_url());
    ledger::Snapshot snapshot(connection);
    std::mt19937_64 random(4);
    for (int n = 0; n < 1000; ++n) {
        const auto& name = names[random() % names.size()];
        const auto seq = random() % (snapshot.seq() + 1);
        Sums sums{0, 0};
        for (const auto& move : moves) {
            if (move.seq > seq) break;
            if (move.debit == name) sums.first += move.amount;
            if (move.credit == name) sums.second += move.amount;
        }
        const auto account =
            ledger::read_account_at(snapshot, ledger::parse_account_id(name).value(), seq);
        INFO(name << " at " << seq);
        REQUIRE(account.has_value());
        REQUIRE(account->debits.units() == sums.first);
        REQUIRE(account->credits.units() == sums.second);
        const auto difference =
            std::max(sums.first, sums.second) - std::min(sums.first, sums.second);
        REQUIRE(account->balance.units() == difference);
    }
}

TEST_CASE("bank: while two writers go at full speed, every trial balance sums to zero", "[audit]") {
    constexpr std::int16_t kShards = 2;
    constexpr unsigned kChannels = 16;
    constexpr int kBatches = 150;
    Books books;
    books.postgres.execute("delete from shard_lease");
    {
        pqxx::connection connection(books.postgres.service_url());
        ledger::prepare_shards(connection, kShards, kNoon);
    }
    std::atomic<int> writing = kShards;
    std::atomic<std::uint64_t> paid = 0;
    const auto write = [&](std::int16_t number) {
        pqxx::connection connection(books.postgres.service_url());
        const auto lease =
            ledger::take_lease(connection, number, "bank", std::chrono::minutes{5}, kNoon);
        ledger::Shard shard({books.postgres.service_url(),
                             number,
                             kShards,
                             {},
                             ledger::Checking::newest_first,
                             std::chrono::seconds{30}},
                            books.assets, lease.value(), books.order);
        std::vector<Payer> payers;
        std::vector<ledger::Request> batch;
        for (unsigned n = 1; payers.size() < kChannels; ++n) {
            auto one = payer(books, 1000 * static_cast<unsigned>(number) + n, n % 3);
            if (ledger::shard_of(one.terms.id, kShards) != number) continue;
            batch.push_back(one.open(1'000'000));
            payers.push_back(std::move(one));
        }
        shard.process(std::move(batch), kNoon);
        for (int round = 1; round <= kBatches; ++round) {
            batch.clear();
            for (const auto& one : payers)
                batch.push_back(
                    one.pay("p-" + std::to_string(round), 7, 7u * static_cast<unsigned>(round)));
            for (const auto& answer : shard.process(std::move(batch), kNoon))
                if (std::holds_alternative<ledger::PaymentCommitted>(answer.outcome)) ++paid;
        }
        --writing;
    };
    std::atomic<int> reports = 0;
    std::atomic<int> unbalanced = 0;
    std::atomic<int> differing = 0;
    const auto audit = [&](unsigned seed) {
        std::mt19937_64 random(seed);
        pqxx::connection connection(books.postgres.url_as("millrace_auditor"));
        while (writing > 0) {
            ledger::Snapshot snapshot(connection);
            if (!ledger::read_trial_balance(snapshot, snapshot.seq()).balanced()) ++unbalanced;
            if (!ledger::read_trial_balance(snapshot, random() % (snapshot.seq() + 1)).balanced())
                ++unbalanced;
            for (const auto& account : ledger::list_accounts(snapshot, {}, 5)) {
                const auto then = ledger::read_account_at(snapshot, account.id, snapshot.seq());
                if (then->debits != account.debits || then->credits != account.credits) ++differing;
            }
            ++reports;
        }
    };
    {
        std::vector<std::jthread> threads;
        for (std::int16_t number = 0; number < kShards; ++number)
            threads.emplace_back(write, number);
        for (unsigned seed = 1; seed <= 2; ++seed) threads.emplace_back(audit, seed);
    }
    CHECK(paid == std::uint64_t{kShards} * kChannels * kBatches);
    CHECK(reports > 4);
    CHECK(unbalanced == 0);
    CHECK(differing == 0);
    CHECK(books.trial_balance() == "0");
}
