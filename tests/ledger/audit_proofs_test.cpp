#include "ledger/proof/log_store.hpp"
#include "ledger/proof/sealer.hpp"
#include "ledger/snapshot.hpp"
#include "tests/support/independent_verifier.hpp"
#include "tests/support/journal_history.hpp"

#include <catch2/catch.hpp>
#include <pqxx/pqxx>

#include <random>

using namespace support;

namespace json = boost::json;

namespace {

json::array texts(const std::vector<ledger::TreeHash>& hashes) {
    json::array list;
    for (const auto& hash : hashes) list.emplace_back(channel::to_hex(hash));
    return list;
}

}  // namespace

TEST_CASE("proofs: 10,000 of inclusion and 1,000 of consistency hold in both verifiers",
          "[audit]") {
    constexpr std::uint64_t kNumbers = 100'000;
    Books books;
    JournalHistory history(books, 8);
    history.run(30);
    pqxx::connection connection(books.postgres.service_url());
    ledger::Sealer sealer(log_signer());
    std::mt19937_64 random(17);
    for (std::uint64_t size = 0; size < kNumbers;) {
        books.postgres.execute("update commit_sequence set last_seq = greatest(last_seq, " +
                               std::to_string(size + 1 + random() % 20'000) + ")");
        size = sealer.seal(connection, kNumbers, kNoon);
    }
    ledger::Snapshot snapshot(connection);
    ledger::TileReader tiles(snapshot.reading());
    const auto heads = ledger::heads_between(snapshot.reading(), 1, 2 * kNumbers);
    REQUIRE(heads.size() > 10);
    json::array inclusion;
    for (int n = 0; n < 10'000; ++n) {
        const auto& head = heads[random() % heads.size()];
        const auto seq = 1 + random() % head.size;
        const auto proof = ledger::prove_inclusion(tiles, seq, head);
        REQUIRE(ledger::verify_inclusion(seq - 1, head.size, proof.leaf, proof.path, head.root));
        inclusion.push_back(json::object{{"index", std::to_string(seq - 1)},
                                         {"size", std::to_string(head.size)},
                                         {"leaf", channel::to_hex(proof.leaf)},
                                         {"root", channel::to_hex(head.root)},
                                         {"path", texts(proof.path)}});
    }
    json::array consistency;
    for (int n = 0; n < 1'000; ++n) {
        const auto first = random() % heads.size();
        const auto& from = heads[first];
        const auto& to = heads[first + random() % (heads.size() - first)];
        const auto path = ledger::prove_consistency(tiles, from.size, to);
        REQUIRE(ledger::verify_consistency(from.size, to.size, from.root, to.root, path));
        consistency.push_back(json::object{{"from", std::to_string(from.size)},
                                           {"to", std::to_string(to.size)},
                                           {"fromRoot", channel::to_hex(from.root)},
                                           {"toRoot", channel::to_hex(to.root)},
                                           {"path", texts(path)}});
    }
    const Folder folder;
    const json::object all{{"inclusion", inclusion}, {"consistency", consistency}};
    const auto said = independently("proofs " + folder.write("good", json::serialize(all)));
    INFO(json::serialize(said.front()));
    CHECK(said.front().at("ok").as_bool());
    CHECK(said.front().at("inclusion").to_number<int>() == 10'000);
    CHECK(said.front().at("consistency").to_number<int>() == 1'000);

    auto bad = all;
    bad["inclusion"].as_array()[4321].as_object()["index"] = "0";
    const auto refused = independently("proofs " + folder.write("bad", json::serialize(bad)));
    CHECK_FALSE(refused.front().at("ok").as_bool());
}
