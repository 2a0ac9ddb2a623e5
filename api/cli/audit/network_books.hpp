#pragma once

#include "ledger/audit/verify/verification.hpp"

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace millrace::api {

/// An event of the chain that is not undone.
struct StandingEvent {
    std::uint64_t seq;
    const ledger::AuditedChainEvent* event;
};

/// What the books have of a receiver and token: the contract adds up all channels of the two, those
/// of others as well, so that it has at least as much.
struct ReceiverBooks {
    channel::Amount claimed_of_channels;
    channel::Amount settled;
    /// Of the account `claimed`.
    channel::Amount owed;
    /// The newest block that a claim or settlement was posted of, and the claims of it.
    std::uint64_t newest = 0;
    channel::Amount claimed_in_newest;
};
struct ReceiverKey {
    channel::Address receiver;
    channel::Address token;
    friend auto operator<=>(const ReceiverKey&, const ReceiverKey&) = default;
};

/// What is to be compared with one network.
struct NetworkBooks {
    std::string network;
    channel::Address contract;
    std::vector<StandingEvent> events;
    std::vector<const ledger::AuditedChannel*> channels;
    std::vector<const ledger::AuditedAsset*> assets;
    /// Every event of the blocks below this one that is posted in the order of the chain is posted.
    std::uint64_t reached = 0;
    std::map<ReceiverKey, ReceiverBooks> receivers;
    /// Of each token, what the contract says that it owes to these channels and receivers.
    std::map<channel::Address, channel::Amount> owes;
};

/// Amounts of the books are of 128 bits together, or they would not be booked. Throws
/// ledger::Broken.
inline channel::Amount sum(channel::Amount one, channel::Amount other) {
    const auto both = channel::add(one, other);
    if (!both) ledger::broken("chain", "", "", "amounts add up to more than there can be");
    return *both;
}

}  // namespace millrace::api
