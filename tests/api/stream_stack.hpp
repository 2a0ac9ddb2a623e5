#pragma once

#include "api/task.hpp"

#include "api/auth/challenges.hpp"
#include "api/auth/tokens.hpp"
#include "api/chain/chain_service.hpp"
#include "api/config.hpp"
#include "api/database.hpp"
#include "api/metrics.hpp"
#include "api/server.hpp"
#include "api/shards.hpp"
#include "tests/support/ledger_fixture.hpp"

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <boost/json/value.hpp>

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace support {

/// The network edge on real sockets, with real shards on a real database, and no chain: channels
/// are put under care straight at the shards.
class StreamStack {
public:
    using Change = std::function<void(api::Config&)>;
    /// `change` may change the configuration before anything starts.
    explicit StreamStack(const Change& change = {});
    ~StreamStack();

    Books books;
    api::Config config;

    api::Server& server() { return *server_; }
    api::Shards& shards() { return *shards_; }
    api::Metrics& metrics() { return metrics_; }
    std::uint16_t port() const { return server_->port(); }

    /// A channel of payer number n with receiver number 900 + `receiver`, open with that balance.
    Payer opened(unsigned n, std::uint64_t balance, unsigned receiver = 0);
    std::string token(const channel::Address& address) const;
    /// Of a session of `delegate` in the name of `address`.
    std::string delegated_token(const channel::Address& address,
                                const channel::Address& delegate) const;
    std::string token(const Payer& payer) const { return token(payer.terms.config.payer); }

private:
    std::filesystem::path directory_;
    api::Metrics metrics_;
    std::unique_ptr<api::Tokens> tokens_;
    std::unique_ptr<api::Challenges> challenges_;
    std::unique_ptr<api::Server> server_;
    std::unique_ptr<api::Database> database_;
    std::unique_ptr<api::Shards> shards_;
    std::unique_ptr<api::ChainService> chain_;
    std::mutex mutex_;
    std::condition_variable opened_;
    std::size_t opened_count_ = 0;
};

/// A blocking WebSocket that gives up after a while; what it throws fails the test.
class StreamClient {
public:
    struct Options {
        std::string token{};
        /// The subprotocols to offer; empty: none.
        std::string protocols = "millrace.v1";
        /// Of the socket's receive buffer, to be a slow reader; 0: the system's.
        int receive_bytes = 0;
    };
    explicit StreamClient(std::uint16_t port) : StreamClient(port, Options{}) {}
    StreamClient(std::uint16_t port, const Options& options);

    void send(const std::string& text);
    void send_binary(const std::string& bytes);
    /// The next message; "closed CODE" once the connection is closed.
    std::string receive();
    boost::json::value receive_json();
    /// Sends a request with this id and gives the next message.
    boost::json::value call(const std::string& method, const std::string& params, int id = 1);
    /// The subprotocol that the server chose.
    const std::string& protocol() const { return protocol_; }

private:
    boost::asio::io_context io_;
    boost::beast::websocket::stream<boost::asio::ip::tcp::socket> socket_;
    boost::beast::flat_buffer buffer_;
    std::string protocol_;
};

/// One request over a connection of its own, as it is; the whole answer.
boost::beast::http::response<boost::beast::http::string_body> exchange(std::uint16_t port,
                                                                       const std::string& request);
boost::asio::ip::tcp::socket connected(boost::asio::io_context& io, std::uint16_t port);

/// The text of a payment.pay request.
std::string pay_text(const Payer& payer, const std::string& id, std::uint64_t amount,
                     std::uint64_t max, const std::string& rpc_id = "1");

/// "result.seq" of {"result":{"seq":…}}; "missing" when it is not there.
std::string at(const boost::json::value& value, std::string_view path);

}  // namespace support
