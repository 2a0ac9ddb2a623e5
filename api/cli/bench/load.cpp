#include "api/task.hpp"

#include "api/cli/bench/load.hpp"

#include "api/cli/bench/load_connection.hpp"
#include "api/cli/bench/load_requests.hpp"

#include <boost/asio.hpp>

#include <chrono>

namespace millrace::api::bench {
namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

/// The payments of one channel, in their order.
struct Lane {
    LoadConnection* connection = nullptr;
    std::vector<std::string> requests;
    /// What each one's latency counts from.
    std::vector<Clock::time_point> since;
    std::size_t due = 0;
    std::size_t sent = 0;
    std::size_t answered = 0;
};

class Load {
public:
    Load(const LoadPlan& plan, std::vector<LoadChannel>& channels)
        : plan_(plan), context_(1), timer_(context_), lanes_(plan.channels) {
        const LoadRequests requests;
        const auto each = plan.updates / plan.channels;
        for (std::size_t lane = 0; lane < lanes_.size(); ++lane) {
            lanes_[lane].requests = requests.pay(channels.at(lane), lane, each);
            lanes_[lane].since.resize(each);
        }
        left_ = each * plan.channels;
    }

    LoadResult run(const StreamAddress& address, const std::string& token) {
        for (std::size_t n = 0; n < plan_.connections; ++n) {
            connections_.push_back(std::make_unique<LoadConnection>(
                context_, plan_.array_max, [this, n](const LoadMessage& message) {
                    take(message);
                    connections_[n]->flush();
                }));
            connections_.back()->connect(address, token);
        }
        for (std::size_t lane = 0; lane < lanes_.size(); ++lane)
            lanes_[lane].connection = connections_[lane % connections_.size()].get();
        if (plan_.before_start) plan_.before_start();
        begin_ = Clock::now();
        if (plan_.offered_per_second == 0)
            start_closed();
        else
            release_due();
        context_.run();
        result_.seconds = std::chrono::duration<double>(ended_ - begin_).count();
        return std::move(result_);
    }

private:
    void start_closed() {
        for (auto& lane : lanes_) {
            lane.due = lane.requests.size();
            send(lane);
        }
        for (const auto& connection : connections_) connection->flush();
    }

    /// When the payment of this number, in turn over all lanes, is due.
    Clock::time_point intended(std::uint64_t number) const {
        const auto rate = plan_.offered_per_second;
        return begin_ + std::chrono::seconds(number / rate) +
               std::chrono::nanoseconds(number % rate * 1'000'000'000 / rate);
    }

    /// Releases what is due by now, then waits for the next.
    void release_due() {
        const auto now = Clock::now();
        const auto all = plan_.updates / plan_.channels * plan_.channels;
        for (; released_ < all && intended(released_) <= now; ++released_) {
            auto& lane = lanes_[released_ % lanes_.size()];
            const auto since = intended(released_);
            result_.lateness.add(now - since);
            lane.since[lane.due++] = since;
            send(lane);
        }
        for (const auto& connection : connections_) connection->flush();
        if (released_ == all) return;
        timer_.expires_at(intended(released_));
        timer_.async_wait([this](boost::system::error_code error) {
            if (!error) release_due();
        });
    }

    void send(Lane& lane) {
        while (lane.sent < lane.due && lane.sent - lane.answered < plan_.window) {
            if (plan_.offered_per_second == 0) lane.since[lane.sent] = Clock::now();
            lane.connection->queue(lane.requests[lane.sent++]);
        }
    }

    void take(const LoadMessage& message) {
        for (const auto& answer : message.answers) {
            auto& lane = lanes_.at(lane_of(answer.id));
            ++lane.answered;
            --left_;
            if (answer.refused) {
                ++result_.refused;
            } else {
                ++result_.acknowledged;
                result_.latencies.add(message.read_at - lane.since.at(number_of(answer.id)));
            }
            send(lane);
        }
        if (result_.first_refusal.empty()) result_.first_refusal = message.refusal;
        if (left_ > 0) return;
        ended_ = Clock::now();
        context_.stop();
    }

    const LoadPlan& plan_;
    asio::io_context context_;
    asio::steady_timer timer_;
    std::vector<Lane> lanes_;
    std::vector<std::unique_ptr<LoadConnection>> connections_;
    LoadResult result_;
    Clock::time_point begin_;
    Clock::time_point ended_;
    /// Open loop: payments that have been due.
    std::uint64_t released_ = 0;
    std::uint64_t left_ = 0;
};

}  // namespace

LoadResult run_load(const StreamAddress& address, const std::string& token,
                    std::vector<LoadChannel>& channels, const LoadPlan& plan) {
    Load load(plan, channels);
    return load.run(address, token);
}

}  // namespace millrace::api::bench
