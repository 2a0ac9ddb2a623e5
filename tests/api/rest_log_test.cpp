#include "ledger/proof/log_store.hpp"
#include "tests/api/rest_stack.hpp"
#include "tests/support/audited_export.hpp"
#include "tests/support/journal_history.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <pqxx/pqxx>

#include <future>

using namespace support;

namespace {

std::vector<ledger::TreeHash> hashes(const boost::json::value& list) {
    std::vector<ledger::TreeHash> all;
    for (const auto& item : list.as_array())
        all.push_back(
            channel::parse_fixed<ledger::TreeHash>(std::string_view(item.as_string())).value());
    return all;
}

ledger::TreeHash hash(const RestAnswer& answer, const std::string& pointer) {
    return channel::parse_fixed<ledger::TreeHash>(answer.text(pointer)).value();
}

std::uint64_t seal(RestStack& rest) {
    pqxx::connection connection(rest.chain.config.ledger.postgres);
    ledger::Sealer sealer(log_signer());
    return sealer.seal(connection, 1'000'000, kNoon);
}

/// A reservation named "job" that is charged a unit at a time, so many times.
void charge_by_parts(RestStack& rest, const channel::ChannelConfig& config, std::uint64_t parts) {
    const auto id = rest.chain.id(config);
    const auto job = channel::InferenceId::parse("job").value();
    const channel::Amount whole{parts};
    const auto voucher = rest.chain.voucher(RestStack::kPayer, config, parts);
    REQUIRE_FALSE(
        rest.chain.command(config.payer, id, channel::Authorize{job, whole, voucher}).has_value());
    for (std::uint64_t part = 1; part <= parts; ++part)
        REQUIRE_FALSE(
            rest.chain
                .command(config.receiver, id,
                         channel::Charge{job, channel::Amount{part}, channel::Finality::partial})
                .has_value());
}

std::string proof_path(const RestStack& rest, const channel::ChannelConfig& config) {
    return "/v1/channels/" + channel::to_hex(rest.chain.id(config)) + "/proof";
}

/// As a path of tlog-tiles has it, in six groups of three digits.
std::string tile_index(std::uint64_t index) {
    std::string path;
    for (int groups = 0; groups < 6; ++groups, index /= 1000) {
        const auto digits = std::to_string(1000 + index % 1000).substr(1);
        path = (groups == 0 ? digits : "x" + digits + "/" + path);
    }
    return path;
}

}  // namespace

TEST_CASE("log: without a head there is nothing to prove, and it says so", "[rest][log]") {
    RestStack rest;
    CHECK(rest.get("/v1/log/checkpoint").status() == 404);
    CHECK(rest.get("/v1/log/key").status() == 404);
    CHECK(rest.get("/v1/log/proof/inclusion", {.query = {{"seq", "1"}}}).status() == 404);
    CHECK(rest.get("/v1/log/proof/consistency", {.query = {{"from", "1"}}}).status() == 404);
    CHECK(rest.get("/v1/log/tile/0/000").status() == 404);
}

TEST_CASE("log: a payer proves its own payment by its inference id", "[rest][log]") {
    RestStack rest;
    const auto config = rest.open(1000, 1);
    rest.pay(config, 3);
    seal(rest);
    rest.pay(rest.open(1000, 2), 2);
    const auto size = seal(rest);

    const auto id = rest.chain.id(config);
    const auto path = "/v1/channels/" + channel::to_hex(id) + "/proof";
    const auto payments = rest.get("/v1/channels/" + channel::to_hex(id) + "/payments",
                                   {.bearer = rest.token(RestStack::kPayer)});
    const auto inference = payments.text("/payments/1/inferenceId");
    const auto proof = rest.get(
        path, {.query = {{"inferenceId", inference}}, .bearer = rest.token(RestStack::kPayer)});
    REQUIRE(proof.status() == 200);
    CHECK(proof.text("/treeSize") == std::to_string(size));
    const auto leaf = channel::parse_hex(proof.text("/updates/0/leaf")).value();
    CHECK(ledger::leaf_hash(leaf) == hash(proof, "/updates/0/leafHash"));
    CHECK(proof.text("/updates/0/seq") == payments.text("/payments/1/seq"));
    const auto text = std::string(leaf.begin(), leaf.end());
    CHECK(text.find(inference) != std::string::npos);
    CHECK(ledger::verify_inclusion(
        std::stoull(proof.text("/updates/0/leafIndex")), size, hash(proof, "/updates/0/leafHash"),
        hashes(proof.body.at_pointer("/updates/0/path")), hash(proof, "/root")));
    const auto note = ledger::open_note(proof.text("/checkpoint"), log_signer().key());
    REQUIRE(note.has_value());
    CHECK(ledger::TreeHead::parse(*note)->root == hash(proof, "/root"));

    CHECK(rest.get(path, {.query = {{"inferenceId", inference}},
                          .bearer = rest.token(RestStack::kStranger)})
              .status() == 403);
    CHECK(rest.get(path,
                   {.query = {{"inferenceId", "never"}}, .bearer = rest.token(RestStack::kPayer)})
              .status() == 404);
    CHECK(rest.get(path, {.bearer = rest.token(RestStack::kPayer)}).status() == 400);
    rest.pay(rest.open(1000, 3), 1);
    const auto newest = std::to_string(size + 2);
    const auto early = rest.get("/v1/log/proof/inclusion", {.query = {{"seq", newest}}});
    CHECK(early.status() == 404);
    CHECK(early.header("Retry-After") == "1");
}

TEST_CASE("log: an inference of many charges is proven a page at a time", "[rest][log]") {
    RestStack rest;
    const auto config = rest.open(1000, 1);
    charge_by_parts(rest, config, 4);
    rest.pay(rest.open(1000, 2), 1);
    const auto size = seal(rest);
    const auto path = proof_path(rest, config);
    const auto page = [&](std::map<std::string, std::string> query) {
        query["inferenceId"] = "job";
        return rest.get(path, {.query = query, .bearer = rest.token(RestStack::kPayer)});
    };
    std::vector<std::string> seen;
    std::size_t pages = 0;
    for (std::string after = "0"; !after.empty(); ++pages) {
        const auto some = page({{"limit", "2"}, {"after", after}});
        REQUIRE(some.status() == 200);
        for (const auto& update : some.body.at("updates").as_array()) {
            const auto& object = update.as_object();
            const auto leaf =
                channel::parse_hex(std::string_view(object.at("leaf").as_string())).value();
            seen.emplace_back(object.at("seq").as_string());
            CHECK(ledger::verify_inclusion(std::stoull(seen.back()) - 1, size,
                                           ledger::leaf_hash(leaf), hashes(object.at("path")),
                                           hash(some, "/root")));
        }
        after = some.text("/next");
    }
    CHECK(pages == 3);
    const auto whole = page({});
    CHECK(whole.text("/next").empty());
    std::vector<std::string> all;
    for (const auto& update : whole.body.at("updates").as_array())
        all.emplace_back(update.at("seq").as_string());
    CHECK(all.size() == 5);
    CHECK(seen == all);
    const auto behind = page({{"after", all.back()}});
    CHECK(behind.status() == 200);
    CHECK(behind.body.at("updates").as_array().empty());
    for (const auto* limit : {"0", "1001", "x"}) CHECK(page({{"limit", limit}}).status() == 400);
    CHECK(page({{"after", "-1"}}).status() == 400);
}

TEST_CASE("log: of damaged rows no party is given a proof", "[rest][log]") {
    RestStack rest;
    const auto config = rest.open(1000, 1);
    charge_by_parts(rest, config, 1);
    seal(rest);
    rest.chain.postgres.execute(
        "alter table payment disable trigger user;"
        "update payment set detail = detail || ' ' where inference_id = 'job' and step = 1");
    const auto answer =
        rest.get(proof_path(rest, config),
                 {.query = {{"inferenceId", "job"}}, .bearer = rest.token(RestStack::kPayer)});
    CHECK(answer.status() == 500);
    CHECK(answer.text("/reason") == "internal_error");
    CHECK(rest.get(proof_path(rest, config), {.query = {{"inferenceId", "job"}, {"limit", "1"}},
                                              .bearer = rest.token(RestStack::kPayer)})
              .status() == 200);
}

TEST_CASE("log: anybody can check that it only grew, and mirror it", "[rest][log]") {
    RestStack rest;
    const auto config = rest.open(100'000, 1);
    rest.pay(config, 20);
    const auto from = seal(rest);
    const auto first = rest.get("/v1/log/checkpoint").response.body;
    rest.pay(rest.open(100'000, 2), 260);
    const auto to = seal(rest);

    const auto old_head = ledger::TreeHead::parse(*ledger::open_note(first, log_signer().key()));
    const auto proof =
        rest.get("/v1/log/proof/consistency", {.query = {{"from", std::to_string(from)}}});
    REQUIRE(proof.status() == 200);
    CHECK(ledger::verify_consistency(from, to, old_head->root, hash(proof, "/root"),
                                     hashes(proof.body.at("path"))));
    const auto between =
        rest.get("/v1/log/proof/consistency",
                 {.query = {{"from", std::to_string(from)}, {"to", std::to_string(from + 7)}}});
    CHECK(between.text("/checkpoint").empty());
    CHECK(ledger::verify_consistency(from, from + 7, old_head->root, hash(between, "/root"),
                                     hashes(between.body.at("path"))));

    const auto tile = rest.get("/v1/log/tile/0/000");
    REQUIRE(tile.response.body.size() == 256 * 32);
    const auto rest_of = to - 256;
    const auto part = rest.get("/v1/log/tile/0/001.p/" + std::to_string(rest_of));
    CHECK(part.response.body.size() == rest_of * 32);
    CHECK(tile.header("Cache-Control") == "public, max-age=31536000, immutable");
    CHECK(part.header("Cache-Control").empty());
    CHECK(rest.get("/v1/log/tile/1/000.p/1").response.body.size() == 32);
    ledger::GrowingTree mirrored;
    for (const auto& body : {tile.response.body, part.response.body})
        for (std::size_t at = 0; at < body.size(); at += 32) {
            ledger::TreeHash leaf;
            std::copy_n(body.begin() + static_cast<std::ptrdiff_t>(at), 32, leaf.bytes.begin());
            mirrored.append(leaf);
        }
    CHECK(mirrored.root() == hash(proof, "/root"));
    for (const auto* wrong : {"0/0", "0/001", "0/x001", "9/000", "0/001.p/256", "0/001.p/0",
                              "x/000", "0/000/000", "0/001.p/255", ""})
        CHECK(rest.get("/v1/log/tile/" + std::string(wrong)).status() == 404);

    const auto bundle = rest.get("/v1/log/tile/entries/000", {.bearer = RestStack::kAuditor});
    REQUIRE(bundle.status() == 200);
    CHECK(bundle.header("Cache-Control").empty());
    // 256 times such a number begins anew at 0.
    for (const auto index : {std::uint64_t{1} << 55, std::uint64_t{1} << 56}) {
        CHECK(rest.get("/v1/log/tile/entries/" + tile_index(index), {.bearer = RestStack::kAuditor})
                  .status() == 404);
        CHECK(rest.get("/v1/log/tile/0/" + tile_index(index)).status() == 404);
    }
    std::size_t entries = 0;
    const auto& bytes = bundle.response.body;
    for (std::size_t at = 0; at + 2 <= bytes.size(); ++entries) {
        const auto length =
            static_cast<std::uint8_t>(bytes[at]) << 8 | static_cast<std::uint8_t>(bytes[at + 1]);
        const channel::BytesView leaf(reinterpret_cast<const std::uint8_t*>(bytes.data()) + at + 2,
                                      static_cast<std::size_t>(length));
        const auto hashed = ledger::leaf_hash(leaf);
        REQUIRE(std::equal(
            hashed.bytes.begin(), hashed.bytes.end(),
            reinterpret_cast<const std::uint8_t*>(tile.response.body.data()) + 32 * entries));
        at += 2 + static_cast<std::size_t>(length);
    }
    CHECK(entries == 256);
    CHECK(rest.get("/v1/log/tile/entries/000").status() == 401);
}

TEST_CASE("export: an auditor gets what proves itself, and tables", "[rest][log]") {
    RestStack rest;
    rest.pay(rest.open(1000, 1), 5);
    seal(rest);
    auto books = rest.get("/v1/ledger/export", {.bearer = RestStack::kAuditor});
    REQUIRE(books.status() == 200);
    CHECK_FALSE(verified(books.response.body, {log_signer().key(), {}}).has_value());
    CHECK(books.header("Repr-Digest").starts_with("sha-256=:"));
    CHECK_FALSE(books.header("Millrace-Tree-Head").empty());
    auto table = rest.get("/v1/ledger/export",
                          {.query = {{"format", "csv"}}, .bearer = RestStack::kAuditor});
    CHECK(table.response.body.starts_with("seq,leg,at,network,"));
    // Each of the two holds a snapshot as long as it is read.
    CHECK(rest.get("/v1/ledger/export", {.bearer = RestStack::kAuditor}).status() == 429);
    books.response.source.reset();
    table.response.source.reset();
    CHECK(rest.get("/v1/ledger/export").status() == 401);
    CHECK(rest.get("/v1/ledger/export", {.bearer = rest.token(RestStack::kPayer)}).status() == 403);
    for (const auto& query :
         std::vector<std::map<std::string, std::string>>{{{"format", "xml"}},
                                                         {{"to", "999999"}},
                                                         {{"from", "999999"}},
                                                         {{"from", "5"}, {"to", "4"}},
                                                         {{"from", "x"}}})
        CHECK(rest.get("/v1/ledger/export", {.query = query, .bearer = RestStack::kAuditor})
                  .status() == 400);
}

TEST_CASE("export: of empty books there is one, from 1", "[rest][log]") {
    RestStack rest;
    CHECK(rest.get("/v1/ledger/export", {.bearer = RestStack::kAuditor}).status() == 200);
    const auto second =
        rest.get("/v1/ledger/export", {.query = {{"from", "2"}}, .bearer = RestStack::kAuditor});
    CHECK(second.status() == 400);
    CHECK(second.text("/field") == "from");
}

TEST_CASE("export: one that is not read in time is cut off", "[rest][log]") {
    RestStack rest(true, std::chrono::milliseconds{0});
    // More often than there are places: each is free again.
    for (int attempt = 0; attempt < 4; ++attempt)
        CHECK_THROWS_WITH(rest.get("/v1/ledger/export", {.bearer = RestStack::kAuditor}),
                          Catch::Contains("is cut off"));
}

TEST_CASE("export: a long statement holds up neither requests nor the stop", "[rest][log]") {
    RestStack rest;
    rest.pay(rest.open(1000, 1), 3);
    seal(rest);
    std::vector<std::future<void>> exports;
    pqxx::connection connection(rest.chain.postgres.url());
    pqxx::work lock(connection);
    lock.exec("lock table reservation in access exclusive mode");
    // As many as there are readers.
    for (int count = 0; count < api::rest::Exports::kAtOnce; ++count)
        exports.push_back(std::async(std::launch::async, [&rest] {
            rest.get("/v1/ledger/export", {.bearer = RestStack::kAuditor});
        }));
    REQUIRE(rest.chain.wait([&] {
        return rest.chain.query(
                   "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query "
                   "like 'declare export_rows%'") == "2";
    }));
    CHECK(rest.get("/v1/log/checkpoint").status() == 200);
    rest.exports().stop();
    for (auto& one : exports) CHECK_THROWS_AS(one.get(), pqxx::sql_error);
    CHECK(rest.get("/v1/ledger/export", {.bearer = RestStack::kAuditor}).status() == 503);
}
