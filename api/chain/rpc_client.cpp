#include "api/chain/rpc_client.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/url.hpp>

#include <algorithm>
#include <stdexcept>

namespace millrace::api {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace chain = ledger::chain;
using tcp = asio::ip::tcp;
using chain::RpcFailure;
using chain::RpcResult;
using namespace std::chrono_literals;

namespace {

constexpr auto kCompletion = asio::as_tuple(asio::use_awaitable);
constexpr auto kPause = 100ms;
constexpr auto kPauseMax = 2000ms;

RpcFailure transport(std::string message) {
    return {RpcFailure::Kind::transport, 0, std::move(message), {}};
}

}  // namespace

struct RpcClient::Url {
    std::string host;
    std::string port;
    std::string target;

    static Url parse(const std::string& text) {
        const auto url = boost::urls::parse_uri(text);
        if (!url || url->scheme() != "http" || url->host().empty() || url->has_userinfo()) {
            throw std::invalid_argument(
                "an RPC URL has to be http://host[:port][/path]; put a proxy that ends TLS in "
                "front of an https node");
        }
        const auto target = std::string(url->encoded_target());
        return {url->host_address(), url->port().empty() ? "80" : std::string(url->port()),
                target.empty() ? "/" : target};
    }
    std::string name() const { return host + ":" + port; }
};

class RpcClient::Connection {
public:
    Connection(const asio::any_io_executor& executor, Url url)
        : stream_(executor), resolver_(executor), url_(std::move(url)) {}

    bool is_for(const Url& url) const { return url.host == url_.host && url.port == url_.port; }
    bool is_open() const { return stream_.socket().is_open(); }

    Task<beast::error_code> open(std::chrono::milliseconds timeout) {
        auto [failed, endpoints] = co_await resolve(timeout);
        if (failed) co_return failed;
        stream_.expires_after(timeout);
        auto [error, endpoint] = co_await stream_.async_connect(endpoints, kCompletion);
        if (error) co_return error;
        beast::error_code ignored;
        stream_.socket().set_option(tcp::no_delay(true), ignored);
        co_return beast::error_code{};
    }

    Task<RpcResult<std::string>> exchange(const Url& url, const std::string& body,
                                          std::chrono::milliseconds timeout,
                                          std::size_t response_bytes_max) {
        http::request<http::string_body> request(http::verb::post, url.target, 11, body);
        request.set(http::field::host, url.name());
        request.set(http::field::content_type, "application/json");
        request.set(http::field::accept, "application/json");
        request.prepare_payload();
        stream_.expires_after(timeout);
        auto [write_error, written] = co_await http::async_write(stream_, request, kCompletion);
        if (write_error) co_return failed(write_error);

        http::response_parser<http::string_body> parser;
        parser.body_limit(response_bytes_max);
        auto [read_error, read] = co_await http::async_read(stream_, buffer_, parser, kCompletion);
        if (read_error) co_return failed(read_error);
        stream_.expires_never();
        auto response = parser.release();
        if (!response.keep_alive()) close();
        // Some nodes answer their own errors with another status than 200.
        if (response.result() != http::status::ok && !response.body().starts_with('{')) {
            co_return transport(url_.name() + " answered with HTTP status " +
                                std::to_string(response.result_int()));
        }
        co_return std::move(response.body());
    }

    void close() {
        resolver_.cancel();
        beast::error_code ignored;
        stream_.socket().close(ignored);
    }

private:
    Task<std::tuple<beast::error_code, tcp::resolver::results_type>> resolve(
        std::chrono::milliseconds timeout) {
        beast::error_code not_numeric;
        const auto address = asio::ip::make_address(url_.host, not_numeric);
        if (!not_numeric) {
            const tcp::endpoint endpoint(address,
                                         static_cast<std::uint16_t>(std::stoul(url_.port)));
            co_return std::make_tuple(beast::error_code{}, tcp::resolver::results_type::create(
                                                               endpoint, url_.host, url_.port));
        }
        asio::steady_timer deadline(stream_.get_executor(), timeout);
        deadline.async_wait([this](beast::error_code error) {
            if (!error) resolver_.cancel();
        });
        co_return co_await resolver_.async_resolve(url_.host, url_.port, kCompletion);
    }

    RpcFailure failed(beast::error_code error) {
        close();
        return transport(url_.name() + ": " + error.message());
    }

    beast::tcp_stream stream_;
    tcp::resolver resolver_;
    Url url_;
    beast::flat_buffer buffer_;
};

RpcClient::RpcClient(asio::any_io_executor executor, RpcSettings settings)
    : executor_(executor),
      settings_(std::move(settings)),
      places_(std::move(executor), settings_.connections_max) {
    if (settings_.urls.empty()) throw std::invalid_argument("no RPC URL is configured");
    for (const auto& url : settings_.urls) urls_.push_back(Url::parse(url));
}

RpcClient::~RpcClient() = default;

std::string RpcClient::name() const {
    return urls_.front().name();
}

RpcFailure RpcClient::closed_failure() {
    return transport("the client is closed");
}

bool RpcClient::is_final(const RpcFailure& failure) {
    constexpr std::int64_t kLimitExceeded = -32005;
    return failure.kind == RpcFailure::Kind::node && failure.code != kLimitExceeded;
}

unsigned RpcClient::attempts() const {
    return settings_.rounds * static_cast<unsigned>(urls_.size());
}

/// Between two rounds over all URLs, longer each time.
Task<void> RpcClient::pause_before(unsigned attempt) {
    const auto round = attempt / urls_.size();
    if (attempt % urls_.size() != 0 || round == 0) co_return;
    const auto pause =
        std::min<std::chrono::milliseconds>(kPause * (1 << (2 * (round - 1))), kPauseMax);
    asio::steady_timer timer(executor_, pause);
    co_await timer.async_wait(kCompletion);
}

Task<RpcResult<std::string>> RpcClient::post(unsigned attempt, const std::string& body) {
    const auto index = (preferred_ + attempt) % urls_.size();
    const auto& url = urls_[index];
    const auto kept =
        std::find_if(idle_.begin(), idle_.end(), [&](const auto& one) { return one->is_for(url); });
    if (kept != idle_.end()) {
        auto connection = *kept;
        idle_.erase(kept);
        // It may have been closed meanwhile: that is no failure of the node's.
        auto text = co_await post_once(connection, body);
        if (text || closed_) co_return text;
    }
    auto connection = std::make_shared<Connection>(executor_, url);
    auto text = co_await post_once(connection, body);
    if (text) preferred_ = index;
    co_return text;
}

Task<RpcResult<std::string>> RpcClient::post_once(std::shared_ptr<Connection> connection,
                                                  const std::string& body) {
    const auto& url = *std::find_if(urls_.begin(), urls_.end(),
                                    [&](const Url& one) { return connection->is_for(one); });
    if (!connection->is_open()) {
        std::erase_if(opened_, [](const auto& one) { return one.expired(); });
        opened_.push_back(connection);
        const auto error = co_await connection->open(settings_.timeout);
        if (error) co_return transport(url.name() + ": " + error.message());
        if (closed_) connection->close();
    }
    auto text =
        co_await connection->exchange(url, body, settings_.timeout, settings_.response_bytes_max);
    if (text && connection->is_open() && !closed_) idle_.push_back(connection);
    co_return text;
}

void RpcClient::close() {
    closed_ = true;
    idle_.clear();
    for (const auto& one : opened_)
        if (const auto connection = one.lock()) connection->close();
}

}  // namespace millrace::api
