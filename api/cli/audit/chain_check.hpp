#pragma once

#include "ledger/audit/verify/verification.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace millrace::api {

struct ChainCheckTotals {
    std::size_t events = 0;
    std::size_t channels = 0;
    std::size_t receivers = 0;
    std::size_t anchors = 0;
    /// Networks that have events and no node was named for.
    std::vector<std::string> unchecked;
};

/// Compares what an export says of the chain with what nodes say: every event that stands is in the
/// block that it was posted of, every fee is what its receipt says, every channel holds in the
/// contract what it holds in the books, every receiver is owed there what is booked as claimed, the
/// contract has the tokens for all of that, and every tree head that a settlement carries is one of
/// this log. A URL for each network. Throws ledger::Broken for the first difference, and
/// CommandError when a node does not answer or has thrown the state away that is asked for.
ChainCheckTotals check_chain(const ledger::Verification& verification,
                             const std::vector<std::string>& rpc_urls);

}  // namespace millrace::api
