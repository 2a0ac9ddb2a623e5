#include "ledger/account_reader.hpp"
#include "ledger/time.hpp"
#include "ledger/trial_balance_reader.hpp"
#include "tests/support/journal_history.hpp"

#include <catch2/catch.hpp>
#include <pqxx/pqxx>

#include <atomic>
#include <cstdlib>
#include <map>
#include <random>
#include <thread>

using namespace support;

namespace {

using Sums = std::pair<channel::Uint128, channel::Uint128>;

struct Move {
    std::uint64_t seq;
    ledger::Time at;
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
             "select t.seq, s.token, debit_kind, debit_owner, credit_kind, credit_owner, amount, "
             "(extract(epoch from at) * 1000000)::bigint from transfer t join asset s using "
             "(asset_id) order by seq, leg"))
        moves.push_back({row[0].as<std::uint64_t>(),
                         ledger::Time{std::chrono::microseconds{row[7].as<std::int64_t>()}},
                         account(row, 2), account(row, 4),
                         channel::parse_amount(row[6].c_str())->units()});
    return moves;
}

/// What the accounts come to, of the moves that are not behind a moment.
template <class IsBehind>
std::map<std::string, Sums> sums_of(const std::vector<Move>& moves, IsBehind is_behind) {
    std::map<std::string, Sums> sums;
    for (const auto& move : moves) {
        if (is_behind(move)) continue;
        sums[move.debit].first += move.amount;
        sums[move.credit].second += move.amount;
    }
    return sums;
}

/// Every account that there is, as of the moment.
void check_all(ledger::Snapshot& snapshot, const std::vector<ledger::AccountId>& accounts,
               const ledger::Moment& moment, std::map<std::string, Sums> expected) {
    const auto seq = ledger::seq_at(snapshot, moment);
    REQUIRE(seq.has_value());
    for (const auto& id : accounts) {
        const auto name = ledger::to_string(id);
        const auto sums = expected[name];
        const auto account = ledger::read_account_at(snapshot, id, *seq);
        INFO(name << " at " << *seq);
        REQUIRE(account.has_value());
        REQUIRE(account->debits.units() == sums.first);
        REQUIRE(account->credits.units() == sums.second);
        const auto difference =
            std::max(sums.first, sums.second) - std::min(sums.first, sums.second);
        REQUIRE(account->balance.units() == difference);
        expected.erase(name);
    }
    CHECK(expected.empty());
}

std::uint64_t seed_of_the_run() {
    const char* given = std::getenv("MILLRACE_SEED");
    return given && *given ? std::stoull(given) : std::random_device{}();
}

}  // namespace

TEST_CASE("balance: at 1,000 moments every account is what the transfers add up to", "[audit]") {
    constexpr int kMoments = 1000;
    const auto seed = seed_of_the_run();
    INFO("MILLRACE_SEED=" << seed);
    Books books(GENERATE(Books::Posting::before_answers, Books::Posting::behind));
    JournalHistory history(books, seed);
    history.run(80);
    const auto moves = all_moves(books);
    REQUIRE(moves.size() > 100);
    pqxx::connection connection(books.postgres.service_url());
    ledger::Snapshot snapshot(connection);
    std::vector<ledger::AccountId> accounts;
    for (const auto& account : ledger::list_accounts(snapshot, {}, 1000))
        accounts.push_back(account.id);
    std::mt19937_64 random(seed);
    for (int n = 0; n < kMoments; ++n) {
        const auto seq = random() % (snapshot.seq() + 1);
        if (n % 4 != 0) {
            check_all(snapshot, accounts, seq,
                      sums_of(moves, [&](const Move& move) { return move.seq > seq; }));
            continue;
        }
        // As an entry is posted, the instant before and after, or at any time.
        const auto& near = moves[random() % moves.size()];
        const auto span = moves.back().at - kNoon + std::chrono::hours{2};
        const auto time =
            n % 8 == 0
                ? near.at + std::chrono::microseconds{static_cast<int>(random() % 3) - 1}
                : kNoon - std::chrono::hours{1} + span * static_cast<int>(random() % 1000) / 1000;
        INFO("at " << ledger::to_rfc3339(time));
        check_all(snapshot, accounts, time,
                  sums_of(moves, [&](const Move& move) { return move.at > time; }));
    }
    for (const auto& account : ledger::list_accounts(snapshot, {}, 1000)) {
        const auto then = ledger::read_account_at(snapshot, account.id, snapshot.seq());
        INFO(ledger::to_string(account.id));
        CHECK(account.debits == then->debits);
        CHECK(account.credits == then->credits);
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
