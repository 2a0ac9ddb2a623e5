#include "ledger/channel_reader.hpp"
#include "tests/support/answers.hpp"

#include <catch2/catch.hpp>
#include <pqxx/pqxx>

#include <algorithm>

using namespace support;

namespace {

std::vector<channel::ChannelId> ids(const std::vector<ledger::ChannelRecord>& channels) {
    std::vector<channel::ChannelId> found;
    for (const auto& channel : channels) found.push_back(channel.terms.id);
    return found;
}

}  // namespace

TEST_CASE("channel reader: a channel is read as it was committed", "[reader]") {
    Books books;
    auto shard = books.shard();
    const auto app = payer(books, 1);
    process(shard, app.open(1000));
    process(shard, app.pay("a", 100, 250), app.authorize("b", 50, 250));

    pqxx::connection connection(books.postgres.service_url());
    const auto read = ledger::read_channel(connection, app.terms.id);
    REQUIRE(read.has_value());
    CHECK(read->terms.config == app.terms.config);
    CHECK(read->terms.app == "tests");
    CHECK(read->state.status == channel::Status::open);
    CHECK(read->state.balance == units(1000));
    CHECK(read->state.charged == units(100));
    CHECK(read->state.reserved == units(50));
    CHECK(read->state.signed_max == units(250));
    CHECK(read->state.signature == app.voucher(250).signature);
    CHECK(std::to_string(read->seq) == books.query("select max(seq) from payment"));

    auto other = app.terms.id;
    other.bytes[0] ^= 1;
    CHECK_FALSE(ledger::read_channel(connection, other).has_value());
}

TEST_CASE("channel reader: what is reserved is read with it, the oldest first", "[reader]") {
    Books books;
    auto shard = books.shard();
    const auto app = payer(books, 1);
    process(shard, app.open(1000));
    process(shard, app.authorize("z", 50, 250), app.authorize("a", 60, 250));
    process(shard, app.authorize("m", 70, 250), app.authorize("gone", 1, 250));
    process(shard, app.charge("a", 20, channel::Finality::partial), app.release("gone"));

    pqxx::connection connection(books.postgres.service_url());
    const auto read = ledger::read_channel(connection, app.terms.id);
    REQUIRE(read.has_value());
    std::string found;
    for (const auto& [inference, reservation] : read->reservations)
        found += inference.text() + " " + channel::to_string(reservation.charged) + "/" +
                 channel::to_string(reservation.max_amount) + " ";
    CHECK(found == "z 0/50 a 20/60 m 0/70 ");
    CHECK(read->state.reservations.size() == 3);
    CHECK(channel::is_consistent(read->state));
    CHECK(ledger::list_channels(connection, {}).front().reservations.empty());
}

TEST_CASE("channel reader: a row that no batch has opened yet is no channel", "[reader]") {
    Books books;
    auto shard = books.shard();
    const auto app = payer(books, 1);
    process(shard, app.open(1000));
    pqxx::connection connection(books.postgres.service_url());
    CHECK(ledger::read_channel(connection, app.terms.id).has_value());
    {
        pqxx::work transaction(connection);
        transaction.exec("update channel set seq = 0");
        transaction.commit();
    }
    CHECK_FALSE(ledger::read_channel(connection, app.terms.id).has_value());
    CHECK(ledger::list_channels(connection, {}).empty());
}

TEST_CASE("channel reader: a party sees its own channels, page by page", "[reader]") {
    Books books;
    auto shard = books.shard();
    std::vector<Payer> apps;
    for (unsigned n = 1; n <= 7; ++n) apps.push_back(payer(books, n, n % 2));
    std::vector<channel::ChannelId> of_receiver;
    for (const auto& app : apps) {
        process(shard, app.open(100));
        if (app.terms.config.receiver == key(901).address()) of_receiver.push_back(app.terms.id);
    }
    std::sort(of_receiver.begin(), of_receiver.end());
    pqxx::connection connection(books.postgres.service_url());

    CHECK(ids(ledger::list_channels(connection, {apps[0].terms.config.payer, {}, 10})) ==
          std::vector{apps[0].terms.id});
    CHECK(ids(ledger::list_channels(connection, {key(901).address(), {}, 10})) == of_receiver);
    CHECK(ledger::list_channels(connection, {key(999).address(), {}, 10}).empty());
    CHECK(ledger::list_channels(connection, {{}, {}, 100}).size() == 7);
    CHECK(ledger::list_channels(connection, {apps[0].terms.config.receiver_authorizer, {}, 100})
              .size() == 7);

    std::vector<channel::ChannelId> paged;
    ledger::ChannelQuery query{key(901).address(), {}, 3};
    for (;;) {
        const auto page = ids(ledger::list_channels(connection, query));
        paged.insert(paged.end(), page.begin(), page.end());
        if (page.size() < query.limit) break;
        query.after = page.back();
    }
    CHECK(paged == of_receiver);
}

TEST_CASE("channel reader: payments come oldest first with their evidence", "[reader]") {
    Books books;
    auto shard = books.shard();
    const auto app = payer(books, 1);
    process(shard, app.open(1000));
    process(shard, app.pay("a", 10, 10, R"({"model":"m"})"), app.pay("b", 20, 30));
    process(shard, app.authorize("c", 50, 80));
    process(shard, app.charge("c", 40));

    pqxx::connection connection(books.postgres.service_url());
    const auto all = ledger::read_payments(connection, app.terms.id, 0, 10);
    REQUIRE(all.size() == 4);
    CHECK(all[0].kind == ledger::PaymentKind::pay);
    CHECK(all[0].detail == R"({"model":"m"})");
    CHECK(all[0].result.inference.text() == "a");
    CHECK(all[0].covered_by == all[1].result.seq);
    CHECK_FALSE(all[0].signature.has_value());
    CHECK(all[1].voucher_max == units(30));
    CHECK(all[1].signature == app.voucher(30).signature);
    CHECK(all[1].increment == units(20));
    CHECK(all[2].kind == ledger::PaymentKind::authorize);
    CHECK(all[2].increment == units(0));
    CHECK(all[2].result.reserved == units(50));
    CHECK(all[3].increment == units(40));
    CHECK_FALSE(all[3].voucher_max.has_value());
    CHECK(all[3].at == "2026-01-02T12:00:00.000000Z");

    const auto page = ledger::read_payments(connection, app.terms.id, all[0].result.seq, 2);
    REQUIRE(page.size() == 2);
    CHECK(page[0].result.seq == all[1].result.seq);
    CHECK(page[1].result.seq == all[2].result.seq);
}
