#include "api/auth/audit_keys.hpp"
#include "api/clock.hpp"
#include "channel/hex.hpp"
#include "ledger/audit/audit_key.hpp"
#include "ledger/audit/audit_query.hpp"
#include "tests/api/rest_stack.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include <chrono>

using namespace support;
using namespace std::chrono_literals;
using ledger::AuditScope;

namespace {

/// As `printf auditor-token | sha256sum` begins.
constexpr const char* kAuditorDigits = "ba1315421b7c58d4";
constexpr std::chrono::seconds kPatience{20};

struct Audited : RestStack {
    pqxx::connection connection{chain.postgres.service_url()};

    Audited() { chain.config.ledger.postgres = chain.postgres.service_url(); }

    /// Good for `lasts` from now on.
    api::NewAuditKey made(ledger::AuditScopes scopes, std::chrono::microseconds lasts = 1h) {
        auto drawn = api::draw_audit_key();
        ledger::add_audit_key(connection, {drawn.id, "Jones", drawn.digest, std::move(scopes),
                                           api::now() - 2h, api::now() + lasts});
        return drawn;
    }

    std::vector<ledger::AuditQuery> recorded() {
        std::vector<ledger::AuditQuery> all;
        for (;;) {
            const auto after = all.empty() ? ledger::AuditQueryKey{}
                                           : ledger::AuditQueryKey{all.back().at, all.back().id};
            const auto page = ledger::list_audit_queries(connection, {}, after, 1000);
            if (page.empty()) return all;
            all.insert(all.end(), page.begin(), page.end());
        }
    }

    std::string account(const std::string& kind) const {
        return std::to_string(Anvil::kChainId) + ":" + channel::to_hex(chain.anvil.token()) + ":" +
               kind;
    }
};

}  // namespace

TEST_CASE("audit: what a key opens is its scope", "[rest][audit]") {
    Audited stack;
    struct Case {
        ledger::AuditScopes scopes;
        unsigned accounts;
        unsigned channels;
        unsigned books;
    };
    const auto others = "/v1/claims";
    for (const auto& one :
         {Case{{AuditScope::ledger}, 200, 403, 403}, Case{{AuditScope::channels}, 403, 200, 403},
          Case{{AuditScope::export_}, 403, 403, 200},
          Case{{AuditScope::ledger, AuditScope::channels, AuditScope::export_}, 200, 200, 200}}) {
        const Ask ask{.bearer = stack.made(one.scopes).text};
        CHECK(stack.get("/v1/ledger/accounts", ask).status() == one.accounts);
        CHECK(stack.get("/v1/ledger/trial-balance", ask).status() == one.accounts);
        CHECK(stack.get("/v1/channels", ask).status() == one.channels);
        CHECK(stack.get("/v1/ledger/export", ask).status() == one.books);
        CHECK(stack.get(others, ask).status() == 403);
    }
    const Ask ask{.bearer = stack.made({AuditScope::ledger}).text};
    CHECK(stack.get("/v1/channels", ask).text("/detail") ==
          "This takes a key with the scope channels.");
    CHECK(stack.get(others, ask).text("/detail") ==
          "This is for parties: log in with the key of an address.");
    CHECK(stack.get("/v1/networks", {.bearer = "mra_nonsense"}).status() == 200);

    for (const auto& query : stack.recorded())
        if (query.target == "/v1/ledger/export")
            CHECK(query.seq.has_value() == (query.status == 200));
}

TEST_CASE("audit: a key that is wrong, expired or revoked is refused", "[rest][audit]") {
    Audited stack;
    const auto expired = stack.made({AuditScope::ledger}, -1us);
    const auto answer = stack.get("/v1/ledger/accounts", {.bearer = expired.text});
    CHECK(answer.status() == 401);
    CHECK(answer.text("/reason") == "unauthenticated");
    CHECK(answer.text("/detail") == "The key has expired; ask the operator for another.");
    CHECK(answer.header("WWW-Authenticate") == "Bearer");

    const auto key = stack.made({AuditScope::ledger});
    const Ask ask{.bearer = key.text};
    CHECK(stack.get("/v1/ledger/accounts", ask).status() == 200);
    auto wrong = key.text;
    wrong.back() = wrong.back() == '0' ? '1' : '0';
    CHECK(stack.get("/v1/ledger/accounts", {.bearer = wrong}).text("/detail") ==
          "The key is unknown.");
    CHECK(stack.get("/v1/ledger/accounts", {.bearer = key.text + "0"}).status() == 401);

    ledger::revoke_audit_key(stack.connection, key.id, api::now());
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (stack.get("/v1/ledger/accounts", ask).status() == 200)
        REQUIRE(std::chrono::steady_clock::now() < deadline);
    CHECK(stack.get("/v1/ledger/accounts", ask).text("/detail") ==
          "The key was revoked; ask the operator for another.");

    // Whoever has the whole key has a name, and so is in the record.
    std::vector<std::string> refused;
    for (const auto& query : stack.recorded())
        if (query.status == 401) refused.push_back(query.caller.id);
    CHECK(refused == std::vector{expired.id, key.id, key.id});
}

TEST_CASE("audit: guesses end in too many, and are counted", "[rest][audit]") {
    Audited stack;
    const auto key = stack.made({AuditScope::ledger});
    CHECK(stack.get("/v1/ledger/accounts", {.bearer = key.text}).status() == 200);
    for (unsigned n = 0; n < api::Guesses::kFailuresMax; ++n)
        CHECK(stack.get("/v1/ledger/accounts", {.bearer = api::draw_audit_key().text}).status() ==
              401);
    const auto answer = stack.get("/v1/ledger/accounts", {.bearer = api::draw_audit_key().text});
    CHECK(answer.status() == 429);
    CHECK(answer.text("/reason") == "rate_limited");
    CHECK(answer.text("/limit") == "20");
    CHECK_FALSE(answer.header("Retry-After").empty());
    CHECK(stack.get("/v1/ledger/accounts", {.bearer = key.text}).status() == 200);
    CHECK(stack.recorded().size() == 2);
    CHECK(stack.metrics.logins_failed.Value() == 21);
}

TEST_CASE("audit: every query is in the record before it is answered", "[rest][audit]") {
    Audited stack;
    const auto config = stack.open(1000);
    stack.pay(config, 1);
    const auto key = stack.made({AuditScope::ledger});
    const auto before = api::now();
    const auto page =
        stack.get("/v1/ledger/entries",
                  {.query = {{"limit", "5"}, {"color", "red & blue=ü"}}, .bearer = key.text});
    REQUIRE(page.status() == 200);
    stack.get("/v1/ledger/entries/999999", {.bearer = key.text});
    stack.get("/v1/ledger/entries", {.query = {{"limit", "x"}}, .bearer = RestStack::kAuditor});
    stack.get("/v1/channels/0x/../\"\x01", {.bearer = RestStack::kAuditor});

    const auto queries = stack.recorded();
    REQUIRE(queries.size() == 3);
    CHECK(queries[0].caller == ledger::AuditCaller{ledger::AuditCaller::Kind::key, key.id});
    CHECK(queries[0].at >= before);
    CHECK(queries[0].remote_address == "127.0.0.1");
    CHECK(queries[0].method == "GET");
    CHECK(queries[0].target == "/v1/ledger/entries?color=red%20%26%20blue=%C3%BC&limit=5");
    CHECK(queries[0].status == 200);
    CHECK(std::to_string(queries[0].seq.value()) == page.text("/seq"));
    CHECK(queries[0].duration > 0us);
    CHECK(queries[0].duration < 20s);
    CHECK(queries[1].status == 404);
    CHECK_FALSE(queries[1].seq.has_value());
    CHECK(queries[2].status == 400);
    CHECK(queries[2].caller ==
          ledger::AuditCaller{ledger::AuditCaller::Kind::token, kAuditorDigits});

    // What others ask is their own business.
    stack.get("/v1/channels", {.bearer = stack.token(RestStack::kPayer)});
    stack.get("/v1/ledger/accounts", {.bearer = stack.token(RestStack::kPayer)});
    stack.get("/v1/networks", {.bearer = key.text});
    CHECK(stack.recorded().size() == 3);
}

TEST_CASE("audit: what cannot be recorded is not answered", "[rest][audit]") {
    Audited stack;
    const auto key = stack.made({AuditScope::ledger});
    stack.chain.postgres.execute("alter table audit_query rename to audit_query_away");
    for (const auto& bearer : {key.text, std::string(RestStack::kAuditor)}) {
        const auto answer = stack.get("/v1/ledger/accounts", {.bearer = bearer});
        CHECK(answer.status() == 503);
        CHECK(answer.text("/reason") == "unavailable");
        CHECK(answer.body.as_object().contains("accounts") == false);
    }
    stack.chain.postgres.execute("alter table audit_query_away rename to audit_query");
    CHECK(stack.get("/v1/ledger/accounts", {.bearer = key.text}).status() == 200);
    stack.lose_database();
    CHECK(stack.get("/v1/ledger/accounts", {.bearer = key.text}).status() == 503);
    CHECK(stack.get("/v1/ledger/accounts", {.bearer = RestStack::kAuditor}).status() == 503);
}

TEST_CASE("audit: a statement over REST, page by page", "[rest][audit]") {
    Audited stack;
    const auto config = stack.open(1000);
    stack.pay(config, 5);
    const auto channel_account =
        stack.account("channel:" + channel::to_hex(stack.chain.id(config)));
    const auto path = "/v1/ledger/accounts/" + channel_account + "/statement";
    const Ask auditor{.bearer = RestStack::kAuditor};
    const auto whole = stack.get(path, auditor);
    REQUIRE(whole.status() == 200);
    CHECK(whole.text("/from") == "0");
    CHECK(whole.text("/to") == whole.text("/seq"));
    CHECK(whole.text("/opening/balance") == "0");
    CHECK(whole.text("/closing/balance") == "995");
    CHECK(whole.text("/debits") == "5");
    CHECK(whole.text("/credits") == "1000");
    CHECK(whole.text("/legs/0/cause") == "deposit");
    CHECK(whole.text("/legs/0/counterAccount") == stack.account("escrow"));
    CHECK(whole.text("/next").empty());
    const auto legs = whole.body.at("legs").as_array();
    CHECK(legs.back().at("balance") == "995");

    boost::json::array paged;
    Ask ask{.query = {{"limit", "1"}, {"to", whole.text("/to")}}, .bearer = RestStack::kAuditor};
    for (;;) {
        const auto page = stack.get(path, ask);
        REQUIRE(page.status() == 200);
        for (const auto& leg : page.body.at("legs").as_array()) paged.push_back(leg);
        if (page.text("/next").empty()) break;
        ask.query["after"] = page.text("/next");
    }
    CHECK(paged == legs);

    const auto part = stack.get(
        path, {.query = {{"from", whole.text("/legs/0/seq")}, {"to", "2100-01-01T00:00:00Z"}},
               .bearer = RestStack::kAuditor});
    CHECK(part.text("/opening/balance") == "1000");
    CHECK(part.body.at("legs").as_array().size() == legs.size() - 1);

    struct Case {
        std::string key;
        std::string value;
        std::string field;
    };
    for (const auto& one :
         {Case{"from", "999999", "from"}, Case{"to", "999999", "to"}, Case{"from", "x", "from"},
          Case{"to", "2020-13-01T00:00:00Z", "to"}, Case{"to", "2020-01-01T00:00:00Z", ""},
          Case{"after", "1", "after"}, Case{"after", "1:", "after"}, Case{"after", ":1", "after"},
          Case{"after", "1:32768", "after"}, Case{"after", "1:0:0", "after"},
          Case{"limit", "1001", "limit"}}) {
        CAPTURE(one.key, one.value);
        const auto answer =
            stack.get(path, {.query = {{one.key, one.value}}, .bearer = RestStack::kAuditor});
        CHECK(answer.status() == (one.field.empty() ? 200 : 400));
        CHECK(answer.text("/field") == one.field);
    }
    const auto backwards = stack.get(
        path, {.query = {{"from", whole.text("/to")}, {"to", "1"}}, .bearer = RestStack::kAuditor});
    CHECK(backwards.status() == 400);
    CHECK(backwards.text("/field") == "to");
    const auto nobody = stack.get(
        "/v1/ledger/accounts/" + stack.account("earned:0x" + std::string(40, '9')) + "/statement",
        auditor);
    CHECK(nobody.status() == 404);
}
