#include "channel/hex.hpp"
#include "channel/secp256k1.hpp"
#include "ledger/account_reader.hpp"
#include "tests/api/rest_stack.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>

using namespace support;

namespace {

std::string channel_path(const RestStack& stack, const channel::ChannelConfig& config) {
    return "/v1/channels/" + channel::to_hex(stack.chain.id(config));
}

std::string account(const RestStack& stack, const std::string& kind) {
    return std::to_string(Anvil::kChainId) + ":" + channel::to_hex(stack.chain.anvil.token()) +
           ":" + kind;
}

/// Of the newest entry that sums payments.
std::string seq_of_payment(const boost::json::value& page) {
    std::string found;
    for (const auto& entry : page.at("entries").as_array())
        if (entry.at("postings").at(0).at("cause") == "payment")
            found = entry.at("seq").as_string();
    return found;
}

}  // namespace

TEST_CASE("rest: probes say whether the service can work", "[rest]") {
    RestStack stack;
    CHECK(stack.get("/healthz").status() == 200);
    const auto ready = stack.get("/readyz");
    CHECK(ready.status() == 200);
    CHECK(ready.text("/ready") == "true");
    CHECK(ready.text("/networks/0/network") == "eip155:31337");
    CHECK(ready.text("/signer") == "true");

    stack.draining = true;
    const auto draining = stack.get("/readyz");
    CHECK(draining.status() == 503);
    CHECK(draining.text("/ready") == "false");
    CHECK(draining.text("/draining") == "true");
    CHECK(draining.text("/database") == "true");
    CHECK(stack.get("/healthz").status() == 200);
}

TEST_CASE("rest: paths and methods that do not exist", "[rest]") {
    RestStack stack;
    for (const auto* path : {"/", "/v1", "/v1/channels/", "/v1/channels/a/b", "/v1/ledger",
                             "/v1/ledger/entries/", "/healthz/", "/V1/networks"}) {
        CAPTURE(path);
        const auto answer = stack.get(path);
        CHECK(answer.status() == 404);
        CHECK(answer.text("/reason") == "not_found");
        CHECK(answer.response.content_type == "application/problem+json");
    }
    const auto deleted = stack.request("DELETE", "/v1/networks", {});
    CHECK(deleted.status() == 405);
    CHECK(deleted.header("Allow") == "GET");
    CHECK(stack.request("DELETE", "/v1/claims", {}).header("Allow") == "POST, GET");
}

TEST_CASE("rest: who may use a route", "[rest]") {
    RestStack stack(false);
    const auto unknown = "/v1/channels/0x" + std::string(64, '1');
    const auto party = stack.token(RestStack::kPayer);
    struct Case {
        std::string method;
        std::string path;
        unsigned anyone;
        unsigned as_party;
        unsigned as_auditor;
        unsigned as_operator;
    };
    const std::vector<Case> cases{
        {"GET", "/healthz", 200, 200, 200, 200},
        {"GET", "/v1/networks", 200, 200, 200, 200},
        {"GET", "/openapi.json", 200, 200, 200, 200},
        {"GET", "/llms.txt", 200, 200, 200, 200},
        {"GET", "/metrics", 401, 403, 403, 200},
        {"GET", "/v1/channels", 401, 200, 200, 403},
        {"GET", unknown, 401, 404, 404, 403},
        {"GET", unknown + "/payments", 401, 404, 404, 403},
        {"POST", "/v1/claims", 401, 409, 403, 403},
        {"GET", "/v1/claims/none", 401, 404, 403, 403},
        {"GET", "/v1/claims", 401, 200, 403, 403},
        {"POST", "/v1/claims/none/retry", 401, 404, 403, 403},
        {"GET", "/v1/quarantine", 401, 200, 403, 403},
        {"POST", "/v1/quarantine/0x" + std::string(64, '1') + "/retry", 401, 404, 403, 403},
        {"POST", "/v1/quarantine/none/retry", 401, 400, 403, 403},
        {"GET", "/v1/ledger/accounts", 401, 403, 200, 403},
        {"GET", "/v1/ledger/accounts/" + account(stack, "escrow"), 401, 403, 200, 403},
        {"GET", "/v1/ledger/accounts/" + account(stack, "escrow") + "/statement", 401, 403, 200,
         403},
        {"GET", "/v1/ledger/entries", 401, 403, 200, 403},
        {"GET", "/v1/ledger/entries/1", 401, 403, 404, 403},
        {"GET", "/v1/ledger/trial-balance", 401, 403, 200, 403},
        {"GET", "/v1/ledger/reconciliation", 401, 403, 200, 403},
    };
    for (const auto& one : cases) {
        CAPTURE(one.method, one.path);
        const auto status = [&](const std::string& bearer) {
            return stack.request(one.method, one.path, {.bearer = bearer}).status();
        };
        CHECK(status("") == one.anyone);
        CHECK(status(party) == one.as_party);
        CHECK(status(RestStack::kAuditor) == one.as_auditor);
        CHECK(status(RestStack::kOperator) == one.as_operator);
    }
    for (const std::string& bearer : {std::string("wrong"), party + "x", std::string(10'000, 'a')})
        CHECK(stack.get("/v1/channels", {.bearer = bearer}).status() == 401);
    CHECK(stack.get("/v1/channels").header("WWW-Authenticate") == "Bearer");
}

TEST_CASE("rest: a login by ERC-4361 gives a token, once", "[rest]") {
    RestStack stack;
    const auto key = Anvil::key(RestStack::kPayer);
    const auto address = channel::to_hex(key.address());
    const auto challenge =
        stack.post("/v1/auth/challenge", {.body = R"({"address":")" + address + R"("})"});
    REQUIRE(challenge.status() == 200);
    const auto message = challenge.text("/message");
    const auto login = boost::json::serialize(boost::json::object{
        {"message", message},
        {"signature", channel::to_hex(key.sign(channel::personal_message_digest(message)))}});
    const auto done = stack.post("/v1/auth/login", {.body = login});
    REQUIRE(done.status() == 200);
    CHECK(done.text("/address") == address);
    CHECK(stack.get("/v1/channels", {.bearer = done.text("/token")}).status() == 200);

    const auto again = stack.post("/v1/auth/login", {.body = login});
    CHECK(again.status() == 401);
    CHECK(again.text("/reason") == "unauthenticated");
    CHECK(again.text("/field") == "message");
}

TEST_CASE("rest: bodies are read strictly", "[rest]") {
    RestStack stack;
    struct Case {
        std::string path;
        std::string body;
        std::string field;
    };
    const std::vector<Case> cases{
        {"/v1/auth/challenge", "", "address"},
        {"/v1/auth/challenge", "{", "body"},
        {"/v1/auth/challenge", "[]", "body"},
        {"/v1/auth/challenge", "\"\xff\"", "body"},
        {"/v1/auth/challenge", std::string(100, '[') + std::string(100, ']'), "body"},
        {"/v1/auth/challenge", R"({"address":"0x1"})", "address"},
        {"/v1/auth/challenge", R"({"address":7})", "address"},
        {"/v1/auth/challenge", R"({"address":"0x0","address":"0x0"})", "address"},
        {"/v1/auth/login", R"({"message":"x"})", "signature"},
        {"/v1/auth/login", R"({"signature":"x"})", "message"},
        {"/v1/auth/login", R"({"signature":"x","message":")" + std::string(5000, 'x') + "\"}",
         "message"},
        {"/v1/claims", R"({"network":"8453"})", "network"},
        {"/v1/claims", R"({"network":8453})", "network"},
        {"/v1/claims", R"({"token":"USDC"})", "token"},
    };
    const auto provider = stack.token(RestStack::kProvider);
    for (const auto& one : cases) {
        CAPTURE(one.path, one.body);
        const auto answer = stack.post(one.path, {.bearer = provider, .body = one.body});
        CHECK(answer.status() == 400);
        CHECK(answer.text("/field") == one.field);
        CHECK_FALSE(answer.text("/detail").empty());
    }
}

TEST_CASE("rest: bad parameters are told by name, unknown ones ignored", "[rest]") {
    RestStack stack;
    const std::string channel = "/v1/channels/0x" + std::string(64, '1') + "/payments";
    struct Case {
        std::string path;
        std::string key;
        std::string value;
        std::string field;
    };
    const std::vector<Case> cases{
        {"/v1/ledger/entries", "limit", "0", "limit"},
        {"/v1/ledger/entries", "limit", "1001", "limit"},
        {"/v1/ledger/entries", "limit", "-1", "limit"},
        {"/v1/ledger/entries", "limit", "1.5", "limit"},
        {"/v1/ledger/entries", "limit", "", "limit"},
        {"/v1/ledger/entries", "limit", "99999999999999999999999", "limit"},
        {"/v1/ledger/entries", "after", "x", "after"},
        {"/v1/ledger/entries", "after", "9223372036854775808", "after"},
        {"/v1/ledger/entries", "after", "01", "after"},
        {"/v1/ledger/accounts", "after", "31337", "after"},
        {"/v1/ledger/trial-balance", "at", "yesterday", "at"},
        {"/v1/ledger/trial-balance", "at", "2026-02-30T00:00:00Z", "at"},
        {"/v1/ledger/trial-balance", "at", "2026-01-01", "at"},
        {"/v1/ledger/trial-balance", "at", "999999", "at"},
        {"/v1/ledger/accounts/" + account(stack, "escrow"), "at", "999999", "at"},
        {"/v1/ledger/accounts/escrow", "", "", "id"},
        {"/v1/ledger/entries/first", "", "", "seq"},
        {"/v1/channels", "after", "0x12", "after"},
        {"/v1/channels/0x12", "", "", "id"},
        {channel, "after", "-1", "after"},
        {channel, "limit", "2000", "limit"},
    };
    for (const auto& one : cases) {
        CAPTURE(one.path, one.key, one.value);
        const auto answer =
            stack.get(one.path, {.query = {{one.key, one.value}}, .bearer = RestStack::kAuditor});
        CHECK(answer.status() == 400);
        CHECK(answer.text("/reason") == "invalid_params");
        CHECK(answer.text("/field") == one.field);
    }
    CHECK(stack
              .get("/v1/ledger/entries",
                   {.query = {{"limit", "1000"}, {"color", "red"}}, .bearer = RestStack::kAuditor})
              .status() == 200);
    CHECK(stack
              .get("/v1/ledger/trial-balance", {.query = {{"at", "2030-01-01T00:00:00.5+01:00"}},
                                                .bearer = RestStack::kAuditor})
              .status() == 200);
}

TEST_CASE("rest: a party reads its channels and their payments, others do not", "[rest]") {
    RestStack stack;
    const auto config = stack.open(100'000);
    stack.pay(config, 5);
    const auto path = channel_path(stack, config);
    for (const auto& bearer : {stack.token(RestStack::kPayer), stack.token(RestStack::kProvider),
                               std::string(RestStack::kAuditor)}) {
        const auto channel = stack.get(path, {.bearer = bearer});
        REQUIRE(channel.status() == 200);
        CHECK(channel.text("/balance") == "100000");
        CHECK(channel.text("/chargedCumulativeAmount") == "5");
        CHECK(channel.text("/signedMaxClaimable") == "5");
        CHECK(stack.get("/v1/channels", {.bearer = bearer}).text("/channels/0/channelId") ==
              channel.text("/channelId"));
        CHECK(stack.get(path + "/payments", {.bearer = bearer}).text("/payments/4/increment") ==
              "1");
    }
    const auto stranger = stack.token(RestStack::kStranger);
    CHECK(stack.get(path, {.bearer = stranger}).status() == 403);
    CHECK(stack.get(path + "/payments", {.bearer = stranger}).status() == 403);
    CHECK(stack.get("/v1/channels", {.bearer = stranger}).text("/channels") == "[]");

    const auto payer = stack.token(RestStack::kPayer);
    const auto first = stack.get(path + "/payments", {.query = {{"limit", "3"}}, .bearer = payer});
    CHECK(first.text("/payments/2/seq") == first.text("/next"));
    const auto second =
        stack.get(path + "/payments",
                  {.query = {{"limit", "3"}, {"after", first.text("/next")}}, .bearer = payer});
    CHECK(second.body.at("payments").as_array().size() == 2);
    CHECK(second.text("/next").empty());
    CHECK(second.text("/payments/1/chargedCumulativeAmount") == "5");
    CHECK(second.text("/payments/1/voucher/maxClaimableAmount") == "5");
}

TEST_CASE("rest: channels are listed page by page", "[rest]") {
    RestStack stack;
    for (std::uint64_t salt = 0; salt < 3; ++salt) stack.open(1000, salt);
    const auto payer = stack.token(RestStack::kPayer);
    std::vector<std::string> ids;
    Ask ask{.query = {{"limit", "1"}}, .bearer = payer};
    for (;;) {
        const auto page = stack.get("/v1/channels", ask);
        for (const auto& channel : page.body.at("channels").as_array())
            ids.emplace_back(channel.at("channelId").as_string());
        if (page.text("/next").empty()) break;
        ask.query["after"] = page.text("/next");
    }
    CHECK(ids.size() == 3);
    CHECK(std::is_sorted(ids.begin(), ids.end()));
}

TEST_CASE("rest: a provider claims what is due and looks at it, others do not", "[rest]") {
    RestStack stack;
    const auto config = stack.open(100'000);
    const auto provider = stack.token(RestStack::kProvider);
    const auto nothing = stack.post("/v1/claims", {.bearer = provider});
    CHECK(nothing.status() == 409);
    CHECK(nothing.text("/reason") == "invalid_batch_settlement_evm_nothing_to_settle");

    stack.pay(config, 7);
    const auto before = stack.chain.anvil.token_balance(Anvil::key(RestStack::kProvider).address());
    const auto claim =
        stack.post("/v1/claims", {.bearer = provider, .body = R"({"network":"eip155:31337"})"});
    REQUIRE(claim.status() == 201);
    CHECK(claim.text("/amount") == "7");
    CHECK(claim.text("/channels") == "1");
    const auto path = claim.header("Location");
    CHECK(path == "/v1/claims/" + claim.text("/claimId"));
    REQUIRE(stack.chain.wait_for_claim(claim.text("/claimId"), "confirmed"));
    CHECK(stack.get(path, {.bearer = provider}).text("/status") == "confirmed");
    CHECK(stack.get(path, {.bearer = stack.token(RestStack::kStranger)}).status() == 403);
    CHECK(stack.get("/v1/claims/none", {.bearer = provider}).status() == 404);
    CHECK(stack.chain.anvil.token_balance(Anvil::key(RestStack::kProvider).address()).units() ==
          before.units() + 7);
}

TEST_CASE("rest: an auditor reads accounts, entries and the trial balance", "[rest]") {
    RestStack stack;
    const auto config = stack.open(100'000);
    stack.pay(config, 3);
    const Ask auditor{.bearer = RestStack::kAuditor};

    const auto escrow = stack.get("/v1/ledger/accounts/" + account(stack, "escrow"), auditor);
    CHECK(escrow.text("/account/balance") == "100000");
    CHECK(escrow.text("/account/side") == "debit");
    const auto channel_account =
        account(stack, "channel:" + channel::to_hex(stack.chain.id(config)));
    CHECK(stack.get("/v1/ledger/accounts/" + channel_account, auditor).text("/account/balance") ==
          "99997");
    const auto at_start = stack.get("/v1/ledger/accounts/" + channel_account,
                                    {.query = {{"at", "0"}}, .bearer = RestStack::kAuditor});
    CHECK(at_start.text("/account/balance") == "0");
    CHECK(at_start.text("/seq") == "0");
    CHECK(stack
              .get("/v1/ledger/accounts/" + account(stack, "earned:0x" + std::string(40, '9')),
                   auditor)
              .status() == 404);

    const auto entries = stack.get("/v1/ledger/entries", auditor);
    const auto seq = seq_of_payment(entries.body);
    REQUIRE_FALSE(seq.empty());
    const auto entry = stack.get("/v1/ledger/entries/" + seq, auditor);
    REQUIRE(entry.status() == 200);
    CHECK(entry.text("/postings/0/debit") == channel_account);
    CHECK(entry.text("/payments/0/channelId") == channel::to_hex(stack.chain.id(config)));

    const auto balance = stack.get("/v1/ledger/trial-balance", auditor);
    CHECK(balance.text("/balanced") == "true");
    CHECK(balance.text("/assets/0/difference") == "0");
    CHECK(balance.text("/assets/0/debits") == "100003");
    // What the deposit cost may be posted in between.
    CHECK(std::stoull(balance.text("/seq")) >= std::stoull(entries.text("/seq")));

    stack.chain.query("update account set credits = credits + 1 where kind = 'channel'");
    const auto broken = stack.get("/v1/ledger/trial-balance", auditor);
    CHECK(broken.text("/balanced") == "false");
    CHECK(broken.text("/assets/0/accountsDiffering") == "1");
}

TEST_CASE("rest: without the database, reads say so and so do the probes", "[rest]") {
    RestStack stack;
    stack.lose_database();
    const auto answer = stack.get("/v1/ledger/entries", {.bearer = RestStack::kAuditor});
    CHECK(answer.status() == 503);
    CHECK(answer.text("/reason") == "unavailable");
    CHECK_FALSE(answer.header("Retry-After").empty());
    CHECK(answer.response.body.find("nowhere") == std::string::npos);
    const auto ready = stack.get("/readyz");
    CHECK(ready.status() == 503);
    CHECK(ready.text("/database") == "false");
    CHECK(stack.get("/healthz").status() == 200);
    const auto metrics = stack.get("/metrics").response.body;
    CHECK_THAT(metrics, Catch::Contains("millrace_database_up 0\n"));
    // Neither read nor recorded.
    CHECK_THAT(metrics, Catch::Contains("millrace_database_errors_total 2\n"));
}

TEST_CASE("rest: metrics count what was asked", "[rest]") {
    RestStack stack;
    stack.get("/v1/networks");
    stack.get("/nowhere");
    stack.metrics.batch(3, std::chrono::milliseconds{2});
    stack.metrics.payment(ledger::PaymentKind::charge, 4);
    stack.metrics.worked(api::Stage::verify, std::chrono::milliseconds{250});
    stack.metrics.waited(api::CommitWait::turn, std::chrono::milliseconds{500});
    const auto text = stack.get("/metrics").response.body;
    for (const auto* line :
         {"millrace_requests_total{method=\"GET /v1/networks\",outcome=\"ok\"} 1\n",
          "millrace_requests_total{method=\"unknown\",outcome=\"404\"} 1\n",
          "millrace_batch_requests_sum 3\n", "millrace_payments_total{kind=\"charge\"} 4\n",
          "millrace_stage_cpu_seconds_total{stage=\"parse\"} 0\n",
          "millrace_stage_cpu_seconds_total{stage=\"verify\"} 0.25\n",
          "millrace_stage_cpu_seconds_total{stage=\"decide\"} 0\n",
          "millrace_stage_cpu_seconds_total{stage=\"commit\"} 0\n",
          "millrace_stage_cpu_seconds_total{stage=\"reply\"} 0\n",
          "millrace_commit_wait_seconds_total{for=\"turn\"} 0.5\n",
          "millrace_commit_wait_seconds_total{for=\"database\"} 0\n", "millrace_database_up 1\n",
          "millrace_claims{status=\"queued\"} 0\n",
          "millrace_chain_following{network=\"eip155:31337\"} 1\n"}) {
        CAPTURE(text);
        CHECK_THAT(text, Catch::Contains(line));
    }
}

TEST_CASE("rest: a stranger cannot make series without end", "[rest]") {
    api::Metrics metrics;
    for (int n = 0; n < 3000; ++n) metrics.request("method " + std::to_string(n), "ok");
    const auto text = metrics.text({});
    CHECK(std::count(text.begin(), text.end(), '\n') < 1200);
    CHECK_THAT(text,
               Catch::Contains("millrace_requests_total{method=\"other\",outcome=\"other\"} 2000"));
    CHECK_THAT(text, Catch::Contains("millrace_database_up 0"));
}

TEST_CASE("rest: a provider sees its claims, what is left out of them, and takes it up again",
          "[rest]") {
    RestStack stack;
    const auto config = stack.open(1000);
    stack.pay(config, 2);
    const auto id = channel::to_hex(stack.chain.id(config));
    const auto bytes = "'\\x" + id.substr(2) + "'";
    const auto good = stack.chain.query("select encode(signature, 'hex') from channel");
    stack.chain.query("update channel set signature = decode(repeat('1b', 65), 'hex') returning 1");
    const auto provider = stack.token(RestStack::kProvider);
    CHECK(stack.post("/v1/claims", {.bearer = provider}).status() == 409);
    const auto left_out = stack.get("/v1/quarantine", {.bearer = provider});
    CHECK(left_out.text("/channels/0/channelId") == id);
    CHECK(left_out.text("/channels/0/reason") == "invalid_signature");
    CHECK(left_out.text("/channels/0/detail") == "InvalidSignature()");
    CHECK(left_out.text("/channels/0/amount") == "2");
    const auto payer = stack.token(RestStack::kPayer);
    CHECK(stack.get("/v1/quarantine", {.bearer = payer}).text("/channels") == "[]");
    CHECK(stack.post("/v1/quarantine/" + id + "/retry", {.bearer = payer}).status() == 403);
    CHECK(stack.post("/v1/quarantine/" + id + "/retry", {.bearer = provider}).status() == 409);
    CHECK(stack.get("/v1/quarantine", {.bearer = provider}).text("/channels/0/attempts") == "1");

    stack.chain.query("update channel set signature = decode('" + good +
                      "', 'hex') where channel_id = " + bytes + " returning 1");
    const auto retried = stack.post("/v1/quarantine/" + id + "/retry", {.bearer = provider});
    CHECK(retried.status() == 201);
    CHECK(stack.get("/v1/quarantine", {.bearer = provider}).text("/channels") == "[]");
    const auto claims = stack.get("/v1/claims", {.bearer = provider});
    CHECK(claims.text("/claims/0/claimId") == retried.text("/claimId"));
    CHECK(claims.text("/next").empty());
    const auto behind = stack.get(
        "/v1/claims", {.query = {{"after", retried.text("/claimId")}}, .bearer = provider});
    CHECK(behind.text("/claims") == "[]");
    CHECK(stack.get("/v1/claims", {.bearer = payer}).text("/claims") == "[]");
}
