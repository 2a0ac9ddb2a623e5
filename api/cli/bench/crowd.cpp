#include "api/cli/bench/crowd.hpp"

#include "api/cli/bench/channels.hpp"
#include "api/cli/bench/load_requests.hpp"
#include "api/cli/bench/mass_open.hpp"

#include <fmt/format.h>

#include <stdexcept>
#include <utility>

namespace millrace::api::bench {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 30s;
constexpr std::size_t kProgressEach = 1000;

}  // namespace

void Crowd::connect(const StreamAddress& address) {
    for (std::size_t app = 0; app < channels_.size(); ++app) {
        const auto token = log_in(address, *channels_[app].signer);
        connections_.push_back(std::make_unique<LoadConnection>(
            context_, 1, [this](const LoadMessage& message) { take(message); }));
        connections_.back()->connect(address, token);
        // Pings of the service are answered meanwhile.
        context_.poll();
        if ((app + 1) % kProgressEach == 0)
            say(fmt::format("connected {} of {}", app + 1, channels_.size()));
    }
}

Crowd::Clock::time_point Crowd::due(std::uint64_t payment) const {
    const auto app = static_cast<std::int64_t>(payment % channels_.size());
    const auto turn = static_cast<std::int64_t>(payment / channels_.size());
    return begin_ + pace_.every * turn +
           std::chrono::nanoseconds(pace_.every) * app /
               static_cast<std::int64_t>(channels_.size());
}

LoadResult Crowd::pay(const Pace& pace, const std::function<void()>& begins,
                      const std::function<void()>& each_second) {
    pace_ = pace;
    each_second_ = each_second;
    const LoadRequests requests;
    requests_.clear();
    for (std::size_t app = 0; app < channels_.size(); ++app)
        requests_.push_back(requests.pay(channels_[app], app, pace.payments_each));
    payments_ = pace.payments_each * channels_.size();
    released_ = answered_ = 0;
    result_ = {};
    begins();
    begin_ = last_answer_ = Clock::now();
    release_due();
    watch();
    context_.restart();
    context_.run();
    result_.seconds = std::chrono::duration<double>(last_answer_ - begin_).count();
    return std::move(result_);
}

void Crowd::release_due() {
    const auto apps = channels_.size();
    for (; released_ < payments_; ++released_) {
        const auto late = Clock::now() - due(released_);
        if (late < 0s) break;
        result_.lateness.add(late);
        auto& connection = *connections_[released_ % apps];
        connection.queue(requests_[released_ % apps][released_ / apps]);
        connection.flush();
    }
    if (released_ == payments_) return;
    timer_.expires_at(due(released_));
    timer_.async_wait([this](boost::system::error_code cancelled) {
        if (!cancelled) release_due();
    });
}

void Crowd::watch() {
    second_.expires_after(1s);
    second_.async_wait([this](boost::system::error_code cancelled) {
        if (cancelled) return;
        if (Clock::now() - last_answer_ > kPatience)
            throw std::runtime_error("the service does not answer any more");
        each_second_();
        watch();
    });
}

void Crowd::take(const LoadMessage& message) {
    last_answer_ = message.read_at;
    for (const auto& answer : message.answers) {
        ++answered_;
        if (answer.refused) {
            ++result_.refused;
            if (result_.first_refusal.empty()) result_.first_refusal = message.refusal;
            continue;
        }
        ++result_.acknowledged;
        const auto payment = number_of(answer.id) * channels_.size() + lane_of(answer.id);
        result_.latencies.add(message.read_at - due(payment));
    }
    // The connections would read on for ever.
    if (answered_ == payments_) context_.stop();
}

}  // namespace millrace::api::bench
