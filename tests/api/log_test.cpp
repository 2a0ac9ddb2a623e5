#include "api/log.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>

using namespace millrace;

TEST_CASE("log: a JSON line is one line of JSON whatever the message holds", "[log]") {
    const std::string nasty = "quote \" back \\ line\nbreak\ttab \x01 \x7f \xc3\xa4";
    const auto line = api::json_log_line("2026-01-02T12:00:00.000000Z", "info", 7, nasty);
    CHECK(line.find('\n') == std::string::npos);
    const auto parsed = boost::json::parse(line);
    CHECK(parsed.at("message").as_string() == nasty);
    CHECK(parsed.at("level").as_string() == "info");
    CHECK(parsed.at("thread").to_number<int>() == 7);
}

TEST_CASE("log: bytes that are no UTF-8 do not break the line", "[log]") {
    const auto line = api::json_log_line("t", "info", 1, "bad \xff byte");
    CHECK(boost::json::parse(line).at("message").as_string() == "bad \xc3\xbf byte");
}

TEST_CASE("log: a connection's password is masked", "[log]") {
    for (const auto* text : {"postgresql://me:hunter2@db:5432/millrace",
                             "postgresql://me:hunter2@db/m?sslmode=require",
                             "host=db user=me password=hunter2 dbname=m",
                             "password = 'hunter2 with \\' quote' host=db",
                             "postgresql://db/m?user=me&password=hunter2"}) {
        CAPTURE(text);
        const auto shown = api::without_password(text);
        CHECK(shown.find("hunter2") == std::string::npos);
        CHECK(shown.find("***") != std::string::npos);
    }
    CHECK(api::without_password("postgresql:///millrace?host=/run/x&user=me") ==
          "postgresql:///millrace?host=/run/x&user=me");
}
