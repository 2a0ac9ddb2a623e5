#include "api/task.hpp"

#include "api/cli/bench/sse_upstream.hpp"

#include <fmt/format.h>
#include <boost/asio.hpp>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>
#include <stdexcept>
#include <thread>

namespace millrace::api::bench {

namespace asio = boost::asio;
using asio::ip::tcp;
using Clock = std::chrono::steady_clock;

namespace {

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr std::string_view kHeadEnd = "\r\n\r\n";

std::string lower_case(std::string_view text) {
    std::string lower(text);
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
    return lower;
}

/// The number in a field of `head`, which is in lower case; 0 where there is none.
std::size_t number_in(std::string_view head, std::string_view field) {
    const auto line = fmt::format("\r\n{}:", field);
    const auto at = head.find(line);
    if (at == std::string_view::npos) return 0;
    const auto begin = head.find_first_not_of(' ', at + line.size());
    std::size_t number = 0;
    std::from_chars(head.data() + begin, head.data() + head.size(), number);
    return number;
}

std::string chunk(std::string_view data) {
    const auto event = fmt::format("data: {}\n\n", data);
    return fmt::format("{:x}\r\n{}\r\n", event.size(), event);
}

std::string token() {
    const auto now = Clock::now().time_since_epoch();
    return chunk(fmt::format(R"({{"choices":[{{"index":0,"delta":{{"content":"{}{} "}}}}]}})",
                             kTokenMark,
                             std::chrono::duration_cast<std::chrono::nanoseconds>(now).count()));
}

std::string last(std::size_t tokens) {
    return chunk(fmt::format(
               R"({{"choices":[],"usage":{{"prompt_tokens":{},"completion_tokens":{}}}}})",
               kPromptTokens, tokens)) +
           chunk("[DONE]") + "0\r\n\r\n";
}

struct Request {
    bool is_last = false;
    std::chrono::milliseconds prompt_time{0};
};

/// To its end; nullopt when the client has gone.
Task<std::optional<Request>> read_request(tcp::socket& socket, std::string& text) {
    const auto [error, head] =
        co_await asio::async_read_until(socket, asio::dynamic_buffer(text), kHeadEnd, kTuple);
    if (error) co_return std::nullopt;
    const auto lower = lower_case(std::string_view(text).substr(0, head));
    const auto whole = head + number_in(lower, "content-length");
    if (text.size() < whole) {
        const auto [cut_off, count] =
            co_await asio::async_read(socket, asio::dynamic_buffer(text),
                                      asio::transfer_exactly(whole - text.size()), kTuple);
        if (cut_off) co_return std::nullopt;
    }
    text.erase(0, whole);
    Request request;
    request.is_last = lower.find("connection: close") != std::string::npos;
    request.prompt_time = std::chrono::milliseconds(number_in(lower, kPromptTimeField));
    co_return request;
}

Task<void> serve(tcp::socket socket, SseAnswer answer) {
    socket.set_option(tcp::no_delay(true));
    asio::steady_timer pace(socket.get_executor());
    for (std::string text;;) {
        const auto request = co_await read_request(socket, text);
        if (!request) co_return;
        std::string out =
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            "Transfer-Encoding: chunked\r\n\r\n";
        pace.expires_at(Clock::now() + request->prompt_time);
        if (request->prompt_time.count() > 0) co_await pace.async_wait(kTuple);
        for (std::size_t n = 0; n < answer.tokens; ++n) {
            out += token();
            const auto [error, count] =
                co_await asio::async_write(socket, asio::buffer(out), kTuple);
            if (error) co_return;
            out.clear();
            pace.expires_at(pace.expiry() + answer.between);
            co_await pace.async_wait(kTuple);
        }
        out = last(answer.tokens);
        const auto [error, count] = co_await asio::async_write(socket, asio::buffer(out), kTuple);
        if (error || request->is_last) co_return;
    }
}

}  // namespace

class SseUpstream::Server {
public:
    explicit Server(SseAnswer answer)
        : answer_(answer), acceptor_(context_, {asio::ip::address_v4::loopback(), 0}) {
        asio::co_spawn(context_, accept(), rethrow);
        thread_ = std::thread([this] { context_.run(); });
    }

    ~Server() {
        context_.stop();
        thread_.join();
    }

    std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

private:
    static void rethrow(const std::exception_ptr& failure) {
        if (failure) std::rethrow_exception(failure);
    }

    Task<void> accept() {
        for (;;) {
            auto [error, socket] = co_await acceptor_.async_accept(kTuple);
            if (error) co_return;
            asio::co_spawn(context_, serve(std::move(socket), answer_), rethrow);
        }
    }

    SseAnswer answer_;
    asio::io_context context_{1};
    tcp::acceptor acceptor_;
    std::thread thread_;
};

SseUpstream::SseUpstream(SseAnswer answer) : server_(std::make_unique<Server>(answer)) {}
SseUpstream::~SseUpstream() = default;

std::uint16_t SseUpstream::port() const {
    return server_->port();
}

}  // namespace millrace::api::bench
