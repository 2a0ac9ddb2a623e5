#include "ledger/commit_probe.hpp"
#include "tests/support/postgres.hpp"

#include <catch2/catch.hpp>
#include <pqxx/pqxx>

using millrace::ledger::CommitProbe;
using support::Postgres;

namespace {

/// Up to where the log is on the disk, in bytes.
std::int64_t flushed(const Postgres& postgres) {
    pqxx::connection connection(postgres.url());
    return pqxx::nontransaction(connection)
        .exec1("select pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0')::bigint")[0]
        .as<std::int64_t>();
}

}  // namespace

TEST_CASE("commit probe: each commit is on the disk when it returns", "[bench]") {
    Postgres postgres(Postgres::Contents::migrated);
    constexpr std::size_t kBytes = 300;
    CommitProbe probe(postgres.service_url(), kBytes);
    for (int n = 0; n < 3; ++n) {
        const auto before = flushed(postgres);
        probe.commit();
        CHECK(flushed(postgres) >= before + static_cast<std::int64_t>(kBytes));
    }
}

TEST_CASE("commit probe: a database that is not there is told", "[bench]") {
    CHECK_THROWS_WITH(CommitProbe("host=/nowhere dbname=none", 1), Catch::Contains("/nowhere"));
}
