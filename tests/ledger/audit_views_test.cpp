// What an auditor reads with plain SQL agrees with what the service says.
#include "channel/hex.hpp"
#include "ledger/account_reader.hpp"
#include "ledger/snapshot.hpp"
#include "tests/support/ledger_fixture.hpp"

#include <catch2/catch.hpp>

namespace {

using namespace support;

/// One channel: 1000 in, 100 and 50 charged, a reservation of 30 left open.
struct Audited {
    Books books;
    ledger::Shard shard = books.shard();
    Payer app = payer(books, 1);
    pqxx::connection connection{books.postgres.url_as("millrace_auditor")};

    Audited() {
        auto open = app.open(1000);
        open.block.number = 5;
        open.block.hash.bytes.fill(5);
        shard.process({open}, kNoon);
        shard.process({app.pay("a", 100, 100), app.pay("b", 50, 150)}, kNoon);
        shard.process({app.authorize("c", 30, 180)}, kNoon);
    }

    std::string ask(const std::string& sql) {
        pqxx::work transaction(connection);
        std::string text;
        for (const auto& row : transaction.exec(sql)) {
            if (!text.empty()) text += '\n';
            for (const auto& field : row)
                text += (field.num() == 0 ? "" : "|") +
                        std::string(field.is_null() ? "-" : field.c_str());
        }
        return text;
    }
    std::string id() const { return channel::to_hex(app.terms.id.view()); }
};

std::string repeated(const std::string& part, int times) {
    std::string text;
    while (times-- > 0) text += part;
    return text;
}

}  // namespace

TEST_CASE("audit views: accounts have the names and balances of the REST interface", "[views]") {
    Audited books;
    ledger::Snapshot snapshot(books.connection);
    std::string expected;
    for (const auto& account : ledger::list_accounts(snapshot, {}, 100))
        expected += ledger::to_string(account.id) + "|" + channel::to_string(account.balance) +
                    "|" + std::string(ledger::to_string(account.side)) + "\n";
    pqxx::connection connection(books.books.postgres.url_as("millrace_auditor"));
    pqxx::work transaction(connection);
    std::string found;
    for (const auto& row : transaction.exec(
             "select id, balance, side from audit.accounts join asset using (network) where "
             "audit.hex(asset.token) = accounts.token order by asset_id, kind, accounts.owner"))
        found += std::string(row[0].c_str()) + "|" + row[1].c_str() + "|" + row[2].c_str() + "\n";
    CHECK(found == expected);
    CHECK(found.find("31337:0x7070") != std::string::npos);
}

TEST_CASE("audit views: entries, postings, payments and channels are readable text", "[views]") {
    Audited books;
    CHECK(books.ask("select seq, legs, causes, amount from audit.entries order by seq") ==
          "1|1|deposit|1000\n3|1|payment|150");
    CHECK(books.ask(
              "select chain, transaction_hash, log_index, block_number, block_hash, chain_event, "
              "channel_id from audit.entries where seq = 1") ==
          "eip155:31337|-|-|5|0x" + repeated("05", 32) + "|opened|" + books.id());
    CHECK(books.ask("select chain, block_hash, chain_event from audit.entries where seq = 3") ==
          "-|-|-");
    ledger::ChainLog log;
    log.transaction.bytes.fill(7);
    log.log_index = 2;
    log.block_number = 8;
    log.block_hash.bytes.fill(9);
    books.shard.process({ledger::PostChannelEvent{
                            {}, books.app.terms.id, log, channel::ClaimConfirmed{units(120)}}},
                        kNoon);
    CHECK(books.ask("select transaction_hash, log_index, block_number, block_hash, chain_event, "
                    "channel_id from audit.entries where seq > 4") ==
          "0x" + repeated("07", 32) + "|2|8|0x" + repeated("09", 32) + "|claimed|" + books.id());
    CHECK(books.ask("select seq, leg, cause, amount, reverses from audit.postings where "
                    "seq < 4 order by seq") == "1|0|deposit|1000|-\n3|0|payment|150|-");
    CHECK(books.ask("select kind, inference_id, amount, increment, charged_cumulative_amount, "
                    "reserved_amount, covered_by from audit.payments where channel_id = '" +
                    books.id() + "' order by seq") ==
          "pay|a|100|100|100|0|3\npay|b|50|50|150|0|-\nauthorize|c|30|0|150|30|-");
    CHECK(books.ask("select status, balance, charged_cumulative_amount, reserved_amount, "
                    "signed_max_claimable from audit.channels where channel_id = '" +
                    books.id() + "'") == "open|1000|150|30|180");
    CHECK(books.ask("select count(*) from audit.payments where voucher_signature !~ "
                    "'^0x[0-9a-f]{130}$'") == "0");
}

TEST_CASE("audit views: an account's statement carries its balance from leg to leg", "[views]") {
    Audited books;
    CHECK(books.ask("select seq, cause, debit, credit, balance from audit.account_postings where "
                    "account like '%:channel:" +
                    books.id() + "' order by seq, leg") ==
          "1|deposit|0|1000|1000\n3|payment|150|0|850");
    CHECK(books.ask("select kind, accounts, debits, credits, accounts_differing, asset_difference "
                    "from audit.trial_balance where symbol = 'USDC' order by kind") ==
          "channel|1|150|1000|0|0\nclaimed|1|0|0|0|0\nearned|1|0|150|0|0\nescrow|1|1000|0|0|0");
}

TEST_CASE("audit views: books that contradict themselves are found out", "[views]") {
    Audited books;
    REQUIRE(books.ask("select * from audit.reconciliation").empty());
    const auto breaks = [&](const std::string& tampering) {
        pqxx::connection connection(books.books.postgres.url());
        pqxx::work transaction(connection);
        // As somebody who may do anything.
        transaction.exec("set local session_replication_role = replica");
        transaction.exec("alter table payment disable trigger all");
        transaction.exec("alter table transfer disable trigger all");
        transaction.exec(tampering);
        std::string found;
        for (const auto& row : transaction.exec(
                 "select break, subject, expected, found from audit.reconciliation order by 1, 3"))
            found +=
                std::string(row[0].c_str()) + "|" + row[2].c_str() + "|" + row[3].c_str() + ";";
        return found;
    };
    CHECK(breaks("update account set credits = credits + 1 where kind = 'earned'") ==
          "account_differs_from_transfers|150|151;");
    CHECK(breaks("update transfer set amount = 151 where cause = 'payment'") ==
          "account_differs_from_transfers|151|150;account_differs_from_transfers|849|850;");
    CHECK(breaks("update channel set charged = 140, owed = 140") ==
          "channel_differs_from_account|850|860;");
    CHECK(breaks("update channel set reserved = 31") == "channel_differs_from_reservations|30|31;");
    CHECK(breaks("update payment set seq = 9 where inference_id = 'c'") ==
          "payment_after_channel|9|4;");
    CHECK(breaks("update payment set channel_month = '2025-12-01' where inference_id = 'c'") ==
          "payment_in_another_month|0|1;");
    CHECK(breaks("delete from channel") == "payment_without_channel|4|;");
}
