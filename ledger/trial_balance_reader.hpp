#pragma once

#include "channel/bytes.hpp"
#include "channel/network.hpp"
#include "ledger/snapshot.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace millrace::ledger {

/// Sums over many accounts may pass 128 bits in a token of absurd supply, so they are words.
struct KindBalance {
    /// As in `AccountId`.
    std::string kind;
    std::uint64_t accounts = 0;
    channel::Word debits;
    channel::Word credits;
};

/// The books of one asset. Everything is recomputed from the transfers up to the seq asked for.
struct AssetBalance {
    channel::Network network;
    channel::Address token;
    std::string symbol;
    int decimals = 0;
    channel::Word debits;
    channel::Word credits;
    /// Debits less credits in signed decimal: "0", or the books are broken.
    std::string difference;
    std::vector<KindBalance> kinds;
    /// Accounts whose materialised balance is not what all transfers of the snapshot add up to; 0,
    /// or the books are broken.
    std::uint64_t accounts_differing = 0;
};

struct TrialBalance {
    /// What it adds up to and including.
    std::uint64_t seq = 0;
    std::vector<AssetBalance> assets;
    bool balanced() const;
};

/// Every asset, those without a transfer included. `seq` at most `snapshot.seq()`.
TrialBalance read_trial_balance(Snapshot& snapshot, std::uint64_t seq);

}  // namespace millrace::ledger
