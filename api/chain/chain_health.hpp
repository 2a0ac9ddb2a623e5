#pragma once

#include "channel/network.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::api {

/// How one of a network's nodes stands.
struct NodeStanding {
    std::string name;
    bool in_service = true;
    /// Why not; empty otherwise.
    std::string trouble;
    std::uint64_t times_set_aside = 0;
};

/// What was done on one network since the start, by the name of the step.
struct ChainCounts {
    using Steps = std::map<std::string, std::uint64_t, std::less<>>;
    /// Of transactions, by purpose: broadcast, refused, raised, at_cap, superseded, filled,
    /// confirmed, failed.
    std::map<std::string, Steps, std::less<>> transactions;
    /// What became of rows that were planned: claimed, claimed_already, quarantined.
    Steps claim_rows;
};

}  // namespace millrace::api
