#include "tests/api/stream_stack.hpp"

#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/json.hpp>
#include <catch2/catch.hpp>

using namespace support;

namespace asio = boost::asio;
namespace beast = boost::beast;

namespace {

constexpr const char* kUpgrade =
    "GET /v1/stream HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

std::string reason_of(const beast::http::response<beast::http::string_body>& response) {
    return at(boost::json::parse(response.body()), "reason");
}

/// True when the peer has closed and nothing more is to be read.
bool is_closed(asio::ip::tcp::socket& socket) {
    char byte = 0;
    beast::error_code error;
    asio::read(socket, asio::buffer(&byte, 1), error);
    return error == asio::error::eof || error == asio::error::connection_reset;
}

}  // namespace

TEST_CASE("server: requests of one connection are answered one after the other", "[server][http]") {
    StreamStack stack;
    asio::io_context io;
    auto socket = connected(io, stack.port());
    asio::write(socket,
                asio::buffer(std::string(
                    "POST /a%20b?x=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
                    "GET /second HTTP/1.1\r\nHost: x\r\n\r\nGET /third HTTP/1.1\r\nHost: x\r\n"
                    "Connection: close\r\n\r\n")));
    beast::flat_buffer buffer;
    for (const auto* expected : {"POST /a b hello", "GET /second ", "GET /third "}) {
        beast::http::response<beast::http::string_body> response;
        beast::http::read(socket, buffer, response);
        CHECK(response.result_int() == 200);
        CHECK(response.body() == expected);
    }
    CHECK(is_closed(socket));
}

TEST_CASE("server: nothing is cached but what says itself that it may be", "[server][http]") {
    StreamStack stack;
    const auto plain = exchange(stack.port(), "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(plain["Cache-Control"] == "no-store");
    const auto own =
        exchange(stack.port(), "GET /?cache-control=immutable HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(own["Cache-Control"] == "immutable");
    CHECK(own.count("Cache-Control") == 1);
}

TEST_CASE("server: a request that is none is answered and ends the connection", "[server][http]") {
    StreamStack stack([](api::Config& config) { config.limits.http_body_bytes_max = 100; });
    const auto nonsense = exchange(stack.port(), "pay 10 to bob\r\n\r\n");
    CHECK(nonsense.result_int() == 400);
    const auto long_body =
        exchange(stack.port(), "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n" +
                                   std::string(101, 'x'));
    CHECK(long_body.result_int() == 413);
    CHECK(reason_of(long_body) == "invalid_request");
    const auto long_header =
        exchange(stack.port(), "GET / HTTP/1.1\r\nHost: " + std::string(9000, 'x') + "\r\n\r\n");
    CHECK(long_header.result_int() == 431);
    CHECK(exchange(stack.port(), "GET * HTTP/1.1\r\nHost: x\r\n\r\n").result_int() == 400);
}

TEST_CASE("server: a request that does not come in time is cut off", "[server][http]") {
    StreamStack stack(
        [](api::Config& config) { config.limits.handshake_timeout = std::chrono::seconds{1}; });
    asio::io_context io;
    auto silent = connected(io, stack.port());
    auto halfway = connected(io, stack.port());
    asio::write(halfway, asio::buffer(std::string("GET / HTTP/1.1\r\nHost: ")));
    CHECK(is_closed(silent));
    CHECK(is_closed(halfway));
}

TEST_CASE("server: the upgrade to the stream is looked at", "[server][http]") {
    StreamStack stack;
    const auto plain = exchange(stack.port(), "GET /v1/stream HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(plain.result_int() == 426);
    CHECK(plain["Upgrade"] == "websocket");
    const std::string upgrade = kUpgrade;
    const auto other =
        exchange(stack.port(), upgrade + "Sec-WebSocket-Protocol: graphql-ws, mqtt\r\n\r\n");
    CHECK(other.result_int() == 400);
    const auto forged = exchange(stack.port(), upgrade + "Authorization: Bearer 00112233\r\n\r\n");
    CHECK(forged.result_int() == 401);
    CHECK(reason_of(forged) == "unauthenticated");
    CHECK(exchange(stack.port(), upgrade + "Authorization: Basic YTpi\r\n\r\n").result_int() ==
          401);
    CHECK(exchange(stack.port(), upgrade + "\r\n\x81\x80").result_int() == 400);
    const auto some =
        exchange(stack.port(), upgrade + "Sec-WebSocket-Protocol: mqtt, millrace.v1\r\n\r\n");
    CHECK(some.result_int() == 101);
    CHECK(some["Sec-WebSocket-Protocol"] == "millrace.v1");
}

TEST_CASE("server: connections are limited in all and by address", "[server][http]") {
    const auto request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    for (const bool in_all : {true, false}) {
        StreamStack stack([in_all](api::Config& config) {
            (in_all ? config.limits.connections_max : config.limits.connections_per_address_max) =
                2;
        });
        {
            StreamClient one(stack.port());
            StreamClient two(stack.port());
            const auto third = exchange(stack.port(), request);
            CHECK(third.result_int() == 503);
            CHECK(reason_of(third) == "overloaded");
            CHECK(at(one.call("server.info", "{}"), "result.name") == "millrace");
        }
        // A place is free again once one has gone; the server may not have noticed yet.
        unsigned status = 503;
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{20};
        while (status != 200 && std::chrono::steady_clock::now() < deadline)
            status = exchange(stack.port(), request).result_int();
        CHECK(status == 200);
    }
}

TEST_CASE("server: draining closes what is idle and refuses what is new", "[server][http]") {
    StreamStack stack;
    asio::io_context io;
    auto idle = connected(io, stack.port());
    asio::write(idle, asio::buffer(std::string("GET / HTTP/1.1\r\nHost: x\r\n\r\n")));
    beast::flat_buffer buffer;
    beast::http::response<beast::http::string_body> response;
    beast::http::read(idle, buffer, response);
    CHECK(response.result_int() == 200);
    stack.server().drain();
    CHECK(is_closed(idle));
    CHECK_THROWS(connected(io, stack.port()));
    CHECK(stack.server().connections() == 0);
}
