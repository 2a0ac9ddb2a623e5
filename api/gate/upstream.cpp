#include "api/gate/upstream.hpp"

#include "api/config.hpp"

#include <fmt/format.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/url.hpp>

#include <array>
#include <cerrno>
#include <deque>
#include <set>

#include <sys/socket.h>

namespace millrace::api::gate {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using std::chrono::steady_clock;

namespace {

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr std::uint32_t kHeaderBytesMax = 64 * 1024;
constexpr std::size_t kPieceBytes = 16 * 1024;
constexpr std::chrono::seconds kResolvedFor{30};

/// False once the server has closed it, or said something that nobody asked for.
bool is_quiet(tcp::socket& socket) {
    char byte = 0;
    const auto got = recv(socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

}  // namespace

struct Upstream::Pool {
    struct Kept {
        std::unique_ptr<beast::tcp_stream> stream;
        steady_clock::time_point since;
    };

    asio::io_context& context;
    const UpstreamAddress& address;
    const UpstreamLimits& limits;
    UpstreamNotices& notices;
    tcp::resolver resolver;
    /// Where the model server was found, and when: a look-up cannot be broken off.
    tcp::resolver::results_type places;
    steady_clock::time_point resolved_at{};
    /// The newest last.
    std::deque<Kept> kept;
    std::set<Call*> calls;

    std::unique_ptr<beast::tcp_stream> take() {
        const auto since_min = steady_clock::now() - limits.keep_alive;
        while (!kept.empty() && kept.front().since < since_min) kept.pop_front();
        while (!kept.empty()) {
            auto stream = std::move(kept.back().stream);
            kept.pop_back();
            if (is_quiet(stream->socket())) return stream;
        }
        return nullptr;
    }

    void keep(std::unique_ptr<beast::tcp_stream> stream) {
        if (kept.size() >= limits.idle_connections_max) kept.pop_front();
        stream->expires_never();
        kept.push_back({std::move(stream), steady_clock::now()});
    }
};

struct Upstream::Call::State {
    explicit State(Upstream& upstream) : pool(*upstream.pool_) {}

    Task<bool> connect() {
        stream = std::make_unique<beast::tcp_stream>(pool.context);
        const auto deadline = steady_clock::now() + pool.limits.connect_timeout;
        if (const auto error = co_await resolve(); error || cancelled) co_return unconnected(error);
        stream->expires_at(deadline);
        const auto places = pool.places;
        const auto [refused, place] = co_await stream->async_connect(places, kTuple);
        if (refused) {
            if (!cancelled) pool.places = {};
            co_return unconnected(refused);
        }
        pool.notices.reached();
        beast::error_code ignored;
        stream->socket().set_option(tcp::no_delay(true), ignored);
        co_return true;
    }

    Task<beast::error_code> resolve() {
        if (!pool.places.empty() && steady_clock::now() < pool.resolved_at + kResolvedFor)
            co_return beast::error_code();
        auto [error, places] =
            co_await pool.resolver.async_resolve(pool.address.host, pool.address.port, kTuple);
        if (!error) {
            pool.places = std::move(places);
            pool.resolved_at = steady_clock::now();
        }
        co_return error;
    }

    bool unconnected(beast::error_code error) {
        fail(error, UpstreamFault::unreachable);
        if (!cancelled) pool.notices.unreachable(error.message(), status_of(fault));
        return false;
    }

    bool fail(beast::error_code error, UpstreamFault otherwise) {
        fault = cancelled                        ? UpstreamFault::cancelled
                : error == beast::error::timeout ? UpstreamFault::timed_out
                                                 : otherwise;
        stream.reset();
        return false;
    }

    /// Sends the request and reads the head of its answer. False with a fault, or without one when
    /// a kept connection turned out to be closed.
    Task<bool> talk(const http::request<http::span_body<const char>>& request, bool is_kept) {
        stream->expires_after(pool.limits.connect_timeout);
        const auto [unsent, written] = co_await http::async_write(*stream, request, kTuple);
        if (unsent) co_return closed(unsent, is_kept);
        for (;;) {
            parser.emplace();
            parser->header_limit(kHeaderBytesMax);
            parser->body_limit(boost::none);
            parser->eager(true);
            if (request.method() == http::verb::head) parser->skip(true);
            stream->expires_after(pool.limits.answer_timeout);
            const auto [error, count] =
                co_await http::async_read_header(*stream, buffer, *parser, kTuple);
            if (error)
                co_return count == 0 ? closed(error, is_kept) : fail(error, UpstreamFault::broken);
            // 1xx: the answer itself is still to come.
            if (parser->get().result_int() >= 200) co_return true;
        }
    }

    bool closed(beast::error_code error, bool is_kept) {
        const bool by_the_server = error == http::error::end_of_stream ||
                                   error == asio::error::eof || error == asio::error::broken_pipe ||
                                   error == asio::error::connection_reset;
        if (is_kept && by_the_server && !cancelled) {
            stream.reset();
            buffer.clear();
            return false;
        }
        return fail(error, UpstreamFault::broken);
    }

    UpstreamHead head() const {
        UpstreamHead found;
        const auto& message = parser->get();
        found.status = message.result_int();
        for (const auto& field : message)
            found.fields.emplace_back(std::string(field.name_string()), std::string(field.value()));
        if (const auto length = parser->content_length()) found.content_length = *length;
        return found;
    }

    void give_back() {
        if (parser->is_done() && parser->keep_alive() && buffer.size() == 0)
            pool.keep(std::move(stream));
        stream.reset();
    }

    Upstream::Pool& pool;
    std::unique_ptr<beast::tcp_stream> stream;
    beast::flat_buffer buffer;
    std::optional<http::response_parser<http::buffer_body>> parser;
    std::array<char, kPieceBytes> piece{};
    UpstreamFault fault = UpstreamFault::none;
    bool cancelled = false;
};

Upstream::Upstream(asio::io_context& context, const UpstreamAddress& address,
                   const UpstreamLimits& limits, UpstreamNotices& notices)
    : pool_(new Pool{context, address, limits, notices, tcp::resolver(context), {}, {}, {}, {}}) {}
Upstream::~Upstream() = default;

Task<void> Upstream::look() {
    // No call: when the gate ends, nobody waits for it, and it must not look for its place among
    // them.
    Call::State attempt(*this);
    co_await attempt.connect();
}

void Upstream::cancel_all() {
    for (auto* call : pool_->calls) call->cancel();
}

Upstream::Call::Call(Upstream& upstream) : state_(std::make_unique<State>(upstream)) {
    state_->pool.calls.insert(this);
}

Upstream::Call::~Call() {
    state_->pool.calls.erase(this);
}

Task<std::optional<UpstreamHead>> Upstream::Call::begin(UpstreamRequest given) {
    auto& state = *state_;
    if (state.cancelled) co_return std::nullopt;
    http::request<http::span_body<const char>> request;
    request.method_string(given.method);
    request.target(state.pool.address.base_path + given.target);
    request.version(11);
    for (const auto& [name, value] : given.fields) request.insert(name, value);
    request.set(http::field::host, state.pool.address.authority);
    request.body() = {given.body.data(), given.body.size()};
    if (!given.body.empty() || given.method == "POST" || given.method == "PUT")
        request.content_length(given.body.size());
    state.stream = state.pool.take();
    if (state.stream) {
        const bool answered = co_await state.talk(request, true);
        if (answered) co_return state.head();
        if (state.fault != UpstreamFault::none) co_return std::nullopt;
    }
    const bool connected = co_await state.connect();
    if (!connected) co_return std::nullopt;
    const bool answered = co_await state.talk(request, false);
    if (!answered) co_return std::nullopt;
    co_return state.head();
}

Task<std::string_view> Upstream::Call::read() {
    auto& state = *state_;
    if (!state.stream) co_return std::string_view();
    auto& body = state.parser->get().body();
    std::size_t filled = 0;
    while (filled == 0 && !state.parser->is_done()) {
        body.data = state.piece.data();
        body.size = state.piece.size();
        body.more = true;
        state.stream->expires_after(state.pool.limits.idle_timeout);
        auto [error, count] =
            co_await http::async_read_some(*state.stream, state.buffer, *state.parser, kTuple);
        // The room for the body is full: that is what it is for.
        if (error == http::error::need_buffer) error = {};
        filled = state.piece.size() - body.size;
        if (error && filled == 0) {
            state.fail(error, UpstreamFault::broken);
            co_return std::string_view();
        }
    }
    if (filled == 0) state.give_back();
    co_return std::string_view(state.piece.data(), filled);
}

UpstreamFault Upstream::Call::fault() const {
    return state_->fault;
}

void Upstream::Call::cancel() {
    state_->cancelled = true;
    if (state_->fault == UpstreamFault::none) state_->fault = UpstreamFault::cancelled;
    if (state_->stream) state_->stream->close();
}

unsigned status_of(UpstreamFault fault) {
    return fault == UpstreamFault::timed_out ? 504 : 502;
}

UpstreamAddress parse_upstream(std::string_view setting, std::string_view url) {
    const auto parsed = boost::urls::parse_uri(url);
    if (!parsed || parsed->scheme() != "http" || parsed->host().empty() || parsed->has_userinfo() ||
        parsed->has_query() || parsed->has_fragment())
        throw ConfigError(fmt::format(
            "{}: has to be the URL of a model server, such as http://127.0.0.1:11434; where it "
            "speaks TLS, put a proxy between",
            setting));
    UpstreamAddress address;
    address.host = parsed->host_address();
    address.port = parsed->has_port() ? std::string(parsed->port()) : "80";
    address.authority = parsed->encoded_host_and_port();
    address.base_path = parsed->encoded_path();
    while (address.base_path.ends_with('/')) address.base_path.pop_back();
    return address;
}

}  // namespace millrace::api::gate
