#pragma once

#include "api/gate/channel_turns.hpp"
#include "api/gate/charged_before.hpp"
#include "api/gate/config.hpp"
#include "api/gate/connection.hpp"
#include "api/gate/metrics.hpp"
#include "api/gate/notices.hpp"
#include "api/gate/payments.hpp"
#include "api/gate/terms.hpp"
#include "api/gate/upstream.hpp"
#include "channel/bytes.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/json/object.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

namespace millrace::api::gate {

/// Of so many channels a gate remembers something between their calls.
inline constexpr std::size_t kChannelsKnownMax = 10'000;

/// What all threads of a gate share. Outlives them.
struct Shared {
    explicit Shared(const GateConfig& given)
        : config(given),
          turns({.waiting_max = given.waiting_per_channel_max}),
          connections(given.connection),
          upstream_notices(given.upstream_url),
          answers({given.replies_bytes_max, given.replies_bytes_max}) {}

    const GateConfig& config;
    /// Threads, each with a payment stream of its own. Set before they start.
    std::size_t workers = 0;
    GateMetrics metrics;
    ChannelTurns turns;
    ConnectionContext connections;
    ServiceNotices service_notices;
    UpstreamNotices upstream_notices;
    /// Whom payments go to is said after the first login, by whichever thread it is.
    std::once_flag terms_said;
    /// Of whole answers that wait to be charged and sent.
    ByteRoom answers;
    ChargedBefore charged_before{kChannelsKnownMax};
    /// "name:boot:" of inference ids.
    std::string inference_prefix;
    /// "Bearer …" for the model server; empty: the client's own is passed on.
    std::string upstream_authorization;
    std::atomic<std::uint64_t> inferences = 0;
    /// That are with the model server: paid for, and of free paths.
    std::atomic<std::size_t> upstream_calls = 0;
    std::atomic<std::size_t> free_calls = 0;
    /// What gates of this name left over is released: payments can be taken.
    std::atomic<bool> swept = false;
};

/// What one thread of a gate works with.
struct Worker {
    /// All of it outlives the worker.
    Worker(Shared& all, const ServiceLink::Options& options, const UpstreamAddress& address);

    Shared& shared;
    boost::asio::io_context context{1};
    /// From the last login; none before the first.
    std::optional<Terms> terms;
    ServiceLink link;
    Payments payments;
    Upstream upstream;
    IdleConnections idle;

    /// The channel object as of a while ago, for what changes only with the chain.
    struct Known {
        boost::json::object channel;
        std::chrono::steady_clock::time_point since;
    };
    std::unordered_map<channel::ChannelId, Known> known;

private:
    std::optional<std::string> adopt(const ServiceLink::Login& login);
};

}  // namespace millrace::api::gate
