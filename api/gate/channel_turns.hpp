#pragma once

#include "api/task.hpp"
#include "channel/bytes.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>

namespace millrace::api::gate {

/// One call at a time on each channel, as x402 has it, in the order in which they came. Payers
/// that make several calls at once are not refused but wait here. Who waited has a voucher that is
/// behind by then, and is told so by a corrective 402; its second request, with a better voucher,
/// comes before those that wait still. Used by several threads; outlives all turns.
class ChannelTurns {
public:
    struct Limits {
        /// On one channel.
        std::size_t waiting_max = 64;
        /// So long a channel is kept for the second request.
        std::chrono::milliseconds kept{1000};
    };
    explicit ChannelTurns(Limits limits) : limits_(limits) {}

    /// The right to work on a channel, until it is destroyed.
    class Turn {
    public:
        Turn(ChannelTurns& turns, const channel::ChannelId& id, boost::asio::any_io_executor home)
            : turns_(&turns), id_(id), home_(std::move(home)) {}
        Turn(Turn&& other) noexcept
            : turns_(std::exchange(other.turns_, nullptr)), id_(other.id_), home_(other.home_) {}
        Turn(const Turn&) = delete;
        Turn& operator=(const Turn&) = delete;
        Turn& operator=(Turn&&) = delete;
        ~Turn() {
            if (turns_) turns_->leave(id_);
        }

        /// The payer was told to ask again with another voucher: it is the next, if it comes soon.
        void keep_for_second_request() && { std::exchange(turns_, nullptr)->keep(id_, home_); }

    private:
        ChannelTurns* turns_;
        channel::ChannelId id_;
        boost::asio::any_io_executor home_;
    };

    /// Nothing when too many wait, or the turn does not come in time. Who does not wait at all gets
    /// only what is free: not what is kept for a second request. `home` is the executor of the
    /// coroutine that waits.
    Task<std::optional<Turn>> take(channel::ChannelId id, boost::asio::any_io_executor home,
                                   std::chrono::steady_clock::time_point deadline);

    /// Channels that somebody works on or waits for.
    std::size_t size() const;

private:
    struct Waiter {
        boost::asio::steady_timer granted_timer;
        bool granted = false;
    };
    struct Place {
        bool is_kept = false;
        /// Tells one keeping from a later one.
        std::uint64_t keeping = 0;
        std::deque<std::shared_ptr<Waiter>> waiting;
    };

    void leave(const channel::ChannelId& id);
    void keep(const channel::ChannelId& id, const boost::asio::any_io_executor& home);
    /// To the first that waits; with nobody, the place goes.
    void pass_on(std::unordered_map<channel::ChannelId, Place>::iterator place);

    const Limits limits_;
    mutable std::mutex mutex_;
    std::unordered_map<channel::ChannelId, Place> places_;
    std::uint64_t last_keeping_ = 0;
};

}  // namespace millrace::api::gate
