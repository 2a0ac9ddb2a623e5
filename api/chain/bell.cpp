#include "api/chain/bell.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace millrace::api {

namespace asio = boost::asio;

struct Bell::Waiting {
    asio::steady_timer timer;
};

Task<void> Bell::wait(std::chrono::steady_clock::time_point deadline) {
    Waiting waiting{asio::steady_timer(executor_, deadline)};
    const auto place = waiting_.insert(waiting_.end(), &waiting);
    co_await waiting.timer.async_wait(asio::as_tuple(asio::use_awaitable));
    waiting_.erase(place);
}

void Bell::ring() {
    for (auto* one : waiting_) one->timer.cancel();
}

}  // namespace millrace::api
