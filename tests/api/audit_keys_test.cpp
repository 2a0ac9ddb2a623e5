#include "api/auth/audit_keys.hpp"
#include "api/database.hpp"
#include "tests/support/ledger_fixture.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <catch2/catch.hpp>

using namespace support;
using namespace std::chrono_literals;
using api::AuditKeys;
using api::KeyRefusal;
using ledger::AuditScope;

namespace {

const std::string kHere = "192.0.2.1";
const std::string kElsewhere = "198.51.100.7";

/// Keys in a real database, asked for at any time.
struct Stand {
    Books books;
    api::Database database{books.postgres.service_url(), 2};
    AuditKeys keys;

    api::NewAuditKey made(ledger::AuditScopes scopes = {AuditScope::ledger},
                          ledger::Time expires_at = kNoon + 1h) {
        auto drawn = api::draw_audit_key();
        pqxx::connection connection(books.postgres.service_url());
        ledger::add_audit_key(connection, {drawn.id, "Jones", drawn.digest, std::move(scopes),
                                           kNoon - 1h, expires_at});
        return drawn;
    }

    void revoke(const std::string& id, ledger::Time at) {
        pqxx::connection connection(books.postgres.service_url());
        REQUIRE(ledger::revoke_audit_key(connection, id, at)->revoked_at.has_value());
    }

    AuditKeys::Verified verify(const std::string& bearer, ledger::Time at = kNoon,
                               const std::string& from = kHere) {
        boost::asio::io_context io;
        auto future = boost::asio::co_spawn(io, keys.verify(database, bearer, from, at),
                                            boost::asio::use_future);
        io.run();
        return future.get();
    }

    bool is_good(const std::string& bearer, ledger::Time at = kNoon,
                 const std::string& from = kHere) {
        return std::holds_alternative<api::Principal>(verify(bearer, at, from));
    }

    KeyRefusal why(const std::string& bearer, ledger::Time at = kNoon,
                   const std::string& from = kHere) {
        return std::get<api::RefusedKey>(verify(bearer, at, from)).why;
    }
};

/// The same id with another secret.
std::string with_wrong_secret(std::string text) {
    text.back() = text.back() == '0' ? '1' : '0';
    return text;
}

}  // namespace

TEST_CASE("audit keys: a key has its form, other text is none", "[audit]") {
    const auto key = api::draw_audit_key();
    CHECK(key.text.size() == 85);
    CHECK(key.text.starts_with("mra_" + key.id + "_"));
    CHECK(api::audit_key_id(key.text) == key.id);
    CHECK(key.digest == api::audit_key_digest(key.text));
    CHECK(api::draw_audit_key().text != key.text);
    CHECK(api::draw_audit_key().id != key.id);
    auto upper = key.text;
    upper[5] = 'A';
    auto glued = key.text;
    glued[20] = '0';
    for (const auto& text : {std::string(), std::string("mra_"), key.text + "0", upper, glued,
                             key.text.substr(1), " " + key.text.substr(0, 84)})
        CHECK_FALSE(api::audit_key_id(text).has_value());
}

TEST_CASE("audit keys: a key is what its row says, until it ends", "[audit]") {
    Stand stand;
    const auto key = stand.made({AuditScope::channels, AuditScope::export_}, kNoon + 90s);
    const auto principal = std::get<api::Principal>(stand.verify(key.text));
    CHECK_FALSE(principal.address.has_value());
    CHECK_FALSE(principal.operator_);
    CHECK(principal.expires_at == kNoon + 90s);
    REQUIRE(principal.auditor.has_value());
    CHECK(principal.auditor->caller == ledger::AuditCaller{ledger::AuditCaller::Kind::key, key.id});
    CHECK(principal.auditor->scopes ==
          ledger::AuditScopes{AuditScope::channels, AuditScope::export_});

    CHECK(stand.is_good(key.text, kNoon + 90s - 1us));
    CHECK(stand.why(key.text, kNoon + 90s) == KeyRefusal::expired);
    CHECK(stand.why(with_wrong_secret(key.text)) == KeyRefusal::unknown);
    // Whoever does not have the whole key is not told what became of it.
    CHECK(stand.why(with_wrong_secret(key.text), kNoon + 90s) == KeyRefusal::unknown);
    CHECK(stand.why(api::draw_audit_key().text) == KeyRefusal::unknown);
    CHECK(stand.books.query("select count(*) from audit_key where position('" +
                            key.text.substr(21) + "' in audit_key::text) > 0") == "0");
}

TEST_CASE("audit keys: a revoked key stops within seconds", "[audit]") {
    Stand stand;
    const auto key = stand.made();
    CHECK(stand.is_good(key.text, kNoon));
    stand.revoke(key.id, kNoon + 1s);
    CHECK(stand.is_good(key.text, kNoon + AuditKeys::kRemembered - 1us));
    const auto refused =
        std::get<api::RefusedKey>(stand.verify(key.text, kNoon + AuditKeys::kRemembered));
    CHECK(refused.why == KeyRefusal::revoked);
    CHECK(refused.caller->id == key.id);
    // A clock that was set back does not bring it to life again.
    CHECK(stand.why(key.text, kNoon - 5s) == KeyRefusal::revoked);
    stand.revoke(key.id, kNoon + 1h);
    pqxx::connection connection(stand.books.postgres.service_url());
    CHECK(ledger::find_audit_key(connection, key.id)->revoked_at == kNoon + 1s);
}

TEST_CASE("audit keys: guessing ends after some tries, and harms nobody else", "[audit]") {
    Stand stand;
    const auto known = stand.made();
    const auto not_seen_yet = stand.made();
    CHECK(stand.is_good(known.text));
    for (unsigned n = 0; n < api::Guesses::kFailuresMax; ++n)
        CHECK(stand.why(n % 2 == 0 ? api::draw_audit_key().text : with_wrong_secret(known.text)) ==
              KeyRefusal::unknown);
    CHECK(stand.why(api::draw_audit_key().text) == KeyRefusal::too_many_guesses);
    CHECK(stand.why(with_wrong_secret(known.text)) == KeyRefusal::too_many_guesses);
    // Not even looked up.
    CHECK(stand.why(not_seen_yet.text) == KeyRefusal::too_many_guesses);
    CHECK(stand.is_good(known.text, kNoon + AuditKeys::kRemembered + 1s));
    CHECK(stand.is_good(not_seen_yet.text, kNoon, kElsewhere));
    CHECK(stand.why(api::draw_audit_key().text, kNoon + 1min) == KeyRefusal::unknown);
}

TEST_CASE("audit keys: an IPv6 network counts as one place", "[audit]") {
    api::Guesses guesses;
    for (unsigned n = 0; n < api::Guesses::kFailuresMax; ++n)
        guesses.count_failure("2001:db8:1:2::" + std::to_string(n + 1), kNoon);
    CHECK(guesses.exhausted("2001:db8:1:2:ffff::1", kNoon));
    CHECK_FALSE(guesses.exhausted("2001:db8:1:3::1", kNoon));
    CHECK_FALSE(guesses.exhausted("2001:db8:1:2::1", kNoon + 1min));
}

TEST_CASE("audit keys: what guesses leave behind is bounded", "[audit]") {
    api::Guesses guesses;
    const auto place = [](std::size_t n) {
        return "10." + std::to_string(n / 65536) + "." + std::to_string(n / 256 % 256) + "." +
               std::to_string(n % 256);
    };
    for (std::size_t n = 0; n < api::Guesses::kPlacesMax; ++n)
        guesses.count_failure(place(n), kNoon);
    CHECK(guesses.exhausted(kHere, kNoon));
    CHECK_FALSE(guesses.exhausted(place(0), kNoon));
    CHECK_FALSE(guesses.exhausted(kHere, kNoon + 1min));

    Stand stand;
    const auto key = stand.made();
    CHECK(stand.is_good(key.text));
    for (std::size_t n = 0; n < AuditKeys::kRememberedMax + 10; ++n)
        CHECK(stand.why(api::draw_audit_key().text, kNoon, place(n)) == KeyRefusal::unknown);
    stand.books.postgres.execute("alter table audit_key rename to audit_key_away");
    CHECK(stand.is_good(key.text));
}

TEST_CASE("audit keys: a key that cannot be looked up is not judged", "[audit]") {
    Stand stand;
    const auto key = stand.made();
    api::Database nowhere("postgresql:///x?host=/nowhere", 1);
    boost::asio::io_context io;
    auto future = boost::asio::co_spawn(io, stand.keys.verify(nowhere, key.text, kHere, kNoon),
                                        boost::asio::use_future);
    io.run();
    CHECK_THROWS_AS(future.get(), pqxx::failure);
    CHECK(stand.is_good(key.text));
}

TEST_CASE("audit keys: all there ever were are listed, with their last use", "[audit]") {
    Stand stand;
    const auto first = stand.made({AuditScope::ledger, AuditScope::channels});
    const auto second = stand.made();
    stand.revoke(first.id, kNoon);
    pqxx::connection connection(stand.books.postgres.service_url());
    ledger::record_audit_query(connection, {{ledger::AuditCaller::Kind::key, second.id},
                                            kNoon + 5s,
                                            7,
                                            kHere,
                                            "GET",
                                            "/v1/ledger/accounts?limit=1",
                                            200,
                                            std::uint64_t{12},
                                            1500us});
    const auto keys = ledger::list_audit_keys(connection);
    REQUIRE(keys.size() == 2);
    const auto& one = keys[0].key.id == first.id ? keys[0] : keys[1];
    const auto& other = keys[0].key.id == first.id ? keys[1] : keys[0];
    CHECK(one.key.name == "Jones");
    CHECK(one.key.scopes.size() == 2);
    CHECK(one.key.revoked_at == kNoon);
    CHECK_FALSE(one.used_at.has_value());
    CHECK_FALSE(other.key.revoked_at.has_value());
    CHECK(other.used_at == kNoon + 5s);
    CHECK_FALSE(ledger::revoke_audit_key(connection, "0000000000000000", kNoon).has_value());
}

TEST_CASE("audit queries: pages have each query once, in the order of time", "[audit]") {
    Stand stand;
    pqxx::connection connection(stand.books.postgres.service_url());
    // Several of one moment.
    for (int n = 0; n < 25; ++n) {
        ledger::AuditQuery query;
        query.caller = {
            n % 5 == 0 ? ledger::AuditCaller::Kind::token : ledger::AuditCaller::Kind::key,
            n % 5 == 0 ? "ffff" : "aaaa"};
        query.at = kNoon + std::chrono::seconds{n / 4};
        query.id = n % 2 == 0 ? n : -n;
        query.method = "GET";
        query.target = "/" + std::to_string(n);
        query.status = 200;
        ledger::record_audit_query(connection, query);
    }
    const auto read = [&](const std::string& caller, ledger::Time since) {
        std::vector<std::string> targets;
        ledger::AuditQueryKey after{since, INT64_MIN};
        ledger::Time before{};
        for (;;) {
            const auto page = ledger::list_audit_queries(connection, caller, after, 4);
            for (const auto& query : page) {
                CHECK(query.at >= before);
                before = query.at;
                targets.push_back(query.target);
            }
            if (page.size() < 4) return targets;
            after = {page.back().at, page.back().id};
        }
    };
    auto all = read("", kNoon);
    CHECK(all.size() == 25);
    std::sort(all.begin(), all.end());
    CHECK(std::unique(all.begin(), all.end()) == all.end());
    CHECK(read("ffff", kNoon).size() == 5);
    CHECK(read("aaaa", kNoon).size() == 20);
    CHECK(read("bbbb", kNoon).empty());
    CHECK(read("", kNoon + 6s).size() == 1);
    CHECK(read("", kNoon + 7s).empty());
}
