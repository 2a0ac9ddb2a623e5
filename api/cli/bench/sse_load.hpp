#pragma once

#include "api/cli/bench/percentiles.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace millrace::api::bench {

struct SseLoadResult {
    /// From the request to the first token.
    Latencies first_byte;
    /// From the server's writing of a token to its arrival.
    Latencies token;
    std::size_t refused = 0;
    /// What the first stream that was refused, or ended too early, was told.
    std::string first_refusal;
    /// The text of each answer's last bytes, by lane and in the order of its requests.
    std::vector<std::vector<std::string>> endings;
};

/// Whole HTTP requests whose connection closes behind the answer, sent one after the other.
using SseLane = std::vector<std::string>;

struct SseLoadPlan {
    std::uint16_t port = 0;
    /// That each answer has.
    std::size_t tokens = 0;
    /// The lanes begin evenly spread over this, so that as many begin as end at any time.
    std::chrono::milliseconds spread{0};
    /// Called about once a second.
    std::function<void()> each_second;
};

/// Works through all lanes at once, each request over a connection of its own, and reads their
/// streams to the end, on this thread. Throws std::runtime_error when nobody listens.
SseLoadResult run_sse_load(const SseLoadPlan& plan, const std::vector<SseLane>& lanes);

}  // namespace millrace::api::bench
