#include "ledger/settlement/facilitated.hpp"
#include "channel/hex.hpp"
#include "channel/keccak.hpp"
#include "ledger/chain/key_signer.hpp"
#include "tests/support/ledger_fixture.hpp"
#include "tests/support/print.hpp"

#include <catch2/catch.hpp>
#include <pqxx/pqxx>

#include <array>

using namespace support;
using ledger::Facilitated;
using ledger::FacilitatedAction;

namespace {

constexpr channel::Network kNetwork{31337};
const channel::Address kReceiver{{1}};
const channel::Address kToken{{2}};

template <class Work>
auto commit(Books& books, Work work) {
    pqxx::connection connection(books.postgres.service_url());
    pqxx::work transaction(connection);
    auto result = work(transaction);
    transaction.commit();
    return result;
}

/// A settlement that was written down at that time.
ledger::OutboxEntry record(Books& books, std::string_view key, ledger::Time at = kNoon) {
    return commit(books, [&](pqxx::work& transaction) {
        ledger::OutboxDraft draft;
        draft.purpose = ledger::Purpose::facilitated;
        draft.reference =
            ledger::facilitated_reference(FacilitatedAction::settle, channel::keccak256(key));
        draft.gas_limit = 1000;
        draft.fees = {units(7), units(1)};
        ledger::chain::KeySigner relayer(support::key(104), support::key(4));
        auto entries = ledger::enqueue(transaction, {kNetwork, relayer, 0}, {draft}, at);
        const Facilitated what{FacilitatedAction::settle, kNetwork, kReceiver, kToken, {}};
        ledger::record_facilitated(transaction, entries.front().id, what, at);
        return entries.front();
    });
}

std::optional<std::string> untold(Books& books, const channel::Address& receiver = kReceiver,
                                  std::optional<ledger::Time> since = std::nullopt) {
    return commit(books, [&](pqxx::work& transaction) {
        return ledger::untold_settlement(transaction, kNetwork, receiver, kToken, since);
    });
}

void finish(Books& books, const ledger::OutboxEntry& entry, bool succeeded) {
    commit(books, [&](pqxx::work& transaction) {
        ledger::finish_outbox(transaction, entry.id,
                              {entry.hash, succeeded, 7, 1, units(1), succeeded ? "" : "why"},
                              kNoon);
        return 0;
    });
}

}  // namespace

TEST_CASE("facilitated: a settlement is told once, and one that failed never", "[facilitated]") {
    Books books;
    CHECK_FALSE(untold(books).has_value());
    const auto entry = record(books, "a");
    CHECK(untold(books) == entry.reference);
    CHECK_FALSE(untold(books, kToken).has_value());
    CHECK(untold(books, kReceiver, kNoon) == entry.reference);
    finish(books, entry, true);
    CHECK(untold(books) == entry.reference);
    CHECK_FALSE(untold(books, kReceiver, kNoon).has_value());
    CHECK(untold(books, kReceiver, kNoon - std::chrono::seconds{1}) == entry.reference);
    for (int n = 0; n < 2; ++n) {
        commit(books, [&](pqxx::work& transaction) {
            ledger::tell_settlement(transaction, entry.id, kNoon + std::chrono::seconds{n});
            return 0;
        });
        CHECK_FALSE(untold(books).has_value());
        CHECK(books.query("select told_at = at from facilitated") == "t");
    }
    const auto failed = record(books, "b");
    CHECK(untold(books) == failed.reference);
    finish(books, failed, false);
    CHECK_FALSE(untold(books).has_value());
}

TEST_CASE("facilitated: what the newest may cost is the sum of their limits", "[facilitated]") {
    Books books;
    const auto cost = [&](ledger::Time since) {
        return commit(books, [&](pqxx::work& transaction) {
            return ledger::facilitated_cost_since(transaction, kNetwork, since);
        });
    };
    CHECK(cost(kNoon) == units(0));
    record(books, "a");
    record(books, "b", kNoon + std::chrono::seconds{1});
    CHECK(cost(kNoon - std::chrono::seconds{1}) == units(14'000));
    CHECK(cost(kNoon) == units(7000));
    CHECK(cost(kNoon + std::chrono::seconds{1}) == units(0));
}

TEST_CASE("facilitated: what is charged is told of channels of the books alone", "[facilitated]") {
    Books books;
    auto shard = books.shard();
    const auto app = payer(books, 1);
    const auto other = payer(books, 2);
    std::vector<ledger::Request> batch;
    batch.push_back(app.open(1000));
    batch.push_back(app.pay("a", 300, 300));
    shard.process(std::move(batch), kNoon);
    const std::array ids{other.terms.id, app.terms.id};
    const auto charged = commit(
        books, [&](pqxx::work& transaction) { return ledger::charged_of(transaction, ids); });
    CHECK(charged == std::map<channel::ChannelId, channel::Amount>{{app.terms.id, units(300)}});
}

TEST_CASE("facilitated: the newest refund that was sent is found, by its nonce as well",
          "[facilitated]") {
    Books books;
    const auto id = payer(books, 1).terms.id;
    const auto newest = [&](std::optional<std::uint64_t> nonce) {
        const auto key = commit(books, [&](pqxx::work& transaction) {
            return ledger::newest_refund(transaction, id, nonce);
        });
        return key ? key->number : 0;
    };
    CHECK(newest(std::nullopt) == 0);
    for (const auto* row :
         {"1, 5, null, 9, '\\x01', 0, 'a', null", "2, 5, null, 9, '\\x01', 1, 'b', null",
          "3, 5, null, null, null, 2, null, 'given up'"})
        commit(books, [&](pqxx::work& transaction) {
            transaction.exec("insert into refund values ('\\" + channel::to_hex(id).substr(1) +
                             "', " + row + ", now())");
            return 0;
        });
    CHECK(newest(std::nullopt) == 2);
    CHECK(newest(0) == 1);
    CHECK(newest(1) == 2);
    CHECK(newest(2) == 0);
}
