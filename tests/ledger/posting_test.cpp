#include "channel/known_key.hpp"
#include "ledger/acknowledged_batch.hpp"
#include "ledger/lease.hpp"
#include "ledger/poster.hpp"
#include "ledger/snapshot.hpp"
#include "tests/support/answers.hpp"

#include <catch2/catch.hpp>
#include <pqxx/pqxx>

#include <future>

using namespace support;
using channel::Error;

namespace {

using namespace std::chrono_literals;

/// Reads without waiting for anything to be posted.
std::string look(Books& books, const std::string& sql) {
    pqxx::connection connection(books.postgres.url());
    pqxx::work transaction(connection);
    std::string text;
    for (const auto& row : transaction.exec(sql))
        text += (text.empty() ? "" : "\n") + std::string(row[0].c_str());
    return text;
}

std::uint64_t snapshot_seq(Books& books) {
    pqxx::connection connection(books.postgres.service_url());
    return ledger::Snapshot(connection).seq();
}

/// Books whose payments are acknowledged, and posted by the test alone.
struct Unposted {
    Books books{Books::Posting::behind};
    ledger::Shard shard = books.shard();
    Payer app = payer(books, 1);

    Unposted() {
        process(shard, app.open(1000));
        books.stop_posting();
    }
    void post_all() { ledger::post_all(books.postgres.service_url(), 5s); }
};

std::vector<ledger::AcknowledgedBatch> acknowledged(Books& books) {
    std::vector<ledger::AcknowledgedBatch> batches;
    pqxx::connection connection(books.postgres.url());
    pqxx::work transaction(connection);
    for (const auto& row :
         transaction.exec("select base, content from acknowledged_batch order by base")) {
        const pqxx::binarystring content(row[1]);
        batches.push_back(ledger::decode(row[0].as<std::int64_t>(), content.str()));
    }
    return batches;
}

/// A request that waits for a posting is refused where that takes long, and is to be repeated.
ledger::Answer process_patiently(ledger::Shard& shard, const ledger::Request& request) {
    constexpr int kAttempts = 20;
    for (int attempt = 1;; ++attempt) {
        auto answer = std::move(process(shard, request)[0]);
        if (!is_unavailable(answer) || attempt == kAttempts) return answer;
    }
}

constexpr const char* kAllRows = R"sql(
    select json_agg(to_jsonb(p) order by p.seq)::text from payment p
    union all select json_agg(to_jsonb(c))::text from channel c
    union all select json_agg(to_jsonb(r) order by r.inference_id)::text from reservation r
    union all select json_agg(to_jsonb(a) order by a.kind)::text from account a where a.debits + a.credits > 0)sql";

}  // namespace

TEST_CASE("posting: what is acknowledged is in the journal, and in the ledger once it is posted",
          "[posting]") {
    Unposted one;
    const auto opened = snapshot_seq(one.books);
    const auto first = process(one.shard, one.app.pay("a", 100, 100), one.app.pay("b", 50, 150));
    const auto second = process(one.shard, one.app.authorize("c", 30, 180));
    CHECK(paid(first[1]).result.charged == units(150));
    CHECK(paid(second[0]).result.reserved == units(30));
    CHECK(look(one.books, "select count(*) from payment") == "0");
    CHECK(look(one.books, "select charged from channel") == "0");
    CHECK(look(one.books, "select count(*) from acknowledged_batch") == "2");
    // Reports are of what is posted, whatever is acknowledged.
    CHECK(snapshot_seq(one.books) == opened);
    one.post_all();
    CHECK(look(one.books, "select count(*) from acknowledged_batch") == "0");
    CHECK(snapshot_seq(one.books) == paid(second[0]).result.seq);
    CHECK(look(one.books,
               "select string_agg(inference_id || ' ' || seq || ' ' || charged, ', ' order by seq) "
               "from payment") == "a 2 100, b 3 150, c 4 150");
    CHECK(look(one.books, "select charged || ' ' || reserved || ' ' || seq from channel") ==
          "150 30 4");
    CHECK(look(one.books, "select inference_id || ' ' || max_amount from reservation") == "c 30");
    CHECK(look(one.books,
               "select first_seq || ' ' || seq || ' ' || amount from transfer where cause = "
               "'payment'") == "2 3 150");
    CHECK(one.books.trial_balance() == "0");
}

TEST_CASE("posting: many batches at once come to what each by itself comes to", "[posting]") {
    const auto rows = [](bool together) {
        Unposted one;
        const auto step = [&](auto... requests) {
            process(one.shard, std::move(requests)...);
            if (!together) one.post_all();
        };
        step(one.app.pay("a", 10, 10), one.app.authorize("b", 40, 50));
        step(one.app.charge("b", 5, channel::Finality::partial), one.app.authorize("c", 20, 80));
        step(one.app.charge("b", 30), one.app.pay("d", 7, 90, R"({"model":"m"})"));
        step(one.app.release("c"), one.app.authorize("e", 3, 95));
        if (together) one.post_all();
        CHECK(look(one.books, "select count(*) from transfer where cause = 'payment'") ==
              (together ? "1" : "3"));
        CHECK(look(one.books, "select sum(amount) from transfer where cause = 'payment'") == "47");
        CHECK(one.books.trial_balance() == "0");
        return look(one.books, kAllRows);
    };
    CHECK(rows(true) == rows(false));
}

TEST_CASE("posting: charges of two days are two transfers, and of one that comes again another",
          "[posting]") {
    Unposted one;
    std::uint64_t n = 0;
    for (const auto at : {kNoon, kNoon + 24h, kNoon, kNoon + 1h}) {
        ++n;
        one.shard.process({one.app.pay("p" + std::to_string(n), 10, 10 * n)}, at);
    }
    one.post_all();
    CHECK(look(one.books,
               "select first_seq || '-' || seq || ' ' || amount || ' ' || "
               "extract(day from at at time zone 'UTC') from transfer where cause = 'payment' "
               "order by seq") == "2-2 10 2\n3-3 10 3\n4-5 20 2");
    CHECK(one.books.trial_balance() == "0");
}

TEST_CASE("posting: an inference that waits to be posted is not paid for again", "[posting]") {
    Books books(Books::Posting::behind);
    auto shard = books.shard();
    const auto app = payer(books, 1);
    process(shard, app.open(1000));
    const auto first = paid(process(shard, app.pay("a", 100, 100))[0]);
    const auto again = paid(process_patiently(shard, app.pay("a", 100, 200)));
    CHECK(again.repeated);
    CHECK(again.result.seq == first.result.seq);
    CHECK(refused(process_patiently(shard, app.pay("a", 90, 300))) == Error::idempotency_conflict);
    CHECK(books.query("select charged from channel") == "100");
}

TEST_CASE("posting: while a batch is on its way, what waits for the next is checked", "[posting]") {
    Unposted unposted;
    auto& [books, shard, app] = unposted;
    const auto other = payer(books, 2);
    const auto stranger = payer(books, 3);
    process(shard, other.open(1000));
    process(shard, app.pay("first", 10, 10), other.pay("first", 10, 10));
    auto forged = app.pay("forged", 10, 40);
    std::get<channel::Pay>(forged.command).voucher.signature = stranger.voucher(40).signature;
    std::vector<ledger::Request> next{app.pay("good", 10, 30), other.pay("good", 10, 20),
                                      stranger.pay("nowhere", 1, 1), app.charge("good", 1),
                                      app.open(1000)};
    std::vector<ledger::Request> last{forged, other.pay("last", 10, 30)};
    int asked = 0;
    const auto answers = shard.process({app.pay("second", 10, 20)}, kNoon, [&] {
        ++asked;
        for (auto* some : {&next, &last}) {
            std::vector<ledger::Request*> waiting;
            for (auto& request : *some) waiting.push_back(&request);
            shard.check_ahead(waiting, kNoon);
        }
        return asked < 3;
    });
    paid(answers[0]);
    CHECK(asked > 0);
    const auto is_signed = [](const ledger::Request& request) {
        return std::get<ledger::PaymentRequest>(request).is_signed;
    };
    // Where keys need tables, so few signatures leave it to the batch.
    const bool are_checked = channel::answers_without_table();
    CHECK(is_signed(next[0]) == are_checked);
    CHECK(is_signed(next[1]) == are_checked);
    CHECK_FALSE(is_signed(next[2]));
    CHECK_FALSE(is_signed(next[3]));
    CHECK_FALSE(is_signed(last[0]));
    CHECK(is_signed(last[1]) == are_checked);
    CHECK(paid(shard.process({next[0]}, kNoon)[0]).result.charged == units(30));
    CHECK(refused(shard.process({last[0]}, kNoon)[0]) == channel::Error::voucher_signature);
    // Nobody asks again about one that is marked.
    std::get<ledger::PaymentRequest>(last[0]).is_signed = true;
    CHECK(paid(shard.process({last[0]}, kNoon)[0]).result.charged == units(40));
    unposted.post_all();
    CHECK(books.query("select count(*) from payment where signature is null") == "0");
}

TEST_CASE("posting: a shard that begins anew asks for inferences of before", "[posting]") {
    Unposted one;
    const auto first =
        paid(process(one.shard, one.app.pay("a", 100, 100), one.app.pay("b", 1, 101))[0]);
    one.post_all();
    one.shard.release_lease(kNoon);
    auto next = one.books.shard("next");
    // With a voucher that would cover it a second time.
    const auto answers = process(next, one.app.pay("a", 100, 300), one.app.pay("c", 9, 300));
    INFO(next.take_error());
    CHECK(paid(answers[0]).repeated);
    CHECK(paid(answers[0]).result.seq == first.result.seq);
    CHECK_FALSE(paid(answers[1]).repeated);
    CHECK(paid(answers[1]).result.charged == units(110));
    CHECK(look(one.books, "select count(*) from acknowledged_batch") == "1");
    one.post_all();
    CHECK(look(one.books, "select count(*) from payment") == "3");
}

TEST_CASE("posting: what the chain says waits until all before it is posted", "[posting]") {
    Books books(Books::Posting::behind);
    auto shard = books.shard();
    const auto app = payer(books, 1);
    process(shard, app.open(1000));
    for (std::uint64_t n = 1; n <= 20; ++n)
        process(shard, app.pay("p" + std::to_string(n), 10, 10 * n));
    ledger::PostChannelEvent deposit;
    deposit.channel = app.terms.id;
    deposit.event = channel::DepositConfirmed{units(500)};
    deposit.log.transaction.bytes.fill(1);
    changed(process_patiently(shard, deposit));
    CHECK(look(books, "select count(*) from acknowledged_batch") == "0");
    CHECK(look(books, "select balance || ' ' || charged || ' ' || seq from channel") ==
          "1500 200 22");
    CHECK(books.trial_balance() == "0");
}

TEST_CASE("posting: a writer whose lease was taken acknowledges nothing", "[posting][lease]") {
    Unposted one;
    auto next = one.books.shard("next", kNoon + 1h);
    CHECK_THROWS_AS(process(one.shard, one.app.pay("a", 1, 1)), ledger::LeaseLost);
    CHECK(look(one.books, "select count(*) from acknowledged_batch") == "0");
    CHECK(paid(process(next, one.app.pay("a", 1, 1))[0]).result.charged == units(1));
}

TEST_CASE("posting: of several that post, each posts what the others have left", "[posting]") {
    Unposted one;
    constexpr std::uint64_t kPayments = 60;
    for (std::uint64_t n = 1; n <= kPayments; ++n) {
        process(one.shard, one.app.pay("p" + std::to_string(n), 2, 2 * n));
        // Another process takes numbers as well.
        if (n % 7 == 0) one.books.take_numbers(1);
    }
    std::vector<std::future<std::size_t>> posters;
    for (int n = 0; n < 3; ++n)
        posters.push_back(std::async(std::launch::async, [&one] {
            ledger::Poster poster(one.books.postgres.service_url(), 5s);
            std::size_t payments = 0;
            while (const auto posted = poster.post(5)) payments += posted->payments.size();
            return payments;
        }));
    std::size_t payments = 0;
    for (auto& poster : posters) payments += poster.get();
    CHECK(payments == kPayments);
    CHECK(look(one.books, "select count(*) || ' ' || sum(increment) from payment") == "60 120");
    CHECK(look(one.books, "select sum(amount) from transfer where cause = 'payment'") == "120");
    CHECK(one.books.trial_balance() == "0");
}

TEST_CASE(
    "posting: what the ledger's checks refuse stays acknowledged, and nothing of it is posted",
    "[posting]") {
    Unposted one;
    process(one.shard, one.app.pay("a", 100, 100));
    one.books.postgres.execute("alter table payment add constraint never check (false) not valid");
    ledger::Poster poster(one.books.postgres.service_url(), 5s);
    for (int n = 0; n < 2; ++n) CHECK_THROWS_WITH(poster.post(100), Catch::Contains("never"));
    CHECK(look(one.books, "select count(*) from payment") == "0");
    CHECK(look(one.books, "select count(*) from acknowledged_batch") == "1");
    one.books.postgres.execute("alter table payment drop constraint never");
    CHECK(poster.post(100)->payments.size() == 1);
    CHECK(look(one.books, "select charged from channel") == "100");
}

TEST_CASE("posting: a batch is read back as it was written, and nothing else is taken for one",
          "[posting]") {
    Unposted one;
    process(one.shard, one.app.pay("a", 10, 10), one.app.authorize("b", 40, 50));
    process(one.shard, one.app.charge("b", 5, channel::Finality::partial),
            one.app.pay("c", 1, 60, R"({"model":"m"})"));
    auto batches = acknowledged(one.books);
    REQUIRE(batches.size() == 2);
    for (auto& batch : batches) {
        const auto at = batch.rows.payments.front().at.value();
        CHECK(at == kNoon);
        const auto written = ledger::encode(batch.rows, at);
        CHECK(ledger::encode(ledger::decode(batch.base, written).rows, at) == written);
        for (std::size_t size = 0; size < written.size(); ++size)
            CHECK_THROWS_AS(ledger::decode(batch.base, written.substr(0, size)),
                            std::runtime_error);
        CHECK_THROWS_AS(ledger::decode(batch.base, written + '\0'), std::runtime_error);
    }
    CHECK(batches[1].last() == batches[0].last() + 2);
    CHECK(batches[1].rows.payments[1].detail == R"({"model":"m"})");
    CHECK(batches[1].rows.payments[1].voucher_max == units(60));
}

TEST_CASE("posting: pieces with pauses between come to what all at once comes to", "[posting]") {
    constexpr std::uint64_t kPayments = 600;
    const auto rows = [&](const ledger::Poster::Pause& pause) {
        Unposted one;
        std::vector<ledger::Request> requests;
        for (std::uint64_t n = 1; n < kPayments; ++n)
            requests.push_back(one.app.pay("p" + std::to_string(n), 1, n));
        requests.push_back(one.app.authorize("a", 5, kPayments + 5));
        one.shard.process(std::move(requests), kNoon);
        ledger::Poster poster(one.books.postgres.service_url(), 5s, pause);
        CHECK(poster.post().value().payments.size() == kPayments);
        CHECK(poster.post() == std::nullopt);
        CHECK(one.books.trial_balance() == "0");
        return look(one.books, kAllRows);
    };
    const auto whole = rows({});
    for (const bool rests : {true, false}) {
        int pauses = 0;
        CHECK(rows([&](std::chrono::nanoseconds took) {
                  CHECK(took > 0ns);
                  ++pauses;
                  return rests;
              }) == whole);
        CHECK(pauses == 2);
    }
}
