#include "tests/support/ledger_fixture.hpp"
#include "tests/support/print.hpp"

#include <catch2/catch.hpp>

using namespace support;

TEST_CASE("assets: a token that was taken out is told as long as its channels hold money",
          "[asset]") {
    Books books;
    pqxx::connection connection(books.postgres.service_url());
    const auto app = payer(books, 1);
    books.shard().process({app.open(1000)}, kNoon);
    CHECK(ledger::unserved_assets(connection, books.assets).empty());
    auto served = books.assets;
    served.erase(books.token);
    const auto unserved = ledger::unserved_assets(connection, served);
    REQUIRE(unserved.size() == 1);
    CHECK(unserved[0].network == "eip155:31337");
    CHECK(unserved[0].token == books.assets.at(books.token).token);
    CHECK(unserved[0].channels == 1);
    served = books.assets;
    served.erase(books.coin);
    CHECK(ledger::unserved_assets(connection, served).empty());
}
