#include "api/chain/turns.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace millrace::api {

namespace asio = boost::asio;

struct Turns::Waiting {
    asio::steady_timer granted;
    std::size_t places;
};

Task<Turns::Turn> Turns::take(std::size_t places) {
    if (queue_.empty() && free_ >= places) {
        free_ -= places;
        co_return Turn(this, places);
    }
    Waiting waiting{asio::steady_timer(executor_, asio::steady_timer::time_point::max()), places};
    queue_.push_back(&waiting);
    co_await waiting.granted.async_wait(asio::as_tuple(asio::use_awaitable));
    co_return Turn(this, places);
}

void Turns::give_back(std::size_t places) {
    free_ += places;
    while (!queue_.empty() && queue_.front()->places <= free_) {
        auto* next = queue_.front();
        queue_.pop_front();
        free_ -= next->places;
        next->granted.cancel();
    }
}

}  // namespace millrace::api
