#pragma once

#include "api/chain/chain_context.hpp"
#include "api/chain/chain_service.hpp"
#include "api/chain/claims.hpp"
#include "api/chain/deposits.hpp"
#include "api/chain/follower.hpp"
#include "api/chain/outbox_sender.hpp"
#include "api/chain/refunds.hpp"
#include "api/x402/facilitator.hpp"

#include <mutex>

namespace millrace::api {

/// All that this service does on one network, and the loops that do the part that nobody asks for.
class NetworkLoop {
public:
    NetworkLoop(ChainContext& context, const NetworkConfig& config);

    /// Throws ConfigError when the network or its contracts are not as configured, and
    /// std::runtime_error when no node answers.
    Task<void> start();
    /// Follows the chain and sees the outbox through, until the service stops.
    Task<void> follow();
    /// Claims what is due without being asked, until the service stops. Apart from the former, so
    /// that a long claim does not keep a withdrawal from being seen.
    Task<void> claim();
    /// Ends what waits for the network.
    void close() {
        network_.node.close();
        network_.looked.ring();
    }

    ChainNetwork& network() { return network_; }
    channel::Network id() const { return network_.config.network; }
    Deposits& deposits() { return deposits_; }
    Claims& claims() { return claims_; }
    Refunds& refunds() { return refunds_; }
    x402::Facilitator& facilitator() { return facilitator_; }

    /// From any thread.
    ChainService::NetworkHealth health() const;

private:
    Task<void> check_network();
    Task<void> check_code(channel::Address address, std::string_view what);
    Task<std::string> follow_once();
    void note(const std::string& trouble);

    ChainContext& context_;
    ChainNetwork network_;
    OutboxSender sender_;
    Deposits deposits_;
    Claims claims_;
    Refunds refunds_;
    x402::Facilitator facilitator_;
    Follower follower_;

    mutable std::mutex health_mutex_;
    ChainService::NetworkHealth health_;
};

}  // namespace millrace::api
