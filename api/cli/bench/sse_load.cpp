#include "api/task.hpp"

#include "api/cli/bench/sse_load.hpp"

#include "api/cli/bench/sse_upstream.hpp"

#include <boost/asio.hpp>

#include <array>
#include <charconv>
#include <stdexcept>

namespace millrace::api::bench {

namespace asio = boost::asio;
using asio::ip::tcp;
using Clock = std::chrono::steady_clock;

namespace {

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kEndingBytes = 2048;

/// Finds the marks of tokens in what comes, however it is cut.
class Tokens {
public:
    explicit Tokens(SseLoadResult& result) : result_(result) {}

    void take(std::string_view bytes, Clock::time_point now) {
        text_ += bytes;
        for (;;) {
            const auto at = text_.find(kTokenMark, looked_at_);
            const auto begin = at + kTokenMark.size();
            const auto end = at == std::string::npos ? at : text_.find(' ', begin);
            if (end == std::string::npos) {
                looked_at_ = std::min(at, text_.size() - std::min<std::size_t>(text_.size(), 1));
                break;
            }
            std::int64_t sent = 0;
            std::from_chars(text_.data() + begin, text_.data() + end, sent);
            const Clock::time_point then{std::chrono::nanoseconds(sent)};
            result_.token.add(now - then);
            ++count_;
            looked_at_ = end;
        }
        if (text_.size() > 2 * kEndingBytes && looked_at_ > kEndingBytes) {
            const auto gone = std::min(looked_at_, text_.size() - kEndingBytes);
            text_.erase(0, gone);
            looked_at_ -= gone;
        }
    }

    std::size_t count() const { return count_; }
    const std::string& text() const { return text_; }

private:
    SseLoadResult& result_;
    std::string text_;
    std::size_t looked_at_ = 0;
    std::size_t count_ = 0;
};

Task<std::string> stream(tcp::endpoint place, const std::string& request, std::size_t tokens,
                         SseLoadResult& result) {
    tcp::socket socket(co_await asio::this_coro::executor);
    const auto [refused] = co_await socket.async_connect(place, kTuple);
    if (refused) throw std::runtime_error("nobody listens: " + refused.message());
    socket.set_option(tcp::no_delay(true));
    const auto sent = Clock::now();
    co_await asio::async_write(socket, asio::buffer(request), kTuple);
    Tokens found(result);
    std::array<char, 8192> buffer{};
    for (;;) {
        const auto [error, count] = co_await socket.async_read_some(asio::buffer(buffer), kTuple);
        if (error) break;
        const auto now = Clock::now();
        const bool is_first = found.count() == 0;
        found.take({buffer.data(), count}, now);
        if (is_first && found.count() > 0) result.first_byte.add(now - sent);
    }
    if (found.count() != tokens && result.refused++ == 0) result.first_refusal = found.text();
    co_return found.text();
}

Task<void> run_lane(const SseLoadPlan& plan, const SseLane& lane, Clock::time_point begin,
                    SseLoadResult& result, std::vector<std::string>& endings) {
    asio::steady_timer start(co_await asio::this_coro::executor, begin);
    co_await start.async_wait(kTuple);
    const tcp::endpoint place(asio::ip::address_v4::loopback(), plan.port);
    for (const auto& request : lane) {
        auto ending = co_await stream(place, request, plan.tokens, result);
        endings.push_back(std::move(ending));
    }
}

}  // namespace

SseLoadResult run_sse_load(const SseLoadPlan& plan, const std::vector<SseLane>& lanes) {
    SseLoadResult result;
    result.endings.resize(lanes.size());
    asio::io_context context{1};
    std::size_t at_work = lanes.size();
    asio::steady_timer second(context);
    const std::function<void()> tick = [&] {
        second.expires_after(std::chrono::seconds{1});
        second.async_wait([&](boost::system::error_code cancelled) {
            if (cancelled) return;
            if (plan.each_second) plan.each_second();
            tick();
        });
    };
    tick();
    const auto ended = [&](const std::exception_ptr& failure) {
        if (--at_work == 0) second.cancel();
        if (failure) std::rethrow_exception(failure);
    };
    const auto begin = Clock::now();
    for (std::size_t n = 0; n < lanes.size(); ++n) {
        const auto after =
            plan.spread * static_cast<std::int64_t>(n) / static_cast<std::int64_t>(lanes.size());
        asio::co_spawn(context, run_lane(plan, lanes[n], begin + after, result, result.endings[n]),
                       ended);
    }
    context.run();
    return result;
}

}  // namespace millrace::api::bench
