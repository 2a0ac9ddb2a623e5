#include "ledger/connection_deadlines.hpp"

#include "tests/support/postgres.hpp"

#include <catch2/catch.hpp>
#include <pqxx/pqxx>

#include <stdexcept>

using millrace::ledger::with_deadlines;

TEST_CASE("connections: a URI without deadlines gets them, and one with its own keeps those",
          "[connection]") {
    CHECK(with_deadlines("postgresql://app@db.example/millrace?connect_timeout=60") ==
          "connect_timeout='60' dbname='millrace' host='db.example' keepalives_count='4' "
          "keepalives_idle='10' keepalives_interval='5' tcp_user_timeout='30000' user='app'");
    CHECK(with_deadlines(R"(dbname=millrace password='it\'s \\')").find(R"(password='it\'s \\')") !=
          std::string::npos);
    CHECK_THROWS_AS(with_deadlines("postgresql://["), std::invalid_argument);
    CHECK_THROWS_AS(with_deadlines("dbname"), std::invalid_argument);
}

TEST_CASE("connections: with deadlines they reach the same database", "[connection]") {
    const support::Postgres database;
    pqxx::connection plain(database.url());
    pqxx::connection patient(with_deadlines(database.url()));
    CHECK(patient.dbname() == std::string(plain.dbname()));
    CHECK(patient.username() == std::string(plain.username()));
}
