#include "ledger/partitions.hpp"
#include "ledger/channel_store.hpp"
#include "tests/support/ledger_fixture.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <future>
#include <sstream>

namespace {

using namespace support;
using std::chrono::days;
namespace fs = std::filesystem;

std::size_t partitions(Books& books, const std::string& table) {
    return std::stoul(books.query("select count(*) from pg_inherits where inhparent = '" + table +
                                  "'::regclass"));
}

std::string partition_of(Books& books, const std::string& inference) {
    return books.query(
        "select tableoid::regclass, channel_month from payment where inference_id = '" + inference +
        "'");
}

std::string text_of(const fs::path& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

/// A migrated database has a year of them from the day of the migration on, by the server's clock.
ledger::Time this_month(Books& books) {
    const auto days_of = std::stoi(
        books.query("select date_trunc('month', now() at time zone 'UTC')::date - '1970-01-01'"));
    return ledger::Time{ledger::Day{days{days_of}}};
}

}  // namespace

TEST_CASE("partitions: a year ahead is there from the migration on, and made but once",
          "[partitions]") {
    Books books;
    pqxx::connection connection(books.postgres.service_url());
    // What lies before, this month, and twelve more.
    CHECK(partitions(books, "payment") == 14);
    CHECK(partitions(books, "transfer") == 14);
    const auto now = this_month(books);
    ledger::make_partitions(connection, now);
    const auto there = partitions(books, "payment");
    CHECK(ledger::make_partitions(connection, now).empty());
    CHECK(ledger::make_partitions(connection, now - days{900}).empty());
    CHECK(partitions(books, "payment") == there);
}

TEST_CASE("partitions: months far ahead are made without a gap, by two services at once",
          "[partitions]") {
    Books books;
    const auto later = this_month(books) + days{3 * 365};
    const auto make = [&] {
        pqxx::connection connection(books.postgres.service_url());
        return ledger::make_partitions(connection, later);
    };
    auto other = std::async(std::launch::async, make);
    const auto made = make();
    const auto made_by_other = other.get();
    CHECK((made.empty() != made_by_other.empty()));
    CHECK(partitions(books, "payment") >= 14 + 36);
    CHECK(partitions(books, "payment") == partitions(books, "transfer"));
    // Each begins where the one before it ends.
    CHECK(books
              .query(R"sql(
        with bound as (
            select inhparent, pg_get_expr(relpartbound, c.oid) as bounds, relname
            from pg_inherits join pg_class c on c.oid = inhrelid
            where inhparent in ('payment'::regclass, 'transfer'::regclass)
        ), cut as (
            select inhparent, relname, substring(bounds from 'FROM \((.*)\) TO') as lower_bound,
                substring(bounds from 'TO \((.*)\)') as upper_bound from bound
        )
        select a.relname from cut a
        where not exists (select from cut b where b.inhparent = a.inhparent
                          and b.lower_bound = a.upper_bound)
            and a.relname not in (select max(relname) from cut where relname ~ '\d' group by inhparent))sql")
              .empty());
    // Nor one that is open to the trigger's being left out.
    CHECK(books
              .query(R"sql(
        select c.relname from pg_class c
        where c.relispartition and c.relkind = 'r'
            and (select count(*) from pg_trigger where tgrelid = c.oid and tgenabled = 'A'
                 and tgname in ('append_only', 'no_truncate')) <> 2)sql")
              .empty());
    pqxx::connection connection(books.postgres.service_url());
    CHECK_THROWS_AS(ledger::make_partitions(connection, later + days{10 * 365}), pqxx::sql_error);
}

TEST_CASE("partitions: a channel's payments stay in the month in which it was opened",
          "[partitions]") {
    Books books;
    const auto first = this_month(books) + days{14};
    std::vector<Payer> payers;
    {
        auto shard = books.shard("first", kNoon);
        payers.push_back(payer(books, 1));
        shard.process({payers[0].open(1000)}, kNoon);
        for (unsigned month = 0; month <= 12; ++month) {
            payers.push_back(payer(books, month + 2));
            shard.process({payers.back().open(1000)}, first + days{30} * month);
        }
        shard.process({payers[0].pay("early", 1, 1)}, first);
        for (std::size_t n = 1; n < payers.size(); ++n)
            shard.process({payers[n].pay("p" + std::to_string(n), 1, 1)}, first);
        CHECK(partition_of(books, "early") == "payment_before|2026-01-01");
        shard.release_lease(kNoon);
    }
    CHECK(books.query("select count(distinct tableoid) from payment") == "14");
    CHECK(books
              .query("select inference_id from payment join channel using (channel_id) where "
                     "payment.tableoid::regclass::text not in ('payment_before', 'payment_' || "
                     "to_char(opened_at at time zone 'UTC', 'YYYY_MM'))")
              .empty());
    // Its shard reads the month again, and by COPY it is the same one.
    auto shard = books.shard("second", first);
    std::vector<ledger::Request> many;
    for (unsigned n = 0; n < 300; ++n)
        many.push_back(payers[3].pay("m" + std::to_string(n), 1, n + 2));
    shard.process(std::move(many), first + days{60});
    CHECK(books.query("select count(distinct tableoid), count(*) from payment where channel_id = "
                      "(select channel_id from payment where inference_id = 'p3')") == "1|301");
    CHECK(books.trial_balance() == "0");
}

TEST_CASE("partitions: a row left by a crash keeps its month when the channel is opened later",
          "[partitions]") {
    Books books;
    const auto app = payer(books, 1);
    {
        pqxx::connection connection(books.postgres.service_url());
        auto terms = app.terms;
        ledger::insert_channels(connection, {&terms}, kNoon);
        CHECK(ledger::to_iso_date(terms.month) == "2026-01-01");
        ledger::insert_channels(connection, {&terms}, kNoon + days{60});
        CHECK(ledger::to_iso_date(terms.month) == "2026-01-01");
    }
    auto shard = books.shard("later", kNoon + days{60});
    shard.process({app.open(1000)}, kNoon + days{60});
    shard.process({app.pay("a", 1, 1)}, kNoon + days{60});
    CHECK(partition_of(books, "a") == "payment_before|2026-01-01");
}

TEST_CASE("partitions: payments and transfers of before the migration are kept, each in its month",
          "[partitions]") {
    Postgres postgres;
    pqxx::connection connection(postgres.url());
    pqxx::work transaction(connection);
    transaction.exec("create table schema_migration (name text)");
    const auto apply = [&](const std::string& from, const std::string& below) {
        std::vector<fs::path> paths;
        for (const auto& entry :
             fs::directory_iterator(fs::path(MILLRACE_SOURCE_DIR) / "migrations")) {
            const auto name = entry.path().filename().string();
            if (name >= from && name < below) paths.push_back(entry.path());
        }
        std::sort(paths.begin(), paths.end());
        for (const auto& path : paths) transaction.exec(text_of(path));
    };
    apply("0000", "0012");
    transaction.exec(R"sql(
        insert into asset values (1, 'eip155:31337', decode(repeat('70', 20), 'hex'), 'n', 's', 6);
        insert into channel (channel_id, asset_id, payer, payer_authorizer, receiver,
            receiver_authorizer, withdraw_delay_seconds, salt, status, balance, charged, reserved,
            signed_max, total_claimed, withdraw_requested_at, refund_nonce, seq, opened_at)
        select decode(repeat(id, 32), 'hex'), 1, party, party, party, party, 900,
            decode(repeat('05', 32), 'hex'), 'open', 9, 0, 0, 0, 0, 0, 0, 1, opened::timestamptz
        from (values ('0a', '2026-01-31T23:59:59Z'), ('0b', '2026-02-01T00:00:00Z'),
                     ('0c', '2026-05-05T12:00:00Z')) as old(id, opened),
             (select decode(repeat('09', 20), 'hex') as party) address;
        insert into payment (channel_id, seq, inference_id, step, kind, content, amount, increment,
            charged, reserved, signed_max, balance, detail, at)
        select channel_id, row_number() over (order by channel_id), 'i', 0, 'release',
            decode(repeat('0d', 16), 'hex'), 0, 0, 0, 0, 0, 9, '{}', opened_at + interval '40 days'
        from channel;
        insert into transfer select seq, 0, 1, 'escrow', '', 'channel', channel_id, 5, 'deposit', seq,
            null, null, at from payment)sql");
    transaction.exec("set local timezone = 'Asia/Tokyo'; set local datestyle = 'SQL, DMY'");
    apply("0012", "9999");
    const auto rows = transaction.exec(
        "select to_char(channel_month, 'YYYY-MM-DD'), tableoid::regclass from payment order by "
        "seq");
    REQUIRE(rows.size() == 3);
    CHECK(std::string(rows[0][0].c_str()) == "2026-01-01");
    CHECK(std::string(rows[0][1].c_str()) == "payment_2026_01");
    CHECK(std::string(rows[1][1].c_str()) == "payment_2026_02");
    CHECK(std::string(rows[2][1].c_str()) == "payment_2026_05");
    const auto moved = transaction.exec("select tableoid::regclass from transfer order by seq");
    REQUIRE(moved.size() == 3);
    CHECK(std::string(moved[0][0].c_str()) == "transfer_2026_03");
    CHECK(std::string(moved[2][0].c_str()) == "transfer_2026_06");
}
