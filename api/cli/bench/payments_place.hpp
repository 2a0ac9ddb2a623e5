#pragma once

#include "api/cli/bench/bench.hpp"
#include "api/cli/bench/load.hpp"
#include "api/cli/bench/pair_load.hpp"
#include "api/cli/demo/party.hpp"
#include "api/cli/demo/stack.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace millrace::api::bench {

/// Where payments are measured, and on what.
struct Place {
    StreamAddress stream;
    PairTokens tokens;
    std::vector<LoadChannel> channels;
};

/// So many channels of a new payer to a new receiver on a development stack.
Place place_of(const ReadyStack& stack, std::size_t channels);

/// A service that runs already, with channels of a payer's own tokens.
class RunningService {
public:
    /// Logs in and opens a channel for each of `spent`, with a deposit of just that. Throws
    /// CommandError for options that cannot be followed, std::runtime_error when it is refused.
    RunningService(const BenchOptions& options, const std::vector<std::uint64_t>& spent);

    Place& place() { return place_; }

private:
    DemoParty payer_;
    Place place_;
};

/// "ws://host:port/v1/stream"; throws CommandError for anything else.
StreamAddress parse_server(const std::string& url);

}  // namespace millrace::api::bench
