#pragma once

#include "api/services.hpp"
#include "api/stream/call.hpp"
#include "api/task.hpp"

#include <atomic>
#include <memory>
#include <optional>
#include <variant>

namespace millrace::api::stream {

/// Which channel a payment.accept is about, by its channelConfig alone.
struct NamedChannel {
    channel::Network network;
    channel::ChannelId id;
};
/// `network_mismatch`, `channel_id_mismatch`; `invalid_params` where the network cannot be told.
std::variant<NamedChannel, Failure> name_channel(const std::vector<NetworkConfig>& networks,
                                                 const AcceptPayment& asked);

/// A payment.accept that brings a deposit, or whose channel the shards do not know.
struct UnfundedAccept {
    AcceptPayment asked;
    channel::Network network;
    /// As it will go to the shard.
    ledger::PaymentRequest payment;
    /// Its connection is gone.
    std::shared_ptr<const std::atomic<bool>> is_unwanted;
};

/// The channel is known, and holds the deposit if there is one: a shard may decide now.
struct Funded {
    std::optional<RelayedDeposit> deposit;
};
/// It was accepted before.
struct AcceptedBefore {
    ledger::PaymentResult result;
    std::optional<RelayedDeposit> deposit;
};
using Funding = std::variant<Failure, AcceptedBefore, Funded>;

/// Opens the channel or tops it up. Whatever can be refused is refused before anything is sent.
/// Throws pqxx::failure.
Task<Funding> fund(const Services& services, UnfundedAccept accept);

}  // namespace millrace::api::stream
