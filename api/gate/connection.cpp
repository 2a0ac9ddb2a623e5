#include "api/gate/connection.hpp"

#include "api/connections.hpp"
#include "api/http.hpp"

#include <spdlog/spdlog.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/url.hpp>

#include <algorithm>
#include <array>
#include <cerrno>

#include <sys/socket.h>

namespace millrace::api::gate {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

namespace {

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kReadBytes = 16 * 1024;
/// Written at once, and with a deadline of their own.
constexpr std::size_t kWriteBytes = 64 * 1024;
constexpr std::chrono::seconds kLingerTime{2};
constexpr std::size_t kLingerBytesMax = 1024 * 1024;

using Parser = http::request_parser<http::buffer_body>;

/// Statuses whose replies end with their head (RFC 9110, 6.4.1).
bool has_no_body(unsigned status) {
    return status < 200 || status == 204 || status == 304;
}

Reply parse_refusal(beast::error_code error) {
    if (error == http::error::body_limit)
        return problem_reply(413, "invalid_request", "The body is longer than is taken.");
    if (error == http::error::header_limit)
        return problem_reply(431, "invalid_request", "The header is longer than is taken.");
    return problem_reply(400, "invalid_request", "Not a request of HTTP/1.1.");
}

std::optional<GateRequest> plain(const Parser::value_type& request) {
    const auto target = boost::urls::parse_origin_form(request.target());
    if (!target) return std::nullopt;
    GateRequest out;
    out.method = std::string(request.method_string());
    out.target = std::string(request.target());
    out.raw_path = std::string(target->encoded_path());
    out.path = target->path();
    for (const auto& field : request)
        out.fields.emplace_back(std::string(field.name_string()), std::string(field.value()));
    return out;
}

}  // namespace

/// The socket of a client, with the state of the reply that is being written.
class Exchange::Peer {
public:
    Peer(ConnectionContext& context, asio::ip::tcp::socket socket)
        : context_(context), stream_(std::move(socket)) {}

    /// A new request: nothing is written yet.
    void expect_reply(unsigned version, bool keep_alive, bool is_head) {
        version_ = version;
        keep_alive_ = keep_alive;
        is_head_ = is_head;
        has_begun_ = false;
        is_complete_ = false;
    }

    Task<bool> answer(Reply reply) {
        if (!reply.content_type.empty())
            reply.fields.emplace_back("Content-Type", std::move(reply.content_type));
        ReplyHead head{reply.status, std::move(reply.fields), {}, reply.body.size()};
        if (reply.body.size() > kWriteBytes) {
            bool is_written = co_await begin(std::move(head));
            if (is_written) is_written = co_await write(reply.body);
            if (!is_written) co_return false;
            Fields none;
            co_return co_await end(std::move(none));
        }
        auto out = head_of<http::string_body>(std::move(head));
        if (!is_bodiless_) out.body() = std::move(reply.body);
        stream_.expires_after(context_.limits.write_timeout);
        const auto [error, count] = co_await http::async_write(stream_, out, kTuple);
        co_return note(error, !error);
    }

    Task<bool> begin(ReplyHead head) {
        auto out = head_of<http::empty_body>(std::move(head));
        http::response_serializer<http::empty_body> serializer(out);
        stream_.expires_after(context_.limits.write_timeout);
        const auto [error, count] = co_await http::async_write_header(stream_, serializer, kTuple);
        co_return note(error, false);
    }

    Task<bool> write(std::string_view bytes) {
        if (is_gone_) co_return false;
        if (is_bodiless_) co_return true;
        while (!bytes.empty() && !is_gone_) {
            const auto piece = asio::buffer(bytes.substr(0, kWriteBytes));
            bytes.remove_prefix(piece.size());
            stream_.expires_after(context_.limits.write_timeout);
            beast::error_code error;
            if (is_chunked_) {
                const auto chunk = http::make_chunk(piece);
                std::tie(error, std::ignore) = co_await asio::async_write(stream_, chunk, kTuple);
            } else {
                std::tie(error, std::ignore) = co_await asio::async_write(stream_, piece, kTuple);
            }
            note(error, false);
        }
        co_return !is_gone_;
    }

    Task<bool> end(Fields trailers) {
        if (is_gone_) co_return false;
        if (!is_chunked_ || is_bodiless_) {
            is_complete_ = true;
            co_return true;
        }
        http::fields behind;
        for (const auto& [name, value] : trailers) behind.set(name, value);
        const auto last = http::make_chunk_last(behind);
        stream_.expires_after(context_.limits.write_timeout);
        const auto [error, count] = co_await asio::async_write(stream_, last, kTuple);
        co_return note(error, !error);
    }

    /// Watches for the end of the connection while nobody reads.
    void watch() {
        watched_ = std::make_shared<Peer*>(this);
        watch_on();
    }

    void stop_watching() {
        if (!watched_) return;
        *watched_ = nullptr;
        watched_.reset();
        gone_ = nullptr;
        beast::error_code ignored;
        stream_.socket().cancel(ignored);
    }

    void gone_call(std::function<void()> gone) { gone_ = std::move(gone); }
    void cut() {
        keep_alive_ = false;
        is_complete_ = false;
    }
    bool goes_on() const { return keep_alive_ && !context_.draining; }
    bool is_complete() const { return is_complete_; }
    bool has_begun() const { return has_begun_; }
    bool is_gone() const { return is_gone_; }
    beast::tcp_stream& stream() { return stream_; }

private:
    template <class Body>
    http::response<Body> head_of(ReplyHead head) {
        http::response<Body> out{static_cast<http::status>(head.status), version_};
        for (const auto& [name, value] : head.fields) out.insert(name, value);
        const bool ends_with_head = has_no_body(head.status);
        is_bodiless_ = is_head_ || ends_with_head;
        const bool has_length = head.content_length.has_value();
        is_chunked_ = !has_length && !ends_with_head && version_ >= 11;
        if (is_chunked_)
            out.chunked(true);
        else if (has_length && !ends_with_head)
            out.content_length(*head.content_length);
        if (is_chunked_ && !head.trailer.empty()) out.set(http::field::trailer, head.trailer);
        out.keep_alive(goes_on() && (has_length || is_chunked_ || ends_with_head));
        keep_alive_ = out.keep_alive();
        has_begun_ = true;
        return out;
    }

    bool note(beast::error_code error, bool complete) {
        if (error) is_gone_ = true;
        is_complete_ = complete;
        return !error;
    }

    void watch_on() {
        stream_.socket().async_wait(asio::ip::tcp::socket::wait_read,
                                    [watched = watched_](beast::error_code error) {
                                        if (*watched && !error) (*watched)->look();
                                    });
    }

    /// Bytes are the next request, and wait. No bytes are the end.
    void look() {
        char byte = 0;
        const auto got = recv(stream_.socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
        if (got > 0) return;
        const bool is_nothing_yet =
            got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
        if (is_nothing_yet) return watch_on();
        is_gone_ = true;
        if (gone_) std::exchange(gone_, nullptr)();
    }

    ConnectionContext& context_;
    beast::tcp_stream stream_;
    unsigned version_ = 11;
    bool keep_alive_ = true;
    bool is_head_ = false;
    /// Of the reply: its head is all there is of it.
    bool is_bodiless_ = false;
    bool is_chunked_ = false;
    bool has_begun_ = false;
    bool is_complete_ = false;
    bool is_gone_ = false;
    std::function<void()> gone_;
    std::shared_ptr<Peer*> watched_;
};

asio::any_io_executor Exchange::executor() const {
    return peer_.stream().get_executor();
}
Task<bool> Exchange::answer(Reply reply) {
    return peer_.answer(std::move(reply));
}
Task<bool> Exchange::begin(ReplyHead head) {
    return peer_.begin(std::move(head));
}
Task<bool> Exchange::write(std::string_view piece) {
    return peer_.write(piece);
}
Task<bool> Exchange::end(Fields trailers) {
    return peer_.end(std::move(trailers));
}
void Exchange::drop_body() {
    request_.body = std::string();
    request_.body_room.give_back();
}
void Exchange::cut() {
    peer_.cut();
}
bool Exchange::is_gone() const {
    return peer_.is_gone();
}
void Exchange::on_gone(std::function<void()> gone) {
    peer_.gone_call(std::move(gone));
}

namespace {

class Connection {
public:
    Connection(ConnectionContext& context, IdleConnections& idle, const Handler& handler,
               asio::ip::tcp::socket socket)
        : context_(context), idle_(idle), handler_(handler), peer_(context, std::move(socket)) {
        beast::error_code ignored;
        const auto remote = peer_.stream().socket().remote_endpoint(ignored);
        remote_address_ = remote.address().to_string();
        customer_ = customer_of(remote.address());
    }

    Task<void> run() {
        bool goes_on = true;
        while (goes_on && !context_.draining) {
            Parser parser;
            parser.header_limit(static_cast<std::uint32_t>(context_.limits.header_bytes_max));
            parser.body_limit(context_.limits.body_bytes_max);
            std::string body;
            ByteRoom::Share room(context_.bodies, customer_);
            bool is_here = co_await read_head(parser);
            if (is_here) is_here = co_await read_body(parser, body, room);
            if (!is_here) co_return;
            auto request = plain(parser.get());
            if (request) {
                request->body = std::move(body);
                request->body_room = std::move(room);
                request->remote_address = remote_address_;
            }
            goes_on = co_await answer(std::move(request));
        }
        close();
    }

private:
    /// False when there is no request: the peer has gone, or was told what is wrong.
    Task<bool> read_head(Parser& parser) {
        auto& stream = peer_.stream();
        if (buffer_.size() == 0) {
            stream.expires_after(context_.limits.idle_timeout);
            idle_.insert(&stream.socket());
            const auto [error, count] =
                co_await stream.async_read_some(buffer_.prepare(kReadBytes), kTuple);
            idle_.erase(&stream.socket());
            if (error) co_return false;
            buffer_.commit(count);
        }
        stream.expires_after(context_.limits.request_timeout);
        const auto [error, count] =
            co_await http::async_read_header(stream, buffer_, parser, kTuple);
        if (error) co_return co_await refuse(error);
        const auto& head = parser.get();
        peer_.expect_reply(head.version(), head.keep_alive(), head.method() == http::verb::head);
        if (beast::iequals(head[http::field::expect], "100-continue")) {
            constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
            const auto [unsent, ignored] =
                co_await asio::async_write(stream, asio::buffer(kContinue), kTuple);
            if (unsent) co_return false;
        }
        co_return true;
    }

    /// Room is taken for what has come, not for what was announced.
    Task<bool> read_body(Parser& parser, std::string& body, ByteRoom::Share& room) {
        while (!parser.is_done()) {
            const auto before = body.size();
            body.resize(before + kReadBytes);
            auto& into = parser.get().body();
            into.data = body.data() + before;
            into.size = kReadBytes;
            into.more = true;
            auto [error, count] =
                co_await http::async_read_some(peer_.stream(), buffer_, parser, kTuple);
            // The room is full: that is what it is for.
            if (error == http::error::need_buffer) error = {};
            const auto come = kReadBytes - into.size;
            body.resize(before + come);
            if (error) co_return co_await refuse(error);
            if (room.grow(come)) continue;
            auto overloaded =
                problem_reply(503, "overloaded", "Too much is on its way; try again shortly.");
            co_await tell(std::move(overloaded));
            co_return false;
        }
        co_return true;
    }

    Task<bool> refuse(beast::error_code error) {
        const auto parsing = http::make_error_code(http::error::bad_method);
        if (error.category() == parsing.category() && error != http::error::end_of_stream &&
            error != http::error::partial_message) {
            auto reply = parse_refusal(error);
            co_await tell(std::move(reply));
        }
        co_return false;
    }

    /// The last word on this connection. Reads on a while: closing at once, with bytes of the
    /// peer's unread, would take the answer away from it.
    Task<void> tell(Reply reply) {
        auto& stream = peer_.stream();
        peer_.cut();
        co_await peer_.answer(std::move(reply));
        beast::error_code ended;
        stream.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ended);
        stream.expires_after(kLingerTime);
        for (std::size_t dropped = 0; !ended && dropped < kLingerBytesMax;) {
            buffer_.clear();
            const auto [error, count] =
                co_await stream.async_read_some(buffer_.prepare(kReadBytes), kTuple);
            ended = error;
            dropped += count;
        }
        close();
    }

    /// False when this was the last request.
    Task<bool> answer(std::optional<GateRequest> given) {
        if (!given) {
            auto no_path = problem_reply(400, "invalid_request", "The target is not a path.");
            co_await tell(std::move(no_path));
            co_return false;
        }
        Exchange exchange(peer_, std::move(*given));
        peer_.watch();
        bool failed = false;
        try {
            co_await handler_(exchange);
        } catch (const std::exception& error) {
            spdlog::error("a request failed: {}", error.what());
            failed = true;
        }
        peer_.stop_watching();
        if (failed && !peer_.has_begun()) {
            auto reply = problem_reply(500, "internal_error", "The gate made a mistake.");
            co_await peer_.answer(std::move(reply));
        }
        co_return !failed && peer_.is_complete() && peer_.goes_on() && !peer_.is_gone();
    }

    void close() {
        beast::error_code ignored;
        peer_.stream().socket().shutdown(asio::ip::tcp::socket::shutdown_both, ignored);
        peer_.stream().close();
    }

    ConnectionContext& context_;
    IdleConnections& idle_;
    const Handler& handler_;
    Exchange::Peer peer_;
    beast::flat_buffer buffer_;
    std::string remote_address_;
    /// For the room that bodies share.
    std::string customer_;
};

}  // namespace

std::string_view field_in(const Fields& fields, std::string_view name) {
    for (const auto& [key, value] : fields)
        if (beast::iequals(key, name)) return value;
    return {};
}

bool lists(std::string_view list, std::string_view word) {
    for (const auto& token : http::token_list(list))
        if (beast::iequals(token, word)) return true;
    return false;
}

Reply problem_reply(unsigned status, std::string_view reason, std::string_view detail,
                    Fields fields) {
    auto made = problem(status, reason, detail);
    fields.emplace_back("Cache-Control", "no-store");
    return {status, std::move(made.content_type), std::move(made.body), std::move(fields)};
}

Fields end_to_end(const Fields& fields) {
    static constexpr std::array<std::string_view, 10> kHopByHop{
        "connection",          "content-length",   "keep-alive", "proxy-authenticate",
        "proxy-authorization", "proxy-connection", "te",         "trailer",
        "transfer-encoding",   "upgrade"};
    std::string connection;
    for (const auto& [name, value] : fields)
        if (beast::iequals(name, "connection")) (connection += value) += ',';
    Fields kept;
    for (const auto& one : fields) {
        const auto is_named = [&](std::string_view name) {
            return beast::iequals(one.first, name);
        };
        if (std::any_of(kHopByHop.begin(), kHopByHop.end(), is_named)) continue;
        if (lists(connection, one.first)) continue;
        kept.push_back(one);
    }
    return kept;
}

Task<void> serve_connection(ConnectionContext& context, IdleConnections& idle,
                            const Handler& handler, asio::ip::tcp::socket socket) {
    Connection connection(context, idle, handler, std::move(socket));
    co_await connection.run();
}

}  // namespace millrace::api::gate
