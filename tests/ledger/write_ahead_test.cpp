#include "ledger/commit_order.hpp"
#include "tests/support/ledger_fixture.hpp"

#include <fmt/format.h>
#include <catch2/catch.hpp>
#include <pqxx/pqxx>

#include <future>
#include <memory>

using namespace support;
using namespace std::chrono_literals;
using ledger::CommitOrder;

namespace {

using Answers = std::vector<ledger::Answer>;

/// Transactions whose last statement was that of a batch.
const std::string kAhead =
    " from pg_stat_activity where datname = current_database() and application_name = "
    "'millrace-shard' and state = 'idle in transaction' and query like '%with sequence as%'";

/// A shard whose next batch of payments comes while somebody else has the turn.
struct Waiting {
    Books books;
    ledger::Shard shard;
    Payer app = payer(books, 1);
    Payer other = payer(books, 2);
    std::int64_t last = 0;
    /// Payments of one unit at the end of the batch.
    std::int64_t more = 0;
    /// In which it was written ahead.
    std::string transaction;
    std::future<Answers> answers;

    explicit Waiting(std::chrono::milliseconds commit_timeout = 5s)
        : shard(books.shard("first", kNoon, commit_timeout)) {
        shard.process({app.open(1000), other.open(1000)}, kNoon);
        REQUIRE(charged(shard.process({app.pay("a", 10, 10)}, kNoon)[0]) == "10");
        last = last_seq();
    }

    /// Until the batch is written as far as it may be.
    void pay() {
        std::vector<ledger::Request> requests{app.pay("b", 10, 20), app.authorize("c", 5, 30),
                                              other.pay("a", 7, 7)};
        for (std::int64_t n = 1; n <= more; ++n)
            requests.push_back(
                other.pay("more" + std::to_string(n), 1, static_cast<std::uint64_t>(7 + n)));
        answers = std::async(std::launch::async,
                             [this, requests] { return shard.process(requests, kNoon); });
        wait_until_written_ahead("1");
        transaction = books.query("select backend_xid" + kAhead);
        REQUIRE_FALSE(transaction.empty());
    }

    void wait_until_written_ahead(const std::string& count) {
        const auto deadline = std::chrono::steady_clock::now() + 30s;
        while (written_ahead() != count) REQUIRE(std::chrono::steady_clock::now() < deadline);
    }

    std::string written_ahead() { return books.query("select count(*)" + kAhead); }

    /// That the rows are those that were written ahead, or that they are not.
    void check_written_ahead(bool ahead) {
        const auto written = books.query("select distinct xmin from channel where seq > 2");
        CHECK((written == transaction) == ahead);
    }

    std::int64_t last_seq() {
        return std::stoll(books.query("select last_seq from commit_sequence"));
    }

    static std::string charged(const ledger::Answer& answer) {
        const auto* paid = std::get_if<ledger::PaymentCommitted>(&answer.outcome);
        return paid ? channel::to_string(paid->result.charged) : "refused";
    }

    /// That the batch was committed once, under the numbers from `base + 1` on.
    void check_committed(std::int64_t base) {
        const auto done = answers.get();
        const auto end = base + 3 + more;
        REQUIRE(done.size() == static_cast<std::size_t>(3 + more));
        CHECK(charged(done[0]) == "20");
        CHECK(charged(done.back()) == std::to_string(7 + more));
        for (std::size_t at = 0; at < done.size(); ++at) {
            const auto* paid = std::get_if<ledger::PaymentCommitted>(&done[at].outcome);
            REQUIRE(paid);
            CHECK(paid->result.seq == static_cast<std::uint64_t>(base) + at + 1);
        }
        CHECK(last_seq() == end);
        CHECK(books.query("select min(seq), max(seq), count(*), count(distinct seq) from payment "
                          "where seq > " +
                          std::to_string(base)) ==
              fmt::format("{}|{}|{}|{}", base + 1, end, 3 + more, 3 + more));
        CHECK(books.query("select string_agg(seq || ':' || amount, ' ' order by seq) from transfer "
                          "where cause = 'payment' and seq > " +
                          std::to_string(base)) ==
              fmt::format("{}:10 {}:{}", base + 1, end, 7 + more));
        CHECK(books.query("select batch_base from shard_lease") == std::to_string(base));
        CHECK(books.query("select sum(charged), sum(reserved) from channel") ==
              fmt::format("{}|5", 27 + more));
        CHECK(books.trial_balance() == "0");
    }

    /// That the shard goes on.
    void check_goes_on() {
        CHECK(charged(shard.process({app.pay("d", 1, 31)}, kNoon)[0]) != "refused");
        CHECK(books.query("select count(*), count(distinct seq) from payment") ==
              books.query("select count(*), count(*) from payment"));
        CHECK(books.trial_balance() == "0");
    }
};

}  // namespace

TEST_CASE("write ahead: a batch is written while another has the turn, and committed after it",
          "[shard][write_ahead]") {
    Waiting batch;
    batch.more = GENERATE(0, 300);
    {
        CommitOrder::Turn first(batch.books.order, 4);
        batch.pay();
        // Nobody sees it, and its numbers are free.
        CHECK(batch.books.query("select count(*) from payment") == "1");
        CHECK(batch.last_seq() == batch.last);
        batch.books.take_numbers(4);
        first.took_numbers_until(batch.last + 4);
        // A service that starts has not to wait for it.
        pqxx::connection starting(batch.books.postgres.service_url());
        pqxx::nontransaction(starting).exec("set lock_timeout = '2s'");
        CHECK(ledger::prepare_shards(starting, 1, kNoon) == 1);
        CHECK(batch.written_ahead() == "1");
    }
    batch.check_committed(batch.last + 4);
    batch.check_written_ahead(true);
    batch.check_goes_on();
}

TEST_CASE("write ahead: when the one before takes fewer numbers the batch is written anew",
          "[shard][write_ahead]") {
    Waiting batch;
    batch.more = GENERATE(0, 300);
    const bool told = GENERATE(true, false);
    {
        CommitOrder::Turn first(batch.books.order, 4);
        batch.pay();
        if (told) first.took_numbers_until(batch.last);
    }
    batch.check_committed(batch.last);
    batch.check_written_ahead(false);
    batch.check_goes_on();
}

TEST_CASE("write ahead: numbers that another process took are not taken again",
          "[shard][write_ahead]") {
    Waiting batch;
    {
        CommitOrder::Turn first(batch.books.order, 4);
        batch.pay();
        batch.books.take_numbers(5);
        first.took_numbers_until(batch.last + 4);
    }
    batch.check_committed(batch.last + 5);
    batch.check_written_ahead(false);
    batch.check_goes_on();
}

TEST_CASE("write ahead: a connection that breaks meanwhile loses nothing and doubles nothing",
          "[shard][write_ahead]") {
    Waiting batch;
    {
        CommitOrder::Turn first(batch.books.order, 0);
        batch.pay();
        batch.books.query(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = "
            "current_database() and application_name = 'millrace-shard'");
        batch.wait_until_written_ahead("0");
        first.took_numbers_until(batch.last);
    }
    batch.check_committed(batch.last);
    batch.check_written_ahead(false);
    batch.check_goes_on();
}

TEST_CASE("write ahead: a process that says no more does not keep the lease from another",
          "[shard][write_ahead][lease]") {
    Waiting batch(1s);
    pqxx::connection connection(batch.books.postgres.service_url());
    {
        CommitOrder::Turn first(batch.books.order, 0);
        batch.pay();
        CHECK(ledger::take_lease(connection, 0, "second", 1s, kNoon + 1h));
        first.took_numbers_until(batch.last);
    }
    CHECK_THROWS_AS(batch.answers.get(), ledger::LeaseLost);
    CHECK(batch.books.query("select count(*) from payment") == "1");
    CHECK(batch.books.trial_balance() == "0");
}

TEST_CASE("write ahead: nothing is foretold behind a commit that does not tell its numbers",
          "[shard][write_ahead]") {
    CommitOrder order;
    const auto take = [&](auto... numbers) {
        return std::make_unique<CommitOrder::Turn>(order, std::int64_t{numbers}...);
    };
    {
        CommitOrder::Turn first(order, 2);
        CHECK_FALSE(first.foretold());
        first.took_numbers_until(10);
    }
    auto first = take(2);
    auto second = take(3);
    auto third = take(1);
    CHECK(first->foretold() == 10);
    CHECK(second->foretold() == 12);
    CHECK(third->foretold() == 15);
    CHECK(first->has_come());
    CHECK_FALSE(second->has_come());
    first->took_numbers_until(12);
    first.reset();
    second->wait();
    CHECK(second->foretold() == 12);
    // It took one less than it had said.
    second->took_numbers_until(14);
    second.reset();
    third->wait();
    CHECK_FALSE(third->foretold());
    third->took_numbers_until(15);
    third.reset();
    auto untold = take();
    auto behind = take(1);
    CHECK_FALSE(behind->foretold());
    untold->took_numbers_until(17);
    untold.reset();
    behind->took_numbers_until(18);
    behind.reset();
    CHECK(take(1)->foretold() == 18);
}

TEST_CASE("write ahead: no two shards have the same time", "[shard][write_ahead]") {
    for (std::int64_t at = 0; at < 12; ++at) {
        const auto now = kNoon + std::chrono::microseconds{at};
        for (std::int16_t shard = 0; shard < 3; ++shard) {
            const auto time = ledger::batch_time(shard, 3, now);
            CHECK(time.time_since_epoch().count() % 3 == shard);
            CHECK(std::chrono::abs(time - now) < std::chrono::microseconds{3});
        }
    }
    CHECK(ledger::batch_time(0, 1, kNoon) == kNoon);
}

TEST_CASE("write ahead: what comes from the chain waits for its turn", "[shard][write_ahead]") {
    Waiting batch;
    const auto third = payer(batch.books, 3);
    std::future<Answers> opened;
    {
        CommitOrder::Turn first(batch.books.order, 0);
        opened = std::async(std::launch::async, [&] {
            return batch.shard.process({third.open(50), batch.app.pay("b", 1, 11)}, kNoon);
        });
        CHECK(opened.wait_for(300ms) == std::future_status::timeout);
        CHECK(batch.written_ahead() == "0");
        first.took_numbers_until(batch.last);
    }
    CHECK(Waiting::charged(opened.get()[1]) == "11");
    CHECK(batch.books.trial_balance() == "0");
}
