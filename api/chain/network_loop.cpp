#include "api/chain/network_loop.hpp"

#include "channel/address.hpp"

#include <spdlog/spdlog.h>

#include <stdexcept>

namespace millrace::api {

NetworkLoop::NetworkLoop(ChainContext& context, const NetworkConfig& config)
    : context_(context),
      network_(context, config),
      sender_(context, network_),
      deposits_(context, network_, sender_),
      claims_(context, network_, sender_),
      refunds_(context, network_, sender_),
      facilitator_(context, network_, sender_, deposits_, refunds_),
      follower_(context, network_),
      health_{config.network, false, 0, "not started", {}, {}} {}

Task<void> NetworkLoop::start() {
    co_await check_network();
    co_await follower_.start();
    co_await sender_.start();
    note({});
}

Task<void> NetworkLoop::check_network() {
    const auto chain_id = co_await network_.node.chain_id();
    if (!chain_id)
        throw std::runtime_error(network_.node.name() +
                                 " does not answer: " + chain_id.error().message +
                                 "; check rpc_urls, and that the node runs");
    if (*chain_id != network_.config.network.chain_id)
        throw ConfigError(network_.node.name() + " is chain " + std::to_string(*chain_id) +
                          "; check network and rpc_urls");
    co_await check_code(network_.config.contract, "contract");
    co_await check_code(network_.config.erc3009_collector, "erc3009_collector");
    if (!network_.config.permit2_collector.is_zero()) {
        co_await check_code(network_.config.permit2_collector, "permit2_collector");
        co_await check_code(ledger::chain::kPermit2,
                            "permit2_collector: the network has no Permit2");
    }
    for (const auto& token : network_.config.tokens) co_await check_code(token.address, "token");
}

Task<void> NetworkLoop::check_code(channel::Address address, std::string_view what) {
    const auto code = co_await network_.node.code(address);
    if (!code)
        throw std::runtime_error(network_.node.name() +
                                 ": cannot read code: " + code.error().message);
    if (code->empty())
        throw ConfigError(network_.node.name() + " has no code at " +
                          channel::to_checksum(address) + "; check " + std::string(what));
}

Task<void> NetworkLoop::follow() {
    while (!context_.stopping) {
        std::string trouble;
        try {
            trouble = co_await follow_once();
        } catch (const std::exception& error) {
            trouble = error.what();
        }
        if (context_.stopping) break;
        note(trouble);
        network_.looked.ring();
        co_await context_.pause(network_.config.poll_interval);
    }
    note("stopped");
}

Task<std::string> NetworkLoop::follow_once() {
    auto trouble = co_await follower_.round();
    network_.is_followed = trouble.empty();
    // What is on its way is pushed on also while the chain cannot be followed: withdrawals do not
    // wait. It ends only where the books have followed.
    co_await sender_.look_after(trouble.empty());
    if (trouble.empty()) co_await refunds_.look_after();
    co_return trouble;
}

Task<void> NetworkLoop::claim() {
    while (!context_.stopping) {
        try {
            if (health().following)
                co_await claims_.automatic();
            else
                co_await claims_.claim_blindly();
        } catch (const std::exception& error) {
            spdlog::warn("{}: automatic claims: {}", network_.node.name(), error.what());
        }
        co_await context_.pause(network_.config.poll_interval);
    }
}

void NetworkLoop::note(const std::string& trouble) {
    const std::lock_guard lock(health_mutex_);
    if (trouble != health_.error) {
        if (!trouble.empty() && trouble != "stopped")
            spdlog::warn("{}: not following: {}", network_.node.name(), trouble);
        else if (trouble.empty() && !health_.following)
            spdlog::info("{}: following", network_.node.name());
    }
    health_.following = trouble.empty();
    health_.block = network_.head.number;
    health_.error = trouble;
    health_.nodes = network_.node.standing();
    health_.counts = network_.counts;
}

ChainService::NetworkHealth NetworkLoop::health() const {
    const std::lock_guard lock(health_mutex_);
    return health_;
}

}  // namespace millrace::api
