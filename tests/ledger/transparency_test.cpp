#include "ledger/proof/committed_batch.hpp"
#include "ledger/proof/journal.hpp"
#include "ledger/proof/log_store.hpp"
#include "ledger/proof/note.hpp"
#include "ledger/proof/sealer.hpp"
#include "ledger/snapshot.hpp"
#include "tests/support/journal_history.hpp"
#include "tests/support/vectors.hpp"

#include <catch2/catch.hpp>
#include <pqxx/pqxx>

#include <random>

using namespace support;
using ledger::GrowingTree;
using ledger::TreeHash;
using ledger::TreeNode;

namespace {

TreeHash hash(const Vector& value) {
    return channel::parse_fixed<TreeHash>(value.text()).value();
}

std::vector<TreeHash> hashes(const Vector& list) {
    std::vector<TreeHash> all;
    for (const auto& item : list.items()) all.push_back(hash(item));
    return all;
}

std::uint64_t number(const Vector& value) {
    return std::stoull(value.text());
}

std::vector<TreeHash> leaves_of(std::size_t count) {
    std::vector<TreeHash> leaves;
    for (std::size_t n = 0; n < count; ++n) {
        const auto text = "leaf " + std::to_string(n);
        leaves.push_back(
            ledger::leaf_hash({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}));
    }
    return leaves;
}

/// MTH of RFC 6962, 2.1, word for word.
TreeHash defined_root(const std::vector<TreeHash>& leaves, std::size_t begin, std::size_t end) {
    if (end == begin) return ledger::sha256({});
    if (end - begin == 1) return leaves[begin];
    std::size_t k = 1;
    while (2 * k < end - begin) k *= 2;
    return ledger::node_hash(defined_root(leaves, begin, begin + k),
                             defined_root(leaves, begin + k, end));
}

ledger::ReadNode reader_of(const std::vector<TreeHash>& leaves) {
    return [&leaves](const TreeNode& node) {
        return defined_root(leaves, node.index << node.level, (node.index + 1) << node.level);
    };
}

}  // namespace

TEST_CASE("tree: roots and paths are those that other logs have published", "[transparency]") {
    const auto published = Vector::load("transparency-log.json")["tree"];
    std::vector<TreeHash> leaves;
    for (const auto& leaf : published["leaves"].items())
        leaves.push_back(ledger::leaf_hash(channel::parse_hex(leaf.text()).value()));
    const auto roots = hashes(published["roots"]);
    GrowingTree tree;
    CHECK(tree.root() == hash(published["emptyRoot"]));
    for (std::size_t size = 1; size <= leaves.size(); ++size) {
        tree.append(leaves[size - 1]);
        CHECK(tree.root() == roots[size - 1]);
    }
    for (const auto& proof : published["inclusion"].items()) {
        const auto index = number(proof["index"]);
        const auto size = number(proof["size"]);
        const auto path = hashes(proof["path"]);
        CHECK(ledger::inclusion_path(index, size, reader_of(leaves)) == path);
        CHECK(ledger::verify_inclusion(index, size, leaves[index], path, roots[size - 1]));
    }
    for (const auto& proof : published["consistency"].items()) {
        const auto from = number(proof["from"]);
        const auto to = number(proof["to"]);
        const auto path = hashes(proof["path"]);
        CHECK(ledger::consistency_path(from, to, reader_of(leaves)) == path);
        CHECK(ledger::verify_consistency(from, to, roots[from - 1], roots[to - 1], path));
    }
}

TEST_CASE("tree: a published proof in a tree of millions of leaves holds", "[transparency]") {
    const auto published = Vector::load("transparency-log.json")["inclusionInLargeTree"];
    CHECK(ledger::verify_inclusion(number(published["index"]), number(published["size"]),
                                   hash(published["leafHash"]), hashes(published["path"]),
                                   hash(published["root"])));
}

TEST_CASE("tree: every path of every size verifies, and no other does", "[transparency]") {
    const auto leaves = leaves_of(70);
    const auto read = reader_of(leaves);
    GrowingTree tree;
    for (std::size_t size = 1; size <= leaves.size(); ++size) {
        tree.append(leaves[size - 1]);
        const auto root = defined_root(leaves, 0, size);
        REQUIRE(tree.root() == root);
        for (std::size_t index = 0; index < size; ++index) {
            auto path = ledger::inclusion_path(index, size, read);
            REQUIRE(ledger::verify_inclusion(index, size, leaves[index], path, root));
            REQUIRE_FALSE(ledger::verify_inclusion((index + 1) % (size + 1), size, leaves[index],
                                                   path, root));
            if (path.empty()) continue;
            path[index % path.size()].bytes[3] ^= 1;
            REQUIRE_FALSE(ledger::verify_inclusion(index, size, leaves[index], path, root));
        }
        for (std::size_t from = 1; from <= size; ++from) {
            const auto old_root = defined_root(leaves, 0, from);
            auto path = ledger::consistency_path(from, size, read);
            REQUIRE(ledger::verify_consistency(from, size, old_root, root, path));
            if (path.empty()) continue;
            path.back().bytes[9] ^= 1;
            REQUIRE_FALSE(ledger::verify_consistency(from, size, old_root, root, path));
            path.pop_back();
            REQUIRE_FALSE(ledger::verify_consistency(from, size, old_root, root, path));
        }
    }
}

TEST_CASE("tree: it goes on from the roots of its perfect subtrees", "[transparency]") {
    const auto leaves = leaves_of(300);
    for (const std::size_t cut : {0u, 1u, 2u, 7u, 128u, 255u, 256u, 299u}) {
        GrowingTree pieces;
        for (const auto& node : ledger::perfect_subtrees(0, cut))
            pieces.append_subtree(node.level, reader_of(leaves)(node));
        for (const auto& node : ledger::perfect_subtrees(cut, leaves.size()))
            pieces.append_subtree(node.level, reader_of(leaves)(node));
        CHECK(pieces.size() == leaves.size());
        CHECK(pieces.root() == defined_root(leaves, 0, leaves.size()));
    }
}

TEST_CASE("note: notes and tree heads that others have published are read", "[transparency]") {
    const auto file = Vector::load("transparency-log.json");
    for (const auto& published : file["notes"].items()) {
        const auto key = ledger::NoteKey::parse(published["key"].text());
        const auto other = ledger::NoteKey::parse(published["otherKey"].text());
        REQUIRE((key && other));
        CHECK(key->text() == published["key"].text());
        const auto text = published["text"].text();
        const auto mine = published["signature"].text();
        const auto both = text + "\n" + mine + published["otherSignature"].text();
        CHECK(ledger::open_note(text + "\n" + mine, *key) == text);
        CHECK(ledger::open_note(both, *key) == text);
        CHECK(ledger::open_note(both, *other) == text);
        CHECK_FALSE(ledger::open_note(text + "\n" + mine, *other).has_value());
        CHECK_FALSE(ledger::open_note("x" + both, *key).has_value());
        CHECK_FALSE(ledger::open_note(text, *key).has_value());
    }
    for (const auto& bad : file["badKeys"]["keys"].items())
        CHECK_FALSE(ledger::NoteKey::parse(bad.text()).has_value());
    const auto heads = file["heads"];
    const auto key = ledger::NoteKey::parse(heads["key"].text());
    REQUIRE(key.has_value());
    for (const auto& note : heads["notes"].items()) {
        const auto body =
            heads["origin"].text() + "\n" + note["size"].text() + "\n" + note["root"].text() + "\n";
        const auto text = ledger::open_note(body + "\n" + note["signature"].text(), *key);
        REQUIRE(text.has_value());
        const auto head = ledger::TreeHead::parse(*text);
        REQUIRE(head.has_value());
        CHECK(head->origin == heads["origin"].text());
        CHECK(std::to_string(head->size) == note["size"].text());
        CHECK(head->text() == body);
    }
}

TEST_CASE("note: what is signed is opened, and a bit of difference is not", "[transparency]") {
    const auto signer = log_signer();
    const ledger::TreeHead head{"test.example/log", 12, leaves_of(1).front(), 8};
    const auto note = signer.sign(head.text());
    const auto text = ledger::open_note(note, signer.key());
    REQUIRE(text == head.text());
    const auto parsed = ledger::TreeHead::parse(*text);
    CHECK(parsed->size == 12);
    CHECK(parsed->previous == 8);
    CHECK(ledger::NoteKey::parse(signer.key().text())->text() == signer.key().text());
    CHECK_FALSE(ledger::open_note(note, log_signer(8).key()).has_value());
    for (std::size_t at = 0; at < note.size(); at += 5) {
        auto bent = note;
        bent[at] = static_cast<char>(bent[at] ^ 1);
        CHECK_FALSE(ledger::open_note(bent, signer.key()) == head.text());
    }
    CHECK_THROWS_AS(log_signer(7, "two words"), std::invalid_argument);
}

TEST_CASE("log: all that is committed is sealed, by whoever comes next", "[transparency]") {
    Books books;
    JournalHistory history(books, 11);
    history.run(60, 5);
    pqxx::connection connection(books.postgres.service_url());
    ledger::Sealer another(log_signer());
    const auto committed = std::stoull(books.query("select last_seq from commit_sequence"));
    CHECK(another.seal(connection, 100, kNoon) == committed);
    history.run(5);

    ledger::Snapshot snapshot(connection);
    const auto head = ledger::newest_head(snapshot.reading());
    REQUIRE(head.has_value());
    CHECK(head->size == snapshot.seq());
    const auto leaves = ledger::leaf_hashes(snapshot.reading(), 1, head->size);
    REQUIRE(leaves.size() == head->size);
    CHECK(defined_root(leaves, 0, leaves.size()) == head->root);
    ledger::TileReader tiles(snapshot.reading());
    for (std::uint64_t seq = 1; seq <= head->size; seq += 7)
        CHECK(ledger::prove_inclusion(tiles, seq, *head).leaf == leaves[seq - 1]);
    const auto text = ledger::open_note(head->note, log_signer().key());
    REQUIRE(text.has_value());
    CHECK(ledger::TreeHead::parse(*text)->root == head->root);
}

TEST_CASE("log: many numbers fill tiles of several levels", "[transparency]") {
    Books books;
    books.postgres.execute("update commit_sequence set last_seq = 70000 where id = 1");
    pqxx::connection connection(books.postgres.service_url());
    ledger::Sealer sealer(log_signer());
    std::uint64_t size = 0;
    for (const std::uint64_t most : {1u, 255u, 256u, 40'000u, 40'000u})
        size = sealer.seal(connection, most, kNoon);
    CHECK(size == 70'000);
    CHECK(books.query("select level, count(*), sum(octet_length(hashes)) / 32 from log_tile "
                      "group by level order by level") == "0|274|70000\n1|2|273\n2|1|1");
    ledger::Sealer fresh(log_signer());
    books.postgres.execute("update commit_sequence set last_seq = 70001 where id = 1");
    CHECK(fresh.seal(connection, 10, kNoon) == 70'001);
    ledger::Snapshot snapshot(connection);
    const auto head = *ledger::newest_head(snapshot.reading());
    ledger::TileReader tiles(snapshot.reading());
    CHECK_NOTHROW(ledger::prove_inclusion(tiles, 65'536, head));
    CHECK_NOTHROW(ledger::prove_inclusion(tiles, 70'001, head));
}

TEST_CASE("log: nothing is built on a tree that is not the one last signed", "[transparency]") {
    Books books;
    JournalHistory history(books, 5);
    history.run(10);
    const std::string damage = GENERATE(
        as<std::string>{},
        "update log_tile set hashes = overlay(hashes placing '\\x00' from 5) where level = 0",
        "delete from log_tile where level = 0", "delete from log_checkpoint",
        "update log_head set size = size - 1");
    books.postgres.execute("alter table log_checkpoint disable trigger user; " + damage);
    books.postgres.execute("update commit_sequence set last_seq = last_seq + 1 where id = 1");
    pqxx::connection connection(books.postgres.service_url());
    ledger::Sealer sealer(log_signer());
    CHECK_THROWS_AS(sealer.seal(connection, 100, kNoon), std::runtime_error);
    CHECK_THROWS_AS(sealer.seal(connection, 100, kNoon), std::runtime_error);
}

TEST_CASE("log: whoever owns the database has no other history signed", "[transparency]") {
    Books books;
    JournalHistory history(books, 6);
    history.run(12);
    pqxx::connection connection(books.postgres.service_url());
    ledger::Sealer running(log_signer());
    const auto size = running.seal(connection, 1000, kNoon);
    const auto text = ledger::open_note(running.newest_note(), log_signer().key());
    REQUIRE(text.has_value());
    const auto kept = ledger::TreeHead::parse(*text);
    CHECK(kept->size == size);

    SECTION("by another key, or under another name") {
        ledger::Sealer of_another(log_signer(8));
        CHECK_THROWS_WITH(of_another.seal(connection, 1000, kNoon),
                          Catch::Contains("is another than before"));
        ledger::Sealer renamed(log_signer(7, "another.example/log"));
        CHECK_THROWS_WITH(renamed.seal(connection, 1000, kNoon),
                          Catch::Contains("is another than before"));
    }
    SECTION("by taking the log away") {
        books.postgres.execute(
            "alter table log_checkpoint disable trigger user; delete from log_tile; "
            "delete from log_checkpoint; update log_head set size = 0");
        CHECK_THROWS_WITH(running.seal(connection, 1000, kNoon),
                          Catch::Contains("does not contain"));
        ledger::Sealer restarted(log_signer(), kept);
        CHECK_THROWS_WITH(restarted.seal(connection, 1000, kNoon),
                          Catch::Contains("does not contain"));
        CHECK(books.query("select count(*) from log_checkpoint") == "0");
    }
    SECTION("after a restart it goes on") {
        history.run(3);
        ledger::Sealer restarted(log_signer(), kept);
        CHECK(restarted.seal(connection, 1000, kNoon) > size);
    }
}

TEST_CASE("log: leaves of what writers hand over are those of the database's rows",
          "[transparency]") {
    const auto seed = GENERATE(31, 32, 33);
    Books books(GENERATE(Books::Posting::before_answers, Books::Posting::behind));
    std::vector<ledger::CommittedBatch> handed;
    books.order.posted = [&](ledger::CommittedBatch batch) { handed.push_back(std::move(batch)); };
    JournalHistory history(books, static_cast<std::uint64_t>(seed));
    history.run(90);
    books.catch_up();
    REQUIRE(handed.size() > 5);
    pqxx::connection connection(books.postgres.service_url());
    ledger::Snapshot snapshot(connection);
    std::size_t payments = 0;
    for (const auto& batch : handed) {
        const auto page = ledger::read_journal(snapshot.reading(), batch.base + 1, batch.last());
        std::size_t at = 0;
        ledger::write_leaves(batch, books.assets, [&](std::uint64_t seq, channel::BytesView leaf) {
            channel::Bytes expected;
            REQUIRE(page.numbers[at].seq == seq);
            REQUIRE(ledger::write_leaf(page.numbers[at++], expected));
            REQUIRE(std::ranges::equal(leaf, expected));
        });
        CHECK(at == batch.numbers);
        payments += batch.payments.size();
    }
    CHECK(payments > 20);
}

TEST_CASE("log: what is handed over is sealed as what is read, gaps and all", "[transparency]") {
    Books books(GENERATE(Books::Posting::before_answers, Books::Posting::behind));
    std::deque<ledger::CommittedBatch> handed;
    std::mt19937_64 random(9);
    books.order.posted = [&](ledger::CommittedBatch batch) {
        if (random() % 4 != 0) handed.push_back(std::move(batch));
    };
    // It seals by reading, under the same key.
    JournalHistory history(books, 41);
    history.run(30, 1000);
    const auto read = books.query("select root from log_checkpoint order by size desc limit 1");
    books.postgres.execute(
        "alter table log_checkpoint disable trigger user; delete from log_tile; "
        "delete from log_checkpoint; update log_head set size = 0");
    pqxx::connection connection(books.postgres.service_url());
    ledger::Sealer sealer(log_signer());
    const auto committed = std::stoull(books.query("select last_seq from commit_sequence"));
    std::uint64_t size = 0;
    while (size < committed) size = sealer.seal(connection, 7, kNoon, {&handed, &books.assets});
    CHECK(handed.empty());
    CHECK(books.query("select root from log_checkpoint order by size desc limit 1") == read);
}
