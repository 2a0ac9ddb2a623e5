#include "ledger/commit_order.hpp"
#include "tests/support/ledger_fixture.hpp"

#include <fmt/format.h>
#include <catch2/catch.hpp>
#include <pqxx/pqxx>

#include <future>

using namespace support;
using namespace std::chrono_literals;
using ledger::CommitOrder;

namespace {

using Answers = std::vector<ledger::Answer>;

/// A shard whose next batch of payments comes while somebody else has the turn.
struct Waiting {
    Books books;
    ledger::Shard shard;
    Payer app = payer(books, 1);
    Payer other = payer(books, 2);
    std::int64_t last = 0;
    std::future<Answers> answers;

    explicit Waiting(std::chrono::milliseconds commit_timeout = 5s)
        : shard(books.shard("first", kNoon, commit_timeout)) {
        shard.process({app.open(1000), other.open(1000)}, kNoon);
        REQUIRE(charged(shard.process({app.pay("a", 10, 10)}, kNoon)[0]) == "10");
        last = last_seq();
    }

    /// Until the batch is written as far as it may be.
    void pay() {
        answers = std::async(std::launch::async, [this] {
            return shard.process(
                {app.pay("b", 10, 20), app.authorize("c", 5, 30), other.pay("a", 7, 7)}, kNoon);
        });
        while (written_ahead() != "1") REQUIRE(answers.wait_for(0s) == std::future_status::timeout);
    }

    /// Transactions whose last statement was that of a batch.
    std::string written_ahead() {
        return books.query(
            "select count(*) from pg_stat_activity where datname = current_database() and "
            "application_name = 'millrace-shard' and state = 'idle in transaction' and "
            "query like '%with sequence as%'");
    }

    std::int64_t last_seq() {
        return std::stoll(books.query("select last_seq from commit_sequence"));
    }

    static std::string charged(const ledger::Answer& answer) {
        const auto* paid = std::get_if<ledger::PaymentCommitted>(&answer.outcome);
        return paid ? channel::to_string(paid->result.charged) : "refused";
    }

    /// That the batch was committed once, as numbers `base + 1` to `base + 3`.
    void check_committed(std::int64_t base) {
        const auto done = answers.get();
        REQUIRE(done.size() == 3);
        CHECK(charged(done[0]) == "20");
        CHECK(charged(done[2]) == "7");
        for (std::size_t at = 0; at < done.size(); ++at) {
            const auto* paid = std::get_if<ledger::PaymentCommitted>(&done[at].outcome);
            REQUIRE(paid);
            CHECK(paid->result.seq == static_cast<std::uint64_t>(base) + at + 1);
        }
        CHECK(last_seq() == base + 3);
        CHECK(books.query(
                  "select string_agg(seq::text, ' ' order by seq) from payment where seq > " +
                  std::to_string(base)) == fmt::format("{} {} {}", base + 1, base + 2, base + 3));
        CHECK(books.query("select string_agg(seq || ':' || amount, ' ' order by seq) from transfer "
                          "where cause = 'payment' and seq > " +
                          std::to_string(base)) == fmt::format("{}:10 {}:7", base + 1, base + 3));
        CHECK(books.query("select batch_base from shard_lease") == std::to_string(base));
        CHECK(books.query("select sum(charged), sum(reserved) from channel") == "27|5");
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
    {
        CommitOrder::Turn first(batch.books.order, 4);
        batch.pay();
        // Nobody sees it, and its numbers are free.
        CHECK(batch.books.query("select count(*) from payment") == "1");
        CHECK(batch.last_seq() == batch.last);
        batch.books.take_numbers(4);
        first.took_numbers_until(batch.last + 4);
        CHECK(batch.written_ahead() == "1");
    }
    batch.check_committed(batch.last + 4);
    batch.check_goes_on();
}

TEST_CASE("write ahead: when the one before takes fewer numbers the batch is written anew",
          "[shard][write_ahead]") {
    Waiting batch;
    const bool told = GENERATE(true, false);
    {
        CommitOrder::Turn first(batch.books.order, 4);
        batch.pay();
        if (told) first.took_numbers_until(batch.last);
    }
    batch.check_committed(batch.last);
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
        while (batch.written_ahead() != "0") {
        }
        first.took_numbers_until(batch.last);
    }
    for (const auto& answer : batch.answers.get()) CHECK(Waiting::charged(answer) == "refused");
    CHECK(batch.books.query("select count(*) from payment") == "1");
    CHECK(batch.last_seq() == batch.last);
    batch.check_goes_on();
}

TEST_CASE("write ahead: a process that says no more does not keep the lease from another",
          "[shard][write_ahead][lease]") {
    Waiting batch(100ms);
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
