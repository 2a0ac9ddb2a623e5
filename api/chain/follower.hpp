#pragma once

#include "api/chain/chain_context.hpp"
#include "api/chain/reversals.hpp"
#include "ledger/chain/escrow_events.hpp"

#include <cstdint>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace millrace::api {

/// Reads a network's blocks and posts the escrow's events to the shards, each once, in the order of
/// the chain, and undoes those that the chain takes back. Only blocks at their confirmations count,
/// save that a withdrawal closes its channel as soon as it is seen.
class Follower {
public:
    /// Told of every state that an event of the chain has led to.

    Follower(ChainContext& context, ChainNetwork& network);

    /// Finds the cursor; a network that was never followed starts at its confirmed head. Throws
    /// std::runtime_error when the node cannot be asked.
    Task<void> start();

    /// Posts all that is new. Gives the reason when it could not get on; empty when all is well.
    Task<std::string> round();

private:
    struct Event {
        ledger::chain::Log log;
        ledger::chain::EscrowEvent event;
    };
    enum class Posted { all, stopped, conflict };

    Task<std::string> advance(std::uint64_t target);
    Task<std::string> post_range(std::uint64_t to);
    Task<Posted> post(std::vector<Event> events);
    Task<bool> concerns_our_books(const ledger::Request& request);
    Task<Posted> post_wave(std::vector<ledger::Request> wave);
    Task<void> post_withdrawals_early();
    Task<std::optional<ledger::Request>> request_for(const Event& event);
    std::optional<ledger::Request> request_from(const Event& event,
                                                std::uint64_t requested_at) const;
    Task<ledger::chain::RpcResult<std::vector<Event>>> events_of(std::uint64_t from,
                                                                 std::uint64_t to,
                                                                 std::vector<channel::Word> topics);
    void look_at(const ledger::Request& request, const ledger::Answer& answer);

    ChainContext& context_;
    ChainNetwork& network_;
    std::uint64_t range_ = 1;
    Reversals reversals_;
    /// Logs above the cursor that were posted before their time, as of their blocks.
    std::set<std::tuple<channel::TransactionHash, std::uint32_t, channel::BlockHash>> early_;
};

}  // namespace millrace::api
