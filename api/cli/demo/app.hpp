#pragma once

#include "api/cli/demo/party.hpp"
#include "channel/amount.hpp"
#include "channel/config.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace millrace::api {

/// Requests that an app leaves unanswered at once.
inline constexpr std::size_t kDemoWindow = 32;

/// What the demo's threads have done so far, for the progress line.
struct DemoProgress {
    /// Answers to payments, authorizations and charges.
    std::atomic<std::uint64_t> acknowledged = 0;
};

/// Of an app's `payments`, every fourth is authorized and charged later, the others are paid at
/// once.
constexpr bool is_authorized(std::uint64_t payment) {
    return payment % 4 == 3;
}
constexpr std::uint64_t authorized_among(std::uint64_t payments) {
    return payments / 4;
}

enum class Deposit { whole, half_then_top_up };

struct DemoAppPlan {
    std::string name;
    channel::Address provider;
    std::uint64_t payments = 0;
    Deposit deposit = Deposit::whole;
};

/// An app with one channel that streams payments to one provider. Used by one thread.
class DemoApp {
public:
    DemoApp(const DemoNetwork& network, DemoAppPlan plan);

    const channel::Address& address() const { return party_.address(); }
    const channel::ChannelId& channel() const { return id_; }
    /// All that its payments may cost: what it needs in tokens.
    channel::Amount budget() const;

    /// Logs in, opens the channel by a gasless deposit and waits until it is open.
    void open(const StreamAddress& address);
    /// Streams all payments. Throws StreamRefusal when one is refused.
    void stream(DemoProgress& progress);

    /// From sending a request to its answer, in microseconds.
    const std::vector<std::uint32_t>& latencies() const { return latencies_; }
    std::uint64_t acknowledged() const { return latencies_.size(); }

private:
    void send(std::uint64_t payment);
    void take_answer(DemoProgress& progress);
    void top_up(DemoProgress& progress);
    void wait_for_balance(channel::Amount balance);

    const DemoNetwork& network_;
    DemoAppPlan plan_;
    DemoParty party_;
    channel::ChannelConfig config_;
    channel::ChannelId id_;
    channel::Amount promised_;
    std::unordered_map<std::uint64_t, std::chrono::steady_clock::time_point> sent_at_;
    std::vector<std::uint32_t> latencies_;
};

}  // namespace millrace::api
