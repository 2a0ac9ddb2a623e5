// The books' side of a reconciliation as it is read: page by page, from one snapshot, and as fast
// with many channels as with few.
#include "ledger/audit/reconciliation_reader.hpp"
#include "tests/support/ledger_fixture.hpp"

#include <catch2/catch.hpp>

#include <fmt/format.h>

#include <cstdlib>

using namespace support;
using channel::Amount;
using ledger::BreakKind;
using ledger::ReconciliationReader;

namespace {

/// Channels of 1000 that were paid from twice and claimed once, with all their rows, as a shard
/// would have written them one by one. The n-th is opened by entry n.
void fill(Books& books, std::size_t channels) {
    const auto asset = books.token;
    const auto run = [&](const std::string& sql) {
        pqxx::connection connection(books.postgres.url());
        pqxx::work transaction(connection);
        transaction.exec(sql);
        transaction.commit();
    };
    const std::string id = "sha256(('channel ' || n)::bytea)";
    const std::string receiver = "substr(sha256(('receiver ' || n % 50)::bytea), 1, 20)";
    const auto each = fmt::format(" from generate_series(1, {}) n", channels);
    run(fmt::format("insert into channel (channel_id, asset_id, payer, payer_authorizer, receiver, "
                    "receiver_authorizer, withdraw_delay_seconds, salt, status, balance, charged, "
                    "reserved, signed_max, signature, total_claimed, withdraw_requested_at, "
                    "refund_nonce, seq, opened_at, owed) select {0}, {1}, substr({0}, 1, 20), "
                    "decode(repeat('00', 20), 'hex'), {2}, {2}, 900, {0}, 'open', 1000, 300, 0, "
                    "300, decode(repeat('01', 65), 'hex'), 100, 0, 0, n, now(), 300",
                    id, asset, receiver) +
        each);
    run(fmt::format("insert into channel_opening (channel_id, seq, network, block_number, "
                    "block_hash, balance, total_claimed) select {}, n, 'eip155:31337', 5, "
                    "decode(repeat('05', 32), 'hex'), 1000, 0",
                    id) +
        each);
    const auto transfers = [&](std::size_t behind, int leg, const std::string& from,
                               const std::string& debit, const std::string& to,
                               const std::string& credit, int amount, const std::string& cause) {
        run(fmt::format("insert into transfer (seq, leg, asset_id, debit_kind, debit_owner, "
                        "credit_kind, credit_owner, amount, cause, first_seq, at) select n + {}, "
                        "{}, {}, '{}', {}, '{}', {}, {}, '{}', n + {}, now()",
                        behind, leg, asset, from, debit, to, credit, amount, cause, behind) +
            each);
    };
    transfers(0, 0, "escrow", "''", "channel", id, 1000, "deposit");
    transfers(channels, 0, "channel", id, "earned", receiver, 300, "payment");
    transfers(2 * channels, 0, "earned", receiver, "claimed", receiver, 100, "claim");
    for (const int part : {0, 1})
        run(fmt::format("insert into payment (channel_id, seq, inference_id, step, kind, content, "
                        "amount, increment, charged, reserved, signed_max, balance, voucher_max, "
                        "signature, detail, at, channel_month) select {}, {} * n, 'p{}', 0, 'pay', "
                        "decode(repeat('07', 16), 'hex'), 150, 150, 300, 0, 300, 1000, 300, "
                        "decode(repeat('01', 65), 'hex'), "
                        "'', now(), date_trunc('month', now() at time zone 'UTC')::date",
                        id, part + 1, part) +
            each);
    run(fmt::format("insert into chain_event (network, transaction_hash, log_index, block_number, "
                    "block_hash, kind, channel_id, amount, seq, at) select 'eip155:31337', {}, 0, "
                    "9, decode(repeat('09', 32), 'hex'), 'claimed', {}, 100, n + {}, now()",
                    id, id, 2 * channels) +
        each);
    run("insert into account (asset_id, kind, owner, debits, credits) select asset_id, kind, "
        "owner, "
        "sum(debit), sum(credit) from (select asset_id, debit_kind as kind, debit_owner as owner, "
        "amount as debit, 0 as credit from transfer union all select asset_id, credit_kind, "
        "credit_owner, 0, amount from transfer) legs group by asset_id, kind, owner "
        "on conflict (asset_id, kind, owner) do update set debits = excluded.debits, "
        "credits = excluded.credits");
    run("insert into chain_cursor values ('eip155:31337', 20, decode(repeat('20', 32), 'hex'))");
    run(fmt::format("update commit_sequence set last_seq = {}", 3 * channels));
    run("analyze");
}

struct Read {
    std::size_t channels = 0;
    ledger::Breaks breaks;
};

/// All that a reconciliation asks of the books, with a contract that agrees.
Read read_all(Books& books) {
    pqxx::connection like(books.postgres.service_url());
    ReconciliationReader reader(like);
    Read read;
    for (const auto& network : reader.networks()) {
        ledger::NetworkComparison comparison(network, std::nullopt, read.breaks);
        std::optional<channel::ChannelId> after;
        for (;;) {
            const auto page = reader.channels(network, after, 200);
            if (page.empty()) break;
            for (const auto& one : page) {
                const ledger::chain::ChannelViews agreeing{
                    {one.state.balance, one.state.total_claimed}, {}, one.state.refund_nonce};
                comparison.compare(one, &agreeing);
            }
            read.channels += page.size();
            after = page.back().terms.id;
        }
        static_cast<void>(comparison.finish());
    }
    reader.check_accounts(read.breaks);
    return read;
}

}  // namespace

TEST_CASE("reconciliation reader: many channels, page by page", "[reconciliation]") {
    const std::size_t channels = std::getenv("MILLRACE_LONG") ? 100'000 : 2'000;
    Books books;
    fill(books, channels);
    const auto read = read_all(books);
    CHECK(read.channels == channels);
    for (const auto& one : read.breaks.listed())
        FAIL(to_string(one.kind) << ": " << one.explanation);

    pqxx::connection like(books.postgres.service_url());
    ReconciliationReader reader(like);
    const auto network = reader.networks().front();
    CHECK(reader.seq() == 3 * channels);
    CHECK(network.block->number == 20);
    CHECK(network.first_block == 5);
    CHECK(network.receivers.size() == 50);
    CHECK(network.assets.front().escrow == units(channels * 1000));
    const auto events = reader.posted(network.network, 1, 20);
    REQUIRE(events.size() == channels);
    CHECK(events.front().moved == units(100));
    CHECK(reader.posted(network.network, 1, 8).empty());
    CHECK(reader.openings({*events.front().channel, channel::ChannelId{}}).size() == 1);
}

TEST_CASE("reconciliation reader: the snapshot stands while the books go on", "[reconciliation]") {
    Books books;
    fill(books, 3);
    pqxx::connection like(books.postgres.service_url());
    ReconciliationReader reader(like);
    const auto network = reader.networks().front();
    pqxx::connection writer(books.postgres.url());
    {
        pqxx::work transaction(writer);
        transaction.exec("update channel set refund_nonce = 9");
        transaction.exec("update chain_cursor set block_number = 21");
        transaction.commit();
    }
    const auto page = reader.channels(network, std::nullopt, 10);
    REQUIRE(page.size() == 3);
    CHECK(page.front().state.refund_nonce == 0);
    CHECK(reader.networks().front().block->number == 20);
    CHECK(ReconciliationReader(like).networks().front().block->number == 21);
}

TEST_CASE("reconciliation reader: what is of blocks above is taken back", "[reconciliation]") {
    Books books;
    fill(books, 2);
    pqxx::connection writer(books.postgres.url());
    {
        pqxx::work transaction(writer);
        transaction.exec("update chain_cursor set block_number = 8");
        transaction.commit();
    }
    ReconciliationReader reader(writer);
    const auto network = reader.networks().front();
    // The claims of block 9 are in the books already.
    CHECK(network.ahead.size() == 2);
    CHECK(network.receivers.empty());
    CHECK(network.assets.front().escrow == units(2000));
}
