#include "tests/support/postgres.hpp"

#include <catch2/catch.hpp>
#include <pqxx/pqxx>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

/// As they were before the migration: one as usual, one with more claimed than was ever signed
/// here.
constexpr const char* kOldRows = R"sql(
    insert into asset values (1, 'eip155:31337', decode(repeat('70', 20), 'hex'), 'n', 's', 6);
    insert into channel (channel_id, asset_id, payer, payer_authorizer, receiver,
        receiver_authorizer, withdraw_delay_seconds, salt, app, status, balance, charged, reserved,
        signed_max, signature, total_claimed, withdraw_requested_at, refund_nonce, seq, opened_at)
    select decode(repeat(id, 32), 'hex'), 1, '', '', '', '', 900, '', null, 'open', 1000, charged, 0,
        500, decode(repeat('01', 65), 'hex'), claimed, 0, 0, 1, '2026-01-02T12:00:00Z'
    from (values ('0a', 300, 100), ('0b', 800, 800)) as old(id, charged, claimed);
    insert into chain_cursor values ('eip155:31337', 77, '\x4d');
    insert into chain_event (network, transaction_hash, log_index, block_number, block_hash, kind,
        channel_id, amount, seq, at)
    values ('eip155:31337', '\x01', 4, 70, '\x46', 'deposited', null, 5, 1, '2026-01-02T12:00:00Z'))sql";

}  // namespace

TEST_CASE("migration: channels and events of before are as if reorganisations had been known",
          "[reversal]") {
    support::Postgres postgres;
    pqxx::connection connection(postgres.url());
    pqxx::work transaction(connection);
    std::set<fs::path> earlier;
    const fs::path folder = fs::path(MILLRACE_SOURCE_DIR) / "migrations";
    for (const auto& entry : fs::directory_iterator(folder))
        if (entry.path().filename() < "0005") earlier.insert(entry.path());
    REQUIRE(earlier.size() >= 4);
    for (const auto& path : earlier) transaction.exec(text_of(path));
    transaction.exec(kOldRows);
    transaction.exec(text_of(folder / "0005_reorganisation.sql"));

    const auto channels =
        transaction.exec("select owed, charged, in_doubt from channel order by channel_id");
    REQUIRE(channels.size() == 2);
    CHECK(channels[0][0].as<int>() == 300);
    CHECK(channels[1][0].as<int>() == 500);
    CHECK(channels[1][1].as<int>() == 800);
    CHECK_FALSE(channels[1][2].as<bool>());
    const auto block = transaction.exec1("select block_number, block_hash::text from chain_block");
    CHECK(block[0].as<int>() == 77);
    CHECK(std::string(block[1].c_str()) == "\\x4d");
    CHECK(transaction.exec1("select inclusion from chain_event")[0].as<int>() == 0);
}
