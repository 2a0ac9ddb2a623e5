#pragma once

#include "api/cli/bench/percentiles.hpp"
#include "channel/bytes.hpp"
#include "channel/config.hpp"
#include "channel/secp256k1.hpp"

#include <cstdint>
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
    std::string name;
    std::size_t channels = 1;
    /// Updates of one channel that may be unanswered at once; 1: one in flight.
    std::size_t window = 1;
    std::size_t connections = 1;
    /// Most requests put into one JSON-RPC array; 1: a message for each.
    std::size_t array_max = 1;
    std::uint64_t updates = 0;
};

struct LoadResult {
    std::uint64_t acknowledged = 0;
    std::uint64_t refused = 0;
    /// Text of the first refusal, for the report.
    std::string first_refusal;
    double seconds = 0;
    Latencies latencies;
};

/// Closed loop: every channel keeps `window` payments in flight until `updates` are acknowledged.
/// All vouchers are signed before the clock starts, as the apps' own cost is not the service's.
/// Throws std::runtime_error when a connection fails.
LoadResult run_load(const std::string& host, const std::string& port, const std::string& token,
                    std::vector<LoadChannel>& channels, const LoadPlan& plan);

}  // namespace millrace::api::bench
