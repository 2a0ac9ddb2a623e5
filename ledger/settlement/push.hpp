#pragma once

#include "channel/amount.hpp"
#include "ledger/chain/fees.hpp"

#include <cstdint>
#include <optional>

namespace millrace::ledger {

/// What is known of a transaction that was written down and is not mined.
struct PushState {
    /// Of its newest attempt, whether or not that reached a node.
    chain::Fees fees;
    /// What a transaction made now would offer.
    chain::Fees market;
    /// The most that may be offered, in wei per gas.
    channel::Amount cap;
    /// Its nonce is the next that the chain takes of its signer, as the nodes agree: only this one
    /// can be stuck by its own fees.
    bool is_next = false;
    /// Since this process first broadcast the newest attempt, in looks (one per poll interval) and
    /// in blocks; zero looks: it never did.
    std::uint64_t looks = 0;
    std::uint64_t blocks = 0;
    /// How long what it secures can still be lost to a withdrawal; negative once that is possible,
    /// nullopt when nothing waits for it.
    std::optional<std::int64_t> seconds_left;
};

enum class Push {
    wait,
    /// As it is.
    rebroadcast,
    /// With `fees`.
    raise,
    /// It is due for higher fees, and `cap` does not allow them: as it is, and somebody is to know.
    at_cap,
};

struct PushDecision {
    Push push = Push::wait;
    /// At least 10 % above `PushState::fees` in both fields when raised, else the same.
    chain::Fees fees;
};

/// Whether to wait, to send it again, or to raise its fees. The nearer the deadline, the sooner:
/// after 30 looks and 3 blocks when there is none, 10 and 2 within the last hour, 3 and 1 within
/// the last five minutes.
PushDecision decide_push(const PushState& state);

}  // namespace millrace::ledger
