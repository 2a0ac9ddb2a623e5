#pragma once

#include "api/cli/bench/percentiles.hpp"
#include "api/cli/stream_client.hpp"
#include "channel/bytes.hpp"
#include "channel/config.hpp"
#include "channel/secp256k1.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace millrace::api::bench {

/// A channel that is open and ready to be paid on.
struct LoadChannel {
    channel::ChannelId id;
    channel::ChannelConfig config;
    channel::Digest escrow_separator;
    /// Its own, as every app has one: tables and caches of one key would flatter.
    std::shared_ptr<const channel::SecretKey> signer;
    /// Charged so far; the next voucher adds to it.
    std::uint64_t charged = 0;
};

struct LoadPlan {
    std::string name{};
    std::size_t channels = 1;
    /// Updates of one channel that may be unanswered at once; 1: one in flight.
    std::size_t window = 1;
    std::size_t connections = 1;
    /// Most requests put into one JSON-RPC array; 1: a message for each.
    std::size_t array_max = 1;
    std::uint64_t updates = 0;
    /// Open loop: payments are due at this rate, evenly and in turn over all channels, whether the
    /// ones before are answered or not; 0: closed loop.
    std::uint64_t offered_per_second = 0;
    /// Called when everything is signed and connected, just before the clock starts.
    std::function<void()> before_start{};
};

struct LoadResult {
    std::uint64_t acknowledged = 0;
    std::uint64_t refused = 0;
    /// Text of the first refusal, for the report.
    std::string first_refusal;
    double seconds = 0;
    /// Of what was acknowledged: closed loop, from handing it to the socket; open loop, from when
    /// it was due, however long it had to wait here.
    Latencies latencies;
    /// Open loop: how late the generator itself came to each payment.
    Latencies lateness;
};

/// Closed loop: every channel keeps `window` payments in flight until `updates` are acknowledged.
/// Open loop: every payment is sent when it is due, or, while `window` of its channel are
/// unanswered, as soon after as they are not. All vouchers are signed before the clock starts, as
/// the apps' own cost is not the service's. Throws std::runtime_error when a connection fails.
LoadResult run_load(const StreamAddress& address, const std::string& token,
                    std::vector<LoadChannel>& channels, const LoadPlan& plan);

}  // namespace millrace::api::bench
