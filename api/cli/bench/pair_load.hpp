#pragma once

#include "api/cli/bench/load.hpp"
#include "api/cli/stream_client.hpp"

#include <string>
#include <vector>

namespace millrace::api::bench {

/// Who are logged in: the payer of all channels, and their receiver.
struct PairTokens {
    std::string payer;
    std::string receiver;
};

/// Closed loop of pairs: the payer authorizes, and as soon as that is acknowledged the receiver
/// charges all of it, each over connections of its own. A pair counts when its charge is
/// acknowledged; its latency is from handing the authorization to the socket. Of `plan`, `updates`
/// are pairs, and `connections` are opened by each side. Otherwise as run_load.
LoadResult run_pair_load(const StreamAddress& address, const PairTokens& tokens,
                         std::vector<LoadChannel>& channels, const LoadPlan& plan);

}  // namespace millrace::api::bench
