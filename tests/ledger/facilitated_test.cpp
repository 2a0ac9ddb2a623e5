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
ledger::OutboxEntry record(Books& books, std::string_view key, ledger::Time at = kNoon,
                           const channel::Address& receiver = kReceiver,
                           std::optional<channel::Address> asked_as = std::nullopt) {
    return commit(books, [&](pqxx::work& transaction) {
        ledger::OutboxDraft draft;
        draft.purpose = ledger::Purpose::facilitated;
        draft.reference =
            ledger::facilitated_reference(FacilitatedAction::settle, channel::keccak256(key));
        draft.gas_limit = 1000;
        draft.fees = {units(7), units(1)};
        ledger::chain::KeySigner relayer(support::key(104), support::key(4));
        auto entries = ledger::enqueue(transaction, {kNetwork, relayer, 0}, {draft}, at);
        const Facilitated what{FacilitatedAction::settle, kNetwork, receiver, kToken, asked_as};
        ledger::record_facilitated(transaction, entries.front().id, what, at);
        return entries.front();
    });
}

std::optional<std::string> newest(Books& books, ledger::Time since,
                                  const channel::Address& receiver = kReceiver) {
    return commit(books, [&](pqxx::work& transaction) {
        return ledger::newest_settlement(transaction, kNetwork, receiver, kToken, since);
    });
}

void finish(Books& books, const ledger::OutboxEntry& entry, bool succeeded,
            ledger::Time at = kNoon) {
    commit(books, [&](pqxx::work& transaction) {
        ledger::finish_outbox(transaction, entry.id,
                              {entry.hash, succeeded, 7, 1, units(1), succeeded ? "" : "why"}, at);
        return 0;
    });
}

}  // namespace

TEST_CASE("facilitated: the newest settlement is found for a while, and one that failed never",
          "[facilitated]") {
    Books books;
    const auto before = kNoon - std::chrono::seconds{1};
    CHECK_FALSE(newest(books, before).has_value());
    const auto entry = record(books, "a");
    CHECK(newest(books, before) == entry.reference);
    CHECK_FALSE(newest(books, kNoon).has_value());
    CHECK_FALSE(newest(books, before, kToken).has_value());
    finish(books, entry, true, kNoon + std::chrono::seconds{1});
    CHECK(newest(books, kNoon) == entry.reference);
    CHECK_FALSE(newest(books, kNoon + std::chrono::seconds{1}).has_value());
    const auto failed = record(books, "b");
    CHECK(newest(books, before) == failed.reference);
    finish(books, failed, false);
    CHECK(newest(books, before) == entry.reference);
}

TEST_CASE("facilitated: what the newest may cost is the sum of their limits, for each who asks",
          "[facilitated]") {
    Books books;
    const channel::Address other{{3}};
    const auto cost = [&](ledger::Time since, std::optional<channel::Address> asked_as = {}) {
        return commit(books, [&](pqxx::work& transaction) {
            const Facilitated what{FacilitatedAction::settle, kNetwork, kReceiver, kToken,
                                   asked_as};
            return ledger::facilitated_cost_since(transaction, what, since);
        });
    };
    CHECK(cost(kNoon).all == units(0));
    record(books, "a");
    const auto later = kNoon + std::chrono::seconds{1};
    record(books, "b", later);
    CHECK(cost(kNoon - std::chrono::seconds{1}).all == units(14'000));
    CHECK(cost(kNoon).all == units(7000));
    CHECK(cost(later).all == units(0));

    record(books, "c", later, kReceiver, kReceiver);
    record(books, "d", later, other, other);
    record(books, "e", later, other, kReceiver);
    const auto by_stranger = cost(kNoon, other);
    CHECK(by_stranger.all == units(28'000));
    CHECK(by_stranger.of_strangers == units(14'000));
    CHECK(by_stranger.of_receiver == units(7000));
    const auto by_itself = cost(kNoon, kReceiver);
    CHECK(by_itself.all == units(28'000));
    CHECK(by_itself.of_strangers == units(14'000));
    CHECK(by_itself.of_receiver == units(7000));
    CHECK(cost(kNoon).of_receiver == units(7000));
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
