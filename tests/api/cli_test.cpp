#include "api/cli/commands.hpp"
#include "api/cli/http_client.hpp"
#include "api/cli/service_client.hpp"
#include "api/cli/table.hpp"

#include <catch2/catch.hpp>

using namespace millrace;
using api::CommandError;

TEST_CASE("cli: a service's URL is taken apart", "[cli]") {
    const auto local = api::parse_url("http://127.0.0.1:8402/");
    CHECK_FALSE(local.tls);
    CHECK(local.host == "127.0.0.1");
    CHECK(local.port == "8402");
    CHECK(local.authority == "127.0.0.1:8402");
    const auto remote = api::parse_url("https://pay.example.com");
    CHECK(remote.tls);
    CHECK(remote.port == "443");
    CHECK(remote.authority == "pay.example.com");
    const auto six = api::parse_url("http://[::1]:8402");
    CHECK(six.host == "::1");
    CHECK(six.port == "8402");
    for (const auto* text : {"", "127.0.0.1:8402", "ftp://x", "http://", "http://a/b", "http://a b",
                             "http://u:p@h", "http://h:"}) {
        CAPTURE(text);
        CHECK_THROWS_AS(api::parse_url(text), CommandError);
    }
}

TEST_CASE("cli: text in a URL is escaped", "[cli]") {
    CHECK(api::escaped("az09-._~") == "az09-._~");
    CHECK(api::escaped("2026-01-02T12:00:00+01:00 /?#") ==
          "2026-01-02T12%3A00%3A00%2B01%3A00%20%2F%3F%23");
}

TEST_CASE("cli: base units are shown as coins, exactly", "[cli]") {
    CHECK(api::in_coins("0", 6) == "0.000000");
    CHECK(api::in_coins("1", 6) == "0.000001");
    CHECK(api::in_coins("1234567", 6) == "1.234567");
    CHECK(api::in_coins("-5", 2) == "-0.05");
    CHECK(api::in_coins("340282366920938463463374607431768211455", 18) ==
          "340282366920938463463.374607431768211455");
    CHECK(api::in_coins("42", 0) == "42");
}

TEST_CASE("cli: a table's columns line up", "[cli]") {
    api::Table table({{"NAME"}, {"SUM", api::Table::Align::right}});
    table.add({"a", "1"});
    table.add({"longer", "1000"});
    CHECK(table.text() == "NAME     SUM\na          1\nlonger  1000\n");
}

TEST_CASE("cli: a login is signed for the service that was named and no other", "[cli]") {
    const std::string address = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
    const auto message = [&](const std::string& domain) {
        return domain + " wants you to sign in with your Ethereum account:\n" + address +
               "\n\nLog in.\n\nURI: https://x\nVersion: 1";
    };
    CHECK_NOTHROW(api::check_login_message(message("pay.example.com"), "pay.example.com", address));
    CHECK_NOTHROW(api::check_login_message(message("localhost:8402"), "127.0.0.1:8402", address));
    CHECK_THROWS_AS(api::check_login_message(message("bank.example"), "pay.example.com", address),
                    CommandError);
    CHECK_THROWS_AS(api::check_login_message(message("localhost:1"), "127.0.0.1:8402", address),
                    CommandError);
    CHECK_THROWS_AS(api::check_login_message(message("pay.example.com"), "pay.example.com",
                                             "0x0000000000000000000000000000000000000001"),
                    CommandError);
    for (const std::string& text : {std::string(), std::string("pay.example.com"),
                                    "pay.example.com transfers all to\n" + address,
                                    message("pay.example.com").substr(0, 70)}) {
        CAPTURE(text);
        CHECK_THROWS_AS(api::check_login_message(text, "pay.example.com", address), CommandError);
    }
}
