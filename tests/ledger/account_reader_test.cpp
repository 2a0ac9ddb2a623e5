#include "ledger/account_reader.hpp"
#include "channel/error.hpp"
#include "channel/uint256.hpp"
#include "ledger/entry_reader.hpp"
#include "ledger/stats_reader.hpp"
#include "ledger/trial_balance_reader.hpp"
#include "tests/support/ledger_fixture.hpp"

#include <catch2/catch.hpp>
#include <pqxx/pqxx>

using namespace support;
using namespace std::chrono_literals;
using ledger::AccountId;
using ledger::Snapshot;

namespace {

ledger::ChainLog chain_log(std::uint8_t n) {
    ledger::ChainLog one;
    one.transaction.bytes.fill(n);
    one.block_number = n;
    one.block_hash.bytes.fill(n);
    return one;
}

/// One channel: 1000 in at noon, 100 + 50 charged one hour later, 120 claimed at two.
struct Account {
    Books books;
    ledger::Shard shard = books.shard();
    Payer app = payer(books, 1);
    pqxx::connection connection{books.postgres.service_url()};
    std::uint64_t opened = 0;
    std::uint64_t paid = 0;
    std::uint64_t claimed = 0;

    Account() {
        auto open = app.open(1000);
        open.block.number = 5;
        open.block.hash.bytes.fill(5);
        opened = run({open}, kNoon);
        paid = run({app.pay("a", 100, 100), app.pay("b", 50, 150)}, kNoon + 1h);
        claimed = run({ledger::PostChannelEvent{
                          {}, app.terms.id, chain_log(7), channel::ClaimConfirmed{units(120)}}},
                      kNoon + 2h);
    }

    std::uint64_t run(std::vector<ledger::Request> batch, ledger::Time at) {
        shard.process(std::move(batch), at);
        Snapshot snapshot(connection);
        return snapshot.seq();
    }

    AccountId id(const std::string& kind, channel::BytesView owner = {}) const {
        const auto& asset = books.assets.at(books.token);
        return {asset.network, asset.token, kind, {owner.begin(), owner.end()}};
    }
    AccountId channel_id() const { return id("channel", app.terms.id.view()); }
    AccountId earned_id() const { return id("earned", app.terms.config.receiver.view()); }
};

}  // namespace

TEST_CASE("account id: its text is read back, other text is refused", "[reader]") {
    const std::string token = "0x7070707070707070707070707070707070707070";
    const std::string channel_id = "0x" + std::string(64, 'a');
    for (const auto& text :
         {"31337:" + token + ":escrow", "1:" + token + ":channel:" + channel_id,
          "31337:" + token + ":earned:" + token, "8453:0x" + std::string(40, '0') + ":gas"}) {
        CAPTURE(text);
        const auto id = ledger::parse_account_id(text);
        REQUIRE(id.has_value());
        CHECK(ledger::to_string(*id) == text);
    }
    for (const std::string& text :
         {std::string{}, std::string{":"}, "31337:" + token, "31337:" + token + ":escrow:",
          "31337:" + token + ":escrow:" + token, "31337:" + token + ":channel",
          "31337:" + token + ":channel:" + token, "31337:" + token + ":earned:0x",
          "31337:" + token + ":unknown", "0:" + token + ":escrow", "eip155:1:" + token + ":escrow",
          std::string{"31337:0x70:escrow"}, "31337:" + token + ":earned:" + token + ":x"}) {
        CAPTURE(text);
        REQUIRE_FALSE(ledger::parse_account_id(text).has_value());
        CHECK(ledger::parse_account_id(text).error() == channel::Error::invalid_params);
    }
}

TEST_CASE("account reader: a balance now and then", "[reader]") {
    Account books;
    Snapshot snapshot(books.connection);
    CHECK(snapshot.seq() == books.claimed);
    const auto now = ledger::read_account(snapshot, books.channel_id());
    REQUIRE(now.has_value());
    CHECK(now->balance == units(850));
    CHECK(now->side == ledger::Side::credit);
    CHECK(now->debits == units(150));
    CHECK(now->credits == units(1000));
    CHECK(now->symbol == "USDC");
    CHECK(now->decimals == 6);
    CHECK(ledger::read_account(snapshot, books.earned_id())->balance == units(30));
    CHECK(ledger::read_account(snapshot, books.id("escrow"))->side == ledger::Side::debit);

    const auto balance_at = [&](std::uint64_t seq) {
        return ledger::read_account_at(snapshot, books.channel_id(), seq)->balance;
    };
    CHECK(balance_at(0) == units(0));
    CHECK(balance_at(books.opened - 1) == units(0));
    CHECK(balance_at(books.opened) == units(1000));
    CHECK(balance_at(books.paid - 1) == units(1000));
    CHECK(balance_at(books.paid) == units(850));
    CHECK(balance_at(books.claimed) == units(850));
    CHECK(ledger::read_account_at(snapshot, books.earned_id(), books.paid)->balance == units(150));

    CHECK_FALSE(ledger::read_account(snapshot, books.id("earned", key(77).address().view())));
    CHECK_FALSE(ledger::read_account_at(snapshot, books.id("earned", key(77).address().view()), 1));
}

TEST_CASE("account reader: a time means the newest entry that is not later", "[reader]") {
    Account books;
    Snapshot snapshot(books.connection);
    CHECK(ledger::seq_at(snapshot, kNoon - 1us).value() == 0);
    CHECK(ledger::seq_at(snapshot, kNoon).value() == books.opened);
    CHECK(ledger::seq_at(snapshot, kNoon + 1h - 1us).value() == books.opened);
    CHECK(ledger::seq_at(snapshot, kNoon + 1h).value() == books.paid);
    CHECK(ledger::seq_at(snapshot, kNoon + 24h).value() == books.claimed);
    CHECK(ledger::seq_at(snapshot, std::uint64_t{1}).value() == 1);
    CHECK(ledger::seq_at(snapshot, books.claimed + 1).error() == channel::Error::invalid_params);
}

TEST_CASE("account reader: accounts are listed page by page, each once", "[reader]") {
    Account books;
    Snapshot snapshot(books.connection);
    const auto all = ledger::list_accounts(snapshot, {}, 100);
    CHECK(std::to_string(all.size()) == books.books.query("select count(*) from account"));
    std::vector<AccountId> paged;
    std::optional<AccountId> after;
    for (;;) {
        const auto page = ledger::list_accounts(snapshot, after, 2);
        for (const auto& account : page) paged.push_back(account.id);
        if (page.size() < 2) break;
        after = page.back().id;
    }
    REQUIRE(paged.size() == all.size());
    for (std::size_t at = 0; at < all.size(); ++at) CHECK(paged[at] == all[at].id);
}

TEST_CASE("entry reader: an entry has its postings and what caused it", "[reader]") {
    Account books;
    Snapshot snapshot(books.connection);
    const auto entries = ledger::list_entries(snapshot, 0, 100);
    REQUIRE(entries.size() == 3);
    CHECK(entries[0].seq == books.opened);
    CHECK(entries[0].postings[0].cause == "deposit");
    CHECK(entries[0].at == "2026-01-02T12:00:00.000000Z");
    CHECK_FALSE(entries[0].chain.has_value());
    REQUIRE(entries[0].opening.has_value());
    CHECK(entries[0].opening->network == channel::Network{31337});
    CHECK(entries[0].opening->channel == books.app.terms.id);
    CHECK(entries[0].opening->block_number == 5);
    CHECK(entries[0].opening->block_hash == chain_log(5).block_hash);
    CHECK(entries[0].opening->balance == units(1000));
    CHECK(entries[0].opening->total_claimed == units(0));
    CHECK_FALSE(entries[1].opening.has_value());
    CHECK_FALSE(entries[2].opening.has_value());
    CHECK(entries[2].postings[0].cause == "claim");
    REQUIRE(entries[2].chain.has_value());
    CHECK(entries[2].chain->transaction == chain_log(7).transaction);
    CHECK(entries[2].chain->kind == "claimed");
    CHECK(entries[2].chain->block_number == 7);

    const auto payment = ledger::read_entry(snapshot, books.paid);
    REQUIRE(payment.has_value());
    REQUIRE(payment->postings.size() == 1);
    CHECK(payment->postings[0].debit == books.channel_id());
    CHECK(payment->postings[0].credit == books.earned_id());
    CHECK(payment->postings[0].amount == units(150));
    CHECK(payment->first_seq == books.paid - 1);
    REQUIRE(payment->payments.size() == 2);
    CHECK(payment->payments[0].inference_id == "a");
    CHECK(payment->payments[0].increment == units(100));
    CHECK(payment->payments[1].seq == books.paid);
    CHECK_FALSE(payment->more_payments);
    CHECK_FALSE(ledger::read_entry(snapshot, books.paid, 2)->more_payments);
    const auto cut = ledger::read_entry(snapshot, books.paid, 1);
    REQUIRE(cut->payments.size() == 1);
    CHECK(cut->payments[0].inference_id == "a");
    CHECK(cut->more_payments);

    CHECK_FALSE(ledger::read_entry(snapshot, books.paid - 1).has_value());
    CHECK_FALSE(ledger::read_entry(snapshot, books.claimed + 1).has_value());
    const auto page = ledger::list_entries(snapshot, books.opened, 1);
    REQUIRE(page.size() == 1);
    CHECK(page[0].seq == books.paid);
}

TEST_CASE("trial balance: balanced now and then, and compared with the accounts", "[reader]") {
    Account books;
    {
        Snapshot snapshot(books.connection);
        const auto now = ledger::read_trial_balance(snapshot, snapshot.seq());
        CHECK(now.balanced());
        REQUIRE(now.assets.size() == 2);
        const auto& token = now.assets[0].symbol == "USDC" ? now.assets[0] : now.assets[1];
        CHECK(token.debits == channel::word_from(1000 + 150 + 120));
        CHECK(token.credits == token.debits);
        CHECK(token.difference == "0");
        REQUIRE(token.kinds.size() == 4);
        CHECK(token.kinds[0].kind == "channel");
        CHECK(token.kinds[0].debits == channel::word_from(150));
        CHECK(token.kinds[0].credits == channel::word_from(1000));

        const auto then = ledger::read_trial_balance(snapshot, books.opened);
        CHECK(then.balanced());
        CHECK(then.seq == books.opened);
        CHECK((then.assets[0].debits == channel::word_from(1000) ||
               then.assets[1].debits == channel::word_from(1000)));
    }
    {
        pqxx::work transaction(books.connection);
        transaction.exec("update account set credits = credits + 1 where kind = 'channel'");
        transaction.commit();
    }
    Snapshot snapshot(books.connection);
    const auto broken = ledger::read_trial_balance(snapshot, snapshot.seq());
    CHECK_FALSE(broken.balanced());
    CHECK(broken.assets[0].accounts_differing + broken.assets[1].accounts_differing == 1);
}

TEST_CASE("trial balance: a transfer that no account knows of is a difference", "[reader]") {
    Account books;
    {
        pqxx::connection owner(books.books.postgres.url());
        pqxx::work transaction(owner);
        transaction.exec("delete from account where kind = 'claimed'");
        transaction.commit();
    }
    Snapshot snapshot(books.connection);
    CHECK_FALSE(ledger::read_trial_balance(snapshot, snapshot.seq()).balanced());
}

TEST_CASE("stats reader: claims, outbox and leases are counted", "[reader]") {
    Account books;
    const auto stats = ledger::read_stats(books.connection);
    CHECK(stats.claims.empty());
    CHECK(stats.last_seq == books.claimed);
    REQUIRE(stats.leases.size() == 1);
    CHECK(stats.leases[0].holder == "test");
    CHECK(stats.leases[0].epoch == 1);
    CHECK(stats.closing.empty());
    CHECK(stats.refunds_pending == 0);
    CHECK(stats.refunds_given_up == 0);
}
