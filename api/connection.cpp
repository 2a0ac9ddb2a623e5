#include "api/connection.hpp"

#include "api/clock.hpp"
#include "api/connection_stream.hpp"

#include <spdlog/spdlog.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <boost/url.hpp>

namespace millrace::api {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

namespace {

constexpr std::uint32_t kHeaderBytesMax = 8 * 1024;
constexpr std::chrono::seconds kLingerTime{2};
constexpr std::size_t kLingerBytesMax = 1024 * 1024;
constexpr std::string_view kStreamPath = "/v1/stream";
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

using Request = http::request<http::string_body>;
using Response = http::response<http::string_body>;

/// Path and query decoded; nothing when the target is no path at all.
std::optional<HttpRequest> plain(Request& request, const std::string& remote_address) {
    const auto target = boost::urls::parse_origin_form(request.target());
    if (!target) return std::nullopt;
    HttpRequest out;
    out.method = std::string(request.method_string());
    out.path = target->path();
    for (const auto parameter : target->params())
        out.query.emplace(parameter.key, parameter.has_value ? parameter.value : "");
    out.authorization = std::string(request[http::field::authorization]);
    out.body = std::move(request.body());
    out.remote_address = remote_address;
    return out;
}

Response rendered(HttpResponse response, const Request& request) {
    Response out{static_cast<http::status>(response.status), request.version()};
    out.set(http::field::content_type, response.content_type);
    out.set("X-Content-Type-Options", "nosniff");
    // Before the response's own, which may say otherwise.
    out.set(http::field::cache_control, "no-store");
    for (const auto& [name, value] : response.headers) out.set(name, value);
    out.body() = std::move(response.body);
    out.keep_alive(request.keep_alive());
    out.prepare_payload();
    // The head of what GET would get (RFC 9110, 9.3.2): its length stays.
    if (request.method() == http::verb::head) out.body().clear();
    return out;
}

HttpResponse parse_problem(beast::error_code error) {
    if (error == http::error::body_limit)
        return problem(413, "invalid_request", "The body is longer than is taken.");
    if (error == http::error::header_limit)
        return problem(431, "invalid_request", "The header is longer than is taken.");
    return problem(400, "invalid_request", "Not a request of HTTP/1.1.");
}

/// What the upgrade's bearer token says; `refused` when there is one that does not hold.
std::optional<Principal> principal_of(const Gateway& gateway, const Request& request,
                                      bool& refused) {
    refused = false;
    const std::string_view header = request[http::field::authorization];
    if (header.empty()) return std::nullopt;
    auto principal = gateway.services().tokens.verify(bearer_token(header), now());
    refused = !principal;
    return principal;
}

class HttpConnection {
public:
    HttpConnection(Gateway& gateway, const Route& route, asio::ip::tcp::socket socket,
                   Ticket ticket)
        : gateway_(gateway), route_(route), stream_(std::move(socket)), ticket_(std::move(ticket)) {
        beast::error_code ignored;
        const auto peer = stream_.socket().remote_endpoint(ignored);
        remote_address_ = peer.address().to_string();
    }

    Task<void> run() {
        const auto drain = gateway_.on_drain([this] {
            beast::error_code ignored;
            if (idle_) stream_.socket().close(ignored);
        });
        try {
            co_await serve();
        } catch (const std::exception& error) {
            spdlog::error("a connection ended in a failure: {}", error.what());
            upgrade_.reset();
        }
        gateway_.forget_drain(drain);
        if (upgrade_)
            co_await serve_stream(gateway_, stream_.release_socket(), std::move(*upgrade_),
                                  std::move(principal_), std::move(ticket_));
    }

private:
    Task<void> serve() {
        beast::flat_buffer buffer;
        while (!gateway_.draining()) {
            http::request_parser<http::string_body> parser;
            parser.body_limit(gateway_.config().limits.http_body_bytes_max);
            parser.header_limit(kHeaderBytesMax);
            if (!co_await read(buffer, parser)) co_return;
            if (!co_await answer(parser.release(), buffer.size() > 0)) break;
        }
        if (!upgrade_) close();
    }

    /// False when there is no request: the peer has gone, or was told what is wrong.
    Task<bool> read(beast::flat_buffer& buffer, http::request_parser<http::string_body>& parser) {
        const auto& limits = gateway_.config().limits;
        // Between requests a connection may be idle; a request that has begun has to come in time.
        idle_ = true;
        stream_.expires_after(first_ ? limits.handshake_timeout : limits.idle_timeout);
        first_ = false;
        if (buffer.size() == 0) {
            const auto [error, count] =
                co_await stream_.async_read_some(buffer.prepare(kHeaderBytesMax), kTuple);
            if (error) co_return false;
            buffer.commit(count);
        }
        idle_ = false;
        stream_.expires_after(limits.handshake_timeout);
        const auto [error, count] = co_await http::async_read(stream_, buffer, parser, kTuple);
        if (!error) co_return true;
        if (error.category() == http::make_error_code(http::error::bad_method).category()) {
            Request nothing;
            nothing.keep_alive(false);
            co_await send(rendered(parse_problem(error), nothing));
            co_await linger(buffer);
        }
        co_return false;
    }

    /// Reads on a while after the last answer: closing at once, with bytes of the peer's unread,
    /// would take the answer away from it.
    Task<void> linger(beast::flat_buffer& buffer) {
        beast::error_code ended;
        stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ended);
        stream_.expires_after(kLingerTime);
        for (std::size_t dropped = 0; !ended && dropped < kLingerBytesMax;) {
            buffer.clear();
            const auto [error, count] =
                co_await stream_.async_read_some(buffer.prepare(kHeaderBytesMax), kTuple);
            ended = error;
            dropped += count;
        }
        close();
    }

    /// False when this was the last request.
    Task<bool> answer(Request request, bool more_behind) {
        const std::string_view target = request.target();
        if (target.substr(0, target.find('?')) == kStreamPath) {
            const auto refusal = look_at_upgrade(request, more_behind);
            if (!refusal) {
                upgrade_ = std::move(request);
                co_return false;
            }
            co_return co_await send(rendered(*refusal, request));
        }
        gateway_.enter(Stage::other);
        stream_.expires_never();
        auto response = co_await routed(request);
        if (const auto source = std::move(response.source))
            co_return co_await send_streamed(rendered(std::move(response), request), *source,
                                             request.method() == http::verb::head);
        co_return co_await send(rendered(std::move(response), request));
    }

    Task<HttpResponse> routed(Request& request) {
        auto given = plain(request, remote_address_);
        if (!given) co_return problem(400, "invalid_request", "The target is not a path.");
        try {
            co_return co_await route_(std::move(*given));
        } catch (const pqxx::failure& error) {
            spdlog::warn("a request failed at the database: {}", error.what());
            gateway_.services().metrics.database_errors.Increment();
        } catch (const std::exception& error) {
            spdlog::error("a request failed: {}", error.what());
            co_return problem(500, "internal_error", "The service made a mistake.");
        }
        co_return problem(503, "unavailable", "The database cannot be reached; try again.");
    }

    std::optional<HttpResponse> look_at_upgrade(const Request& request, bool more_behind) {
        if (!beast::websocket::is_upgrade(request)) {
            auto response =
                problem(426, "invalid_request", "The stream is a WebSocket; ask for the upgrade.");
            response.headers.emplace_back("Upgrade", "websocket");
            return response;
        }
        // RFC 6455, 4.1: a client waits for the answer before it sends frames.
        if (more_behind)
            return problem(400, "invalid_request", "Data came before the upgrade was answered.");
        bool named = false;
        if (!offers_stream(request, named) && named)
            return problem(400, "invalid_request",
                           "The subprotocol spoken here is millrace.v1; offer it, or none.");
        bool refused = false;
        principal_ = principal_of(gateway_, request, refused);
        if (refused)
            return problem(401, "unauthenticated",
                           "The bearer token is unknown or has expired; log in again.");
        return std::nullopt;
    }

    /// False when the connection ends with this response.
    Task<bool> send(Response response) {
        if (gateway_.draining()) response.keep_alive(false);
        const bool last = response.need_eof() || !response.keep_alive();
        stream_.expires_after(gateway_.config().limits.idle_timeout);
        const auto [error, count] = co_await http::async_write(stream_, response, kTuple);
        co_return !error && !last;
    }

    /// In chunks, each made when the one before is on its way: however long the body is, little of
    /// it is held. A peer of HTTP/1.0 knows the end by the connection's.
    Task<bool> send_streamed(Response head, BodySource& source, bool is_head_only) {
        const auto patience = gateway_.config().limits.idle_timeout;
        http::response<http::empty_body> response(std::move(head.base()));
        const bool is_chunked = response.version() >= 11;
        response.erase(http::field::content_length);
        response.chunked(is_chunked);
        if (!is_chunked || gateway_.draining()) response.keep_alive(false);
        http::response_serializer<http::empty_body> serializer(response);
        stream_.expires_after(patience);
        auto [error, count] = co_await http::async_write_header(stream_, serializer, kTuple);
        if (error) co_return false;
        while (!is_head_only) {
            stream_.expires_never();
            const auto text = co_await source.next();
            if (text.empty()) break;
            stream_.expires_after(patience);
            const auto bytes = asio::buffer(text);
            if (is_chunked)
                std::tie(error, count) =
                    co_await asio::async_write(stream_, http::make_chunk(bytes), kTuple);
            else
                std::tie(error, count) = co_await asio::async_write(stream_, bytes, kTuple);
            if (error) co_return false;
        }
        if (!is_chunked || is_head_only) co_return is_chunked&& response.keep_alive();
        http::fields trailers;
        for (const auto& [name, value] : source.trailers()) trailers.set(name, value);
        const auto last = http::make_chunk_last(trailers);
        stream_.expires_after(patience);
        std::tie(error, count) = co_await asio::async_write(stream_, last, kTuple);
        co_return !error && response.keep_alive();
    }

    void close() {
        beast::error_code ignored;
        stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_both, ignored);
        stream_.close();
    }

    Gateway& gateway_;
    const Route& route_;
    beast::tcp_stream stream_;
    Ticket ticket_;
    std::string remote_address_;
    std::optional<Request> upgrade_;
    std::optional<Principal> principal_;
    bool idle_ = false;
    bool first_ = true;
};

}  // namespace

Task<void> serve_connection(Gateway& gateway, const Route& route, asio::ip::tcp::socket socket,
                            Ticket ticket) {
    HttpConnection connection(gateway, route, std::move(socket), std::move(ticket));
    co_await connection.run();
}

}  // namespace millrace::api
