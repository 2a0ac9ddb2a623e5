#include "api/chain/rpc_client.hpp"

#include "ledger/chain/json_rpc.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/asio/write.hpp>

#include <catch2/catch.hpp>

#include <atomic>
#include <deque>
#include <thread>

using namespace millrace;
namespace asio = boost::asio;
namespace chain = ledger::chain;
using tcp = asio::ip::tcp;
using namespace std::chrono_literals;

namespace {

enum class Does {
    answer,
    answer_and_close,
    close_without_answer,
    say_nothing,
    status_500,
    status_429,
    node_error,
    limit_exceeded,
    garbage,
    not_http,
    another_id,
    too_long
};

/// A node that misbehaves as it is told, request by request; a real socket, one connection at a
/// time.
class BadNode {
public:
    explicit BadNode(std::deque<Does> script)
        : acceptor_(io_, {asio::ip::make_address("127.0.0.1"), 0}),
          script_(std::move(script)),
          thread_([this] { run(); }) {}
    ~BadNode() {
        stopping_ = true;
        // The client has gone before, so that the thread is waiting for the next.
        asio::io_context io;
        tcp::socket waker(io);
        boost::system::error_code ignored;
        waker.connect(acceptor_.local_endpoint(), ignored);
        thread_.join();
    }

    std::string url() const {
        return "http://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()) + "/v2/key";
    }
    unsigned requests() const { return requests_; }
    unsigned connections() const { return connections_; }

private:
    void run() {
        while (!stopping_) {
            tcp::socket connection(io_);
            acceptor_.accept(connection);
            if (stopping_) return;
            ++connections_;
            try {
                while (serve(connection)) {
                }
            } catch (const std::exception&) {
                // The client went away.
            }
        }
    }

    bool serve(tcp::socket& connection) {
        asio::streambuf buffer;
        asio::read_until(connection, buffer, "]}");
        ++requests_;
        const std::string request(static_cast<const char*>(buffer.data().data()), buffer.size());
        const auto at = request.find("\"id\":") + 5;
        const auto id = request.substr(at, request.find(',', at) - at);
        const auto does = script_.empty() ? Does::answer : script_.front();
        if (!script_.empty()) script_.pop_front();
        const auto good = R"({"jsonrpc":"2.0","id":)" + id + R"(,"result":"0x7a69"})";
        const auto error = [&](const std::string& what) {
            return R"({"jsonrpc":"2.0","id":)" + id + R"(,"error":)" + what + "}";
        };
        switch (does) {
            case Does::answer:
                return reply(connection, "200 OK", good);
            case Does::answer_and_close:
                reply(connection, "200 OK", good);
                return false;
            case Does::close_without_answer:
                return false;
            case Does::say_nothing:
                wait_for_end(connection);
                return false;
            case Does::status_500:
                return reply(connection, "500 Oops", "oops");
            case Does::status_429:
                return reply(connection, "429 Too Many", "slow down");
            case Does::node_error:
                return reply(connection, "200 OK", error(R"({"code":-32000,"message":"no"})"));
            case Does::limit_exceeded:
                return reply(connection, "200 OK", error(R"({"code":-32005,"message":"slow"})"));
            case Does::garbage:
                return reply(connection, "200 OK", "<html>");
            case Does::not_http:
                asio::write(connection, asio::buffer(std::string("SSH-2.0-x\r\n\r\n")));
                return false;
            case Does::another_id:
                return reply(connection, "200 OK", R"({"jsonrpc":"2.0","id":0,"result":"0x1"})");
            case Does::too_long:
                return reply(connection, "200 OK", std::string(5000, ' '));
        }
        return false;
    }

    static void wait_for_end(tcp::socket& connection) {
        char byte = 0;
        boost::system::error_code ended;
        asio::read(connection, asio::buffer(&byte, 1), ended);
    }

    static bool reply(tcp::socket& connection, const std::string& status, const std::string& body) {
        asio::write(connection, asio::buffer("HTTP/1.1 " + status + "\r\nContent-Length: " +
                                             std::to_string(body.size()) + "\r\n\r\n" + body));
        return true;
    }

    asio::io_context io_;
    tcp::acceptor acceptor_;
    std::deque<Does> script_;
    std::atomic<bool> stopping_ = false;
    std::atomic<unsigned> requests_ = 0;
    std::atomic<unsigned> connections_ = 0;
    std::thread thread_;
};

api::RpcSettings settings(std::vector<std::string> urls) {
    api::RpcSettings made;
    made.urls = std::move(urls);
    made.timeout = 200ms;
    made.response_bytes_max = 4000;
    return made;
}

chain::RpcResult<std::uint64_t> ask(asio::io_context& io, api::RpcClient& client) {
    auto answer = asio::co_spawn(io, client.call(chain::chain_id_request(), chain::read_number),
                                 asio::use_future);
    io.restart();
    io.run();
    return answer.get();
}

chain::RpcResult<std::uint64_t> ask_once(const BadNode& node) {
    asio::io_context io;
    api::RpcClient client(io.get_executor(), settings({node.url()}));
    return ask(io, client);
}

}  // namespace

TEST_CASE("rpc client: what is no answer is asked again", "[rpc]") {
    for (const auto does :
         {Does::close_without_answer, Does::say_nothing, Does::status_500, Does::status_429,
          Does::garbage, Does::not_http, Does::another_id, Does::too_long, Does::limit_exceeded}) {
        INFO(static_cast<int>(does));
        BadNode node({does});
        const auto answer = ask_once(node);
        REQUIRE(answer.has_value());
        CHECK(*answer == 31337);
        CHECK(node.requests() == 2);
    }
}

TEST_CASE("rpc client: the node's own error is final", "[rpc]") {
    BadNode node({Does::node_error});
    const auto answer = ask_once(node);
    REQUIRE(answer.has_error());
    CHECK(answer.error().kind == chain::RpcFailure::Kind::node);
    CHECK(answer.error().message == "no");
    CHECK(node.requests() == 1);
}

TEST_CASE("rpc client: gives up after its rounds, and names host and port but no path", "[rpc]") {
    BadNode node({Does::status_500, Does::status_500, Does::status_500, Does::status_500});
    const auto answer = ask_once(node);
    REQUIRE(answer.has_error());
    CHECK(answer.error().kind == chain::RpcFailure::Kind::transport);
    CHECK(answer.error().message.find("500") != std::string::npos);
    CHECK(answer.error().message.find("key") == std::string::npos);
    CHECK(node.requests() == 3);
}

TEST_CASE("rpc client: keeps its connection, and opens another when it was closed meanwhile",
          "[rpc]") {
    BadNode node({Does::answer, Does::answer, Does::answer_and_close});
    asio::io_context io;
    api::RpcClient client(io.get_executor(), settings({node.url()}));
    for (int call = 0; call < 3; ++call) CHECK(ask(io, client).has_value());
    CHECK(node.connections() == 1);
    CHECK(ask(io, client).has_value());
    CHECK(node.connections() == 2);
    CHECK(node.requests() == 4);
}

TEST_CASE("rpc client: stays with the URL that answered", "[rpc]") {
    BadNode first({Does::status_500});
    BadNode second({});
    asio::io_context io;
    api::RpcClient client(io.get_executor(), settings({first.url(), second.url()}));
    CHECK(ask(io, client).has_value());
    CHECK(ask(io, client).has_value());
    CHECK(first.requests() == 1);
    CHECK(second.requests() == 2);
}

TEST_CASE("rpc client: a closed one refuses at once and ends what waits", "[rpc]") {
    BadNode node({Does::say_nothing, Does::say_nothing, Does::say_nothing});
    asio::io_context io;
    auto patient = settings({node.url()});
    patient.timeout = 60s;
    api::RpcClient client(io.get_executor(), patient);
    auto waiting = asio::co_spawn(io, client.call(chain::chain_id_request(), chain::read_number),
                                  asio::use_future);
    while (node.requests() == 0) io.run_one_for(10ms);
    client.close();
    io.run();
    CHECK(waiting.get().has_error());
    CHECK(ask(io, client).has_error());
    CHECK(node.requests() == 1);
}

TEST_CASE("rpc client: URLs that are none of http are refused with the remedy", "[rpc]") {
    asio::io_context io;
    for (const auto* url : {"", "https://node.example", "http://", "node.example:8545",
                            "http://user:secret@node.example", "ws://127.0.0.1:8545"}) {
        INFO(url);
        CHECK_THROWS_AS(api::RpcClient(io.get_executor(), settings({url})), std::invalid_argument);
    }
    CHECK_THROWS_AS(api::RpcClient(io.get_executor(), settings({})), std::invalid_argument);
    CHECK(api::RpcClient(io.get_executor(), settings({"http://[::1]:8545/a?b"})).name() ==
          "::1:8545");
}
