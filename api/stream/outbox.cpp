#include "api/stream/outbox.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <utility>

namespace millrace::api::stream {
namespace {

namespace asio = boost::asio;

constexpr auto kNever = asio::steady_timer::time_point::max();
/// Memory of a burst is given back.
constexpr std::size_t kKeptCapacity = 64 * 1024;

}  // namespace

Outbox::Outbox(asio::any_io_executor executor, std::size_t bytes_max)
    : bytes_max_(bytes_max), filled_(executor, kNever), room_(executor, kNever) {}

std::string& Outbox::begin() {
    return queued_.text;
}

void Outbox::end() {
    if (shut_) {
        queued_ = {};
        return;
    }
    queued_.ends.push_back(queued_.text.size());
    if (queued_.ends.size() == 1) wake();
}

void Outbox::push(std::string_view message) {
    begin() += message;
    end();
}

void Outbox::take(Messages& taken) {
    taken.text.clear();
    taken.ends.clear();
    if (taken.text.capacity() > kKeptCapacity) taken = {};
    std::swap(taken, queued_);
    taken_bytes_ = taken.text.size();
}

void Outbox::sent() {
    taken_bytes_ = 0;
    if (has_room()) room_.cancel();
}

Task<void> Outbox::room() {
    while (!shut_ && !has_room()) co_await room_.async_wait(asio::as_tuple(asio::use_awaitable));
}

Task<void> Outbox::wait() {
    while (!shut_ && empty() && !woken_)
        co_await filled_.async_wait(asio::as_tuple(asio::use_awaitable));
    woken_ = false;
}

void Outbox::wake() {
    woken_ = true;
    filled_.cancel();
}

void Outbox::shut() {
    shut_ = true;
    queued_ = {};
    taken_bytes_ = 0;
    filled_.cancel();
    room_.cancel();
}

}  // namespace millrace::api::stream
