#pragma once

#include "api/cli/bench/load.hpp"
#include "api/cli/bench/load_connection.hpp"
#include "api/cli/stream_client.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

namespace millrace::api::bench {

/// Many apps, each with a connection and a channel of its own, that pay at a steady pace.
class Crowd {
public:
    explicit Crowd(std::vector<LoadChannel>& channels) : channels_(channels) {}

    /// Logs each app in with its channel's voucher signer, and connects it.
    void connect(const StreamAddress& address);

    struct Pace {
        std::uint64_t payments_each = 1;
        /// Within it every app pays once, all evenly spread.
        std::chrono::seconds every{1};
    };
    /// All apps pay at this pace; signs first. Latencies count from when a payment was due, however
    /// late it was sent. Calls `begins` when all is signed, and `each_second` meanwhile. Throws
    /// std::runtime_error when a connection fails, or no answer comes any more.
    LoadResult pay(const Pace& pace, const std::function<void()>& begins,
                   const std::function<void()>& each_second);

private:
    using Clock = std::chrono::steady_clock;

    void release_due();
    void take(const LoadMessage& message);
    void watch();
    Clock::time_point due(std::uint64_t payment) const;

    std::vector<LoadChannel>& channels_;
    boost::asio::io_context context_{1};
    boost::asio::steady_timer timer_{context_};
    boost::asio::steady_timer second_{context_};
    std::vector<std::vector<std::string>> requests_;
    std::vector<std::unique_ptr<LoadConnection>> connections_;
    Pace pace_;
    std::function<void()> each_second_;
    Clock::time_point begin_;
    Clock::time_point last_answer_;
    /// Number n is the (n / apps)th of app n % apps.
    std::uint64_t released_ = 0;
    std::uint64_t payments_ = 0;
    std::uint64_t answered_ = 0;
    LoadResult result_;
};

}  // namespace millrace::api::bench
