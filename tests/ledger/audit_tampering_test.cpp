#include "ledger/proof/journal.hpp"
#include "ledger/proof/log_store.hpp"
#include "tests/support/audited_export.hpp"
#include "tests/support/independent_verifier.hpp"
#include "tests/support/journal_history.hpp"
#include "tests/support/tampering.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <pqxx/pqxx>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <random>
#include <set>

using namespace support;

namespace {

namespace json = boost::json;

bool is_long() {
    const char* set = std::getenv("MILLRACE_LONG");
    return set && std::string(set) == "1";
}

std::uint64_t seed() {
    const char* given = std::getenv("MILLRACE_SEED");
    return given ? std::stoull(given) : std::random_device{}();
}

/// "numbers 17 to 20" → 20; else 0.
std::uint64_t last_of_range(const std::string& key) {
    const auto to = key.rfind(" to ");
    return key.starts_with("numbers ") && to != std::string::npos ? std::stoull(key.substr(to + 4))
                                                                  : 0;
}

/// Whether a finding names what was done. `next_head`: the head that seals the row.
bool names(const Tampering& done, std::uint64_t next_head, std::uint64_t seq,
           const std::string& key) {
    const auto is_in_key = [&](const std::string& part) {
        return key.find(part) != std::string::npos;
    };
    if (done.rolled_back) return true;
    if (std::any_of(done.shown_by.begin(), done.shown_by.end(), is_in_key)) return true;
    if (done.seq == 0) return std::all_of(done.key.begin(), done.key.end(), is_in_key);
    if (seq == done.seq) return true;
    const auto last = std::max(seq, last_of_range(key));
    if (seq <= done.seq && done.seq <= last) return true;
    return done.rehashed && seq >= done.seq && seq <= next_head;
}

/// For people.
std::string told(const Tampering& done) {
    auto text = done.what + ", seq " + std::to_string(done.seq);
    for (const auto& part : done.key) text += " " + part;
    return text;
}

std::uint64_t head_after(pqxx::transaction_base& transaction, std::uint64_t seq) {
    return transaction
        .exec_params1("select coalesce(min(size), 0) from log_checkpoint where size >= $1", seq)[0]
        .as<std::uint64_t>();
}

}  // namespace

TEST_CASE("audit: sound books hold in both verifiers, whole and in part", "[audit]") {
    const auto start = seed();
    CAPTURE(start);
    Books books;
    JournalHistory history(books, start);
    history.run(40);
    pqxx::connection connection(books.postgres.url());
    pqxx::work transaction(connection);
    const auto key = log_signer().key();
    const auto seq =
        transaction.exec1("select last_seq from commit_sequence")[0].as<std::uint64_t>();
    Folder folder;
    std::string files;
    const auto add = [&](const std::string& text) {
        const auto finding = verified(text, {key, {}});
        INFO((finding ? finding->rule + " " + finding->key + ": " + finding->explanation : ""));
        CHECK_FALSE(finding.has_value());
        files += folder.write("books-" + std::to_string(files.size()), text) + " ";
    };
    add(exported(books, transaction, key.text()));
    add(exported(books, transaction, key.text(), {ledger::ExportFormat::ndjson, 1, seq / 2}));
    add(exported(books, transaction, key.text(), {ledger::ExportFormat::ndjson, seq / 3, {}}));
    add(exported(books, transaction, key.text(),
                 {ledger::ExportFormat::ndjson, seq / 3, seq / 3 + 20}));
    for (const auto& said : independently(files + "--key " + key.text())) {
        INFO(json::serialize(said));
        CHECK(said.at("ok").as_bool());
    }
}

TEST_CASE("audit: what is committed and not sealed yet is in the export, without a leaf",
          "[audit]") {
    Books books;
    {
        JournalHistory history(books, 3);
        history.run(10);
    }
    const auto committed = kNoon + std::chrono::hours{24 * 365};
    auto shard = books.shard("second", committed);
    const auto late = payer(books, 77);
    std::vector<ledger::Request> batch{late.open(5000), late.pay("late", 10, 10)};
    shard.process(std::move(batch), committed);
    pqxx::connection connection(books.postgres.url());
    pqxx::work transaction(connection);
    const auto key = log_signer().key();
    const auto soon = committed + ledger::kSealedWithin;
    const auto in_time = exported(books, transaction, key.text(), {}, soon);
    const auto overdue =
        exported(books, transaction, key.text(), {}, soon + std::chrono::microseconds{1});
    const auto sealed = ledger::newest_head(transaction)->size;
    const auto unsealed =
        "numbers " + std::to_string(sealed + 1) + " to " + std::to_string(sealed + 2);
    CHECK_FALSE(verified(in_time, {key, {}}).has_value());
    // Whoever does not have the key asks for no log.
    CHECK_FALSE(verified(overdue).has_value());
    const auto finding = verified(overdue, {key, {}});
    REQUIRE(finding.has_value());
    CHECK(finding->rule == "tree");
    CHECK(finding->key == unsealed);
    Folder folder;
    const auto said = independently(folder.write("in-time", in_time) + " " +
                                    folder.write("overdue", overdue) + " --key " + key.text());
    CHECK(said.at(0).at("ok").as_bool());
    const auto& found = said.at(1).at("findings").as_array().front().as_object();
    CHECK(found.at("rule").as_string() == "tree");
    CHECK(found.at("key").as_string() == unsealed);
}

TEST_CASE("audit: with a key there has to be a log, once there is anything old", "[audit]") {
    Books books;
    const auto key = log_signer().key();
    pqxx::connection connection(books.postgres.url());
    {
        pqxx::work transaction(connection);
        CHECK_FALSE(verified(exported(books, transaction, key.text()), {key, {}}).has_value());
    }
    auto shard = books.shard();
    const auto first = payer(books, 77);
    std::vector<ledger::Request> batch{first.open(5000), first.pay("first", 10, 10)};
    shard.process(std::move(batch), kNoon);
    pqxx::work transaction(connection);
    const auto soon = kNoon + ledger::kSealedWithin;
    CHECK_FALSE(
        verified(exported(books, transaction, key.text(), {}, soon), {key, {}}).has_value());
    const auto text =
        exported(books, transaction, key.text(), {}, soon + std::chrono::microseconds{1});
    CHECK_FALSE(verified(text).has_value());
    const auto finding = verified(text, {key, {}});
    REQUIRE(finding.has_value());
    CHECK(finding->rule == "tree");
    CHECK(finding->key == "numbers 1 to 2");
    Folder folder;
    const auto said = independently(folder.write("books", text) + " --key " + key.text());
    const auto& found = said.front().at("findings").as_array().front().as_object();
    CHECK(found.at("rule").as_string() == "tree");
    CHECK(found.at("key").as_string() == "numbers 1 to 2");
}

TEST_CASE("audit: a row of any table under a number that was never given out is named", "[audit]") {
    Books books;
    JournalHistory history(books, 5);
    history.run(40);
    disarm(books);
    const auto key = log_signer().key();
    pqxx::connection connection(books.postgres.url());
    const auto last = std::stoll(books.query("select last_seq from commit_sequence"));
    Folder folder;
    std::string files;
    std::vector<std::pair<std::string, std::string>> done;
    const auto plant = [&](const std::string& table, const std::string& column,
                           const std::string& number, ledger::ExportScope scope) {
        pqxx::work transaction(connection);
        transaction.exec("set local session_replication_role = replica");
        transaction.exec("create temp table copied on commit drop as select * from " + table +
                         " limit 1");
        transaction.exec("update copied set " + column + " = " + number);
        transaction.exec("insert into " + table + " select * from copied");
        const auto text = exported(books, transaction, key.text(), scope);
        const auto name = (number == "null" ? "no number: " : "number " + number + ": ");
        const auto finding = verified(text, {key, {}});
        INFO(table << " " << number);
        REQUIRE(finding.has_value());
        INFO(finding->rule << " " << finding->key << ": " << finding->explanation);
        CHECK(finding->rule == "number");
        CHECK(finding->table == table);
        CHECK(finding->key.starts_with(name));
        files += folder.write(std::to_string(done.size()), text) + " ";
        done.emplace_back(table, name);
    };
    const ledger::ExportScope part{ledger::ExportFormat::ndjson, 5, 9};
    for (const auto table : ledger::journal_tables()) {
        const std::string name(ledger::to_string(table));
        for (const auto& number : {std::to_string(last + 1), std::string("0"), std::string("null")})
            plant(name, "seq", number, {});
        plant(name, "seq", "-7", part);
    }
    plant("log_checkpoint", "size", std::to_string(last + 7), {});
    plant("log_checkpoint", "size", "0", part);
    const auto said = independently(files + "--key " + key.text());
    REQUIRE(said.size() == done.size());
    for (std::size_t n = 0; n < said.size(); ++n) {
        INFO(json::serialize(said[n]));
        const auto& finding = said[n].at("findings").as_array().front().as_object();
        CHECK(finding.at("rule").as_string() == "number");
        CHECK(finding.at("table").as_string() == done[n].first);
        CHECK(std::string(finding.at("key").as_string()).starts_with(done[n].second));
    }
}

TEST_CASE("audit: whatever an owner of the database does is found by both verifiers", "[audit]") {
    const auto start = seed();
    CAPTURE(start);
    const int count = is_long() ? 1000 : 100;
    std::mt19937_64 random(start);
    Books books;
    JournalHistory history(books, start);
    history.run(60);
    disarm(books);
    const auto later = kNoon + std::chrono::hours{24 * 365};
    const auto key = log_signer().key();
    pqxx::connection connection(books.postgres.url());
    std::vector<ledger::KnownHead> kept;
    std::string kept_note;
    {
        pqxx::work transaction(connection);
        CHECK_FALSE(
            verified(exported(books, transaction, key.text(), {}, later), {key, {}}).has_value());
        const auto head = *ledger::newest_head(transaction);
        kept.push_back({head.size, head.root, "kept"});
        kept_note = head.note;
    }
    Folder folder;
    const auto note = folder.write("head", kept_note);
    /// Without and with the head that was kept, which only a roll-back needs.
    std::string files[2];
    std::vector<std::pair<Tampering, std::uint64_t>> done[2];
    std::set<std::string> kinds;
    for (int n = 0; n < count; ++n) {
        pqxx::work transaction(connection);
        const auto before = exported(books, transaction, key.text(), {}, later);
        const auto tampering = tamper(transaction, random);
        const auto next_head = head_after(transaction, tampering.seq);
        const auto text = exported(books, transaction, key.text(), {}, later);
        if (text == before) {
            // Such as a copy of a row under its own number.
            --n;
            continue;
        }
        const auto known = tampering.rolled_back ? kept : std::vector<ledger::KnownHead>{};
        const auto finding = verified(text, {key, known});
        INFO(n << ": " << told(tampering));
        REQUIRE(finding.has_value());
        INFO(finding->rule << ", seq " << finding->seq << ", " << finding->table << ", "
                           << finding->key << ": " << finding->explanation);
        CHECK(names(tampering, next_head, finding->seq, finding->key));
        kinds.insert(tampering.what);
        done[tampering.rolled_back].emplace_back(tampering, next_head);
        files[tampering.rolled_back] += folder.write(std::to_string(n), text) + " ";
    }
    auto said = independently(files[false] + "--key " + key.text());
    REQUIRE(said.size() == done[false].size());
    if (!done[true].empty())
        for (auto& one : independently(files[true] + "--key " + key.text() + " --head " + note))
            said.push_back(std::move(one));
    auto& all = done[false];
    all.insert(all.end(), done[true].begin(), done[true].end());
    REQUIRE(said.size() == all.size());
    for (std::size_t n = 0; n < said.size(); ++n) {
        const auto& [tampering, next_head] = all[n];
        INFO(n << ": " << told(tampering));
        INFO(json::serialize(said[n]));
        const auto* findings = said[n].as_object().if_contains("findings");
        REQUIRE((findings && !findings->as_array().empty()));
        const auto& finding = findings->as_array().front().as_object();
        const auto text = [&](const char* member) {
            const auto* found = finding.if_contains(member);
            return found && found->is_string() ? std::string(found->get_string()) : std::string();
        };
        const auto seq = text("seq").empty() ? 0 : std::stoull(text("seq"));
        CHECK(names(tampering, next_head, seq, text("key")));
    }
    std::cout << all.size() << " tamperings of " << kinds.size()
              << " kinds found by both verifiers (MILLRACE_SEED=" << start << ")\n";
}
