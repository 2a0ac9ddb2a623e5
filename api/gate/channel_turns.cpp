#include "api/gate/channel_turns.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>

namespace millrace::api::gate {

namespace asio = boost::asio;

namespace {

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

}  // namespace

Task<std::optional<ChannelTurns::Turn>> ChannelTurns::take(
    channel::ChannelId id, asio::any_io_executor home,
    std::chrono::steady_clock::time_point deadline) {
    std::shared_ptr<Waiter> waiter;
    {
        const std::lock_guard lock(mutex_);
        const auto [place, is_new] = places_.try_emplace(id);
        auto& there = place->second;
        const bool waits = deadline > std::chrono::steady_clock::now();
        if (!is_new && !waits) co_return std::nullopt;
        if (is_new || there.is_kept) {
            there.is_kept = false;
        } else {
            if (there.waiting.size() >= limits_.waiting_max) co_return std::nullopt;
            waiter = std::make_shared<Waiter>(Waiter{asio::steady_timer(home, deadline)});
            there.waiting.push_back(waiter);
        }
    }
    if (!waiter) co_return Turn(*this, id, home);
    co_await waiter->granted_timer.async_wait(kTuple);
    const std::lock_guard lock(mutex_);
    if (waiter->granted) co_return Turn(*this, id, home);
    auto& waiting = places_.at(id).waiting;
    waiting.erase(std::find(waiting.begin(), waiting.end(), waiter));
    co_return std::nullopt;
}

void ChannelTurns::leave(const channel::ChannelId& id) {
    const std::lock_guard lock(mutex_);
    pass_on(places_.find(id));
}

void ChannelTurns::pass_on(std::unordered_map<channel::ChannelId, Place>::iterator place) {
    auto& waiting = place->second.waiting;
    if (waiting.empty()) {
        places_.erase(place);
        return;
    }
    const auto next = waiting.front();
    waiting.pop_front();
    next->granted = true;
    // A timer is touched by its own thread alone.
    asio::post(next->granted_timer.get_executor(), [next] { next->granted_timer.cancel(); });
}

void ChannelTurns::keep(const channel::ChannelId& id, const asio::any_io_executor& home) {
    const auto timer = std::make_shared<asio::steady_timer>(home, limits_.kept);
    std::uint64_t keeping = 0;
    {
        const std::lock_guard lock(mutex_);
        const auto place = places_.find(id);
        // With nobody behind it, it comes first anyway.
        if (place->second.waiting.empty()) {
            places_.erase(place);
            return;
        }
        keeping = ++last_keeping_;
        place->second.is_kept = true;
        place->second.keeping = keeping;
    }
    timer->async_wait([this, timer, id, keeping](boost::system::error_code) {
        const std::lock_guard lock(mutex_);
        const auto place = places_.find(id);
        if (place == places_.end() || !place->second.is_kept || place->second.keeping != keeping)
            return;
        place->second.is_kept = false;
        pass_on(place);
    });
}

std::size_t ChannelTurns::size() const {
    const std::lock_guard lock(mutex_);
    return places_.size();
}

}  // namespace millrace::api::gate
