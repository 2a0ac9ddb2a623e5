#include "ledger/chain/key_signer.hpp"
#include "ledger/settlement/reopen.hpp"
#include "tests/support/ledger_fixture.hpp"

#include <catch2/catch.hpp>

#include <pqxx/pqxx>

using namespace support;
using ledger::OutboxStatus;

namespace {

constexpr channel::Network kNetwork{31337};

ledger::OutboxDraft draft(const std::string& claim_id) {
    ledger::OutboxDraft made;
    made.purpose = ledger::Purpose::claim;
    made.reference = claim_id;
    made.to = key(5).address();
    made.gas_limit = 100'000;
    made.fees = {units(3000), units(100)};
    return made;
}

ledger::OutboxResult ended_in(std::uint64_t block, const ledger::OutboxEntry& entry) {
    return {entry.hash, true, block, 21'000, units(42), ""};
}

}  // namespace

TEST_CASE("reopen: what ended above the fork is on its way again, and its claim with it",
          "[settlement][reversal]") {
    Books books;
    pqxx::connection connection(books.postgres.service_url());
    pqxx::work transaction(connection);
    ledger::chain::KeySigner relayer(key(104), key(4));
    const auto& asset = books.assets.at(books.token);
    std::vector<ledger::OutboxEntry> entries;
    for (const std::string id : {"a", "b"}) {
        const ledger::NewClaim claim{id, asset, key(900).address(), {}, units(100)};
        auto signed_drafts = ledger::sign_drafts(transaction, {kNetwork, relayer, 0}, {draft(id)});
        auto made = ledger::record_claim(transaction, claim, std::move(signed_drafts), kNoon);
        entries.push_back(std::move(made.outbox.front()));
    }
    // The first was mined as it was before its fees were raised.
    const auto raised =
        ledger::raise_fees(transaction, entries[0], relayer, {units(4000), units(200)}, kNoon);
    for (std::size_t at = 0; at < 2; ++at) {
        ledger::finish_outbox(transaction, entries[at].id, ended_in(10 - at, entries[at]), kNoon);
        ledger::claim_finished(transaction, entries[at].reference, units(100), books.assets, kNoon);
    }

    const auto events = ledger::reopen_outbox(transaction, kNetwork, 9, books.assets, kNoon);
    REQUIRE(events.size() == 1);
    CHECK(events[0].name == "sent");
    CHECK(ledger::read_claim(transaction, "a")->status == ledger::ClaimStatus::sent);
    CHECK(ledger::read_claim(transaction, "b")->status == ledger::ClaimStatus::confirmed);
    const auto unfinished = ledger::unfinished_outbox(transaction, kNetwork);
    REQUIRE(unfinished.size() == 1);
    CHECK(unfinished[0].status == OutboxStatus::sent);
    CHECK(unfinished[0].raw == raised.raw);
    CHECK((unfinished[0].hash == raised.hash));
    const auto former = ledger::former_hashes(transaction, entries[0].id);
    REQUIRE(former.size() == 1);
    CHECK((former[0] == entries[0].hash));

    // Once is enough, and it ends once more.
    CHECK(ledger::reopen_outbox(transaction, kNetwork, 9, books.assets, kNoon).empty());
    ledger::finish_outbox(transaction, raised.id, ended_in(12, raised), kNoon);
    CHECK(ledger::claim_finished(transaction, "a", units(100), books.assets, kNoon)->name ==
          "confirmed");
}

TEST_CASE("reopen: a nonce that another transaction took is not waited for again",
          "[settlement][reversal]") {
    Books books;
    pqxx::connection connection(books.postgres.service_url());
    pqxx::work transaction(connection);
    ledger::chain::KeySigner relayer(key(104), key(4));
    const auto entries =
        ledger::enqueue(transaction, {kNetwork, relayer, 0}, {draft("none")}, kNoon);
    ledger::finish_outbox(transaction, entries[0].id, {entries[0].hash, false, 0, 0, {}, "taken"},
                          kNoon);
    CHECK(ledger::reopen_outbox(transaction, kNetwork, 0, books.assets, kNoon).empty());
    CHECK(ledger::unfinished_outbox(transaction, kNetwork).empty());
}
