#pragma once

#include "api/chain/chain_context.hpp"
#include "ledger/settlement/outbox.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace millrace::api {

/// Brings a network's outbox to the chain: broadcasts what is written there, again when it lingers,
/// with higher fees when it is stuck, and sees each transaction through to its confirmations.
class OutboxSender {
public:
    OutboxSender(ChainContext& context, ChainNetwork& network);

    /// Asks the node for the relayer's next nonce. Throws std::runtime_error.
    Task<void> start();

    /// Fees for a transaction sent now.
    ledger::chain::Fees fees() const;

    /// Runs `write`, which enqueues transactions and commits, on a database thread, with nobody
    /// else taking nonces here. It is repeated when another process took a nonce first. Throws what
    /// the database and the signer throw.
    using Write =
        std::function<std::vector<ledger::OutboxEntry>(pqxx::connection&, const ledger::Sender&)>;
    Task<std::vector<ledger::OutboxEntry>> write_down(Write write);

    /// Broadcasts; what fails is tried again by `look_after`.
    Task<void> broadcast(ledger::OutboxEntry entry);

    /// One look at all that is unfinished. `cursor` must be known.
    Task<void> look_after(bool follows);

    /// Of the newest attempt, or of one before its fees were raised.
    Task<ledger::chain::RpcResult<std::optional<ledger::chain::Receipt>>> receipt_of(
        const ledger::OutboxEntry& entry);
    /// Of one that was reverted in that block, for people.
    Task<std::string> why_reverted(const ledger::OutboxEntry& entry, std::uint64_t block);

private:
    /// What is remembered of an entry between two looks, and may be forgotten by a restart.
    struct Watch {
        /// The attempt that was broadcast last, at which block, and looks since.
        channel::TransactionHash attempt;
        std::uint64_t attempt_at_block = 0;
        std::uint64_t looks = 0;
        /// Looks in a row at which its nonce was used up without it, or could not be reached.
        unsigned looks_with_nonce_used = 0;
        unsigned looks_behind_gap = 0;
        std::optional<std::uint64_t> mined_at_block;
    };
    enum class Found { mined, missing, unknown };

    Task<Found> look_at(const ledger::OutboxEntry& entry, Watch& watch, bool follows);
    Task<bool> is_on_the_chain(const ledger::chain::Receipt& receipt);
    Task<void> push(const ledger::OutboxEntry& entry, Watch& watch, Found found, bool follows);
    Task<bool> is_superseded(const ledger::OutboxEntry& entry, Watch& watch);
    Task<void> fill_gap(const ledger::OutboxEntry& entry, Watch& watch);
    Task<std::optional<std::int64_t>> seconds_left(const ledger::OutboxEntry& entry);
    Task<void> raise_fees(const ledger::OutboxEntry& entry, ledger::chain::Fees wanted);
    Task<void> finish(const ledger::OutboxEntry& entry, const ledger::chain::Receipt& receipt);
    Task<void> give_up(const ledger::OutboxEntry& entry);
    Task<bool> post_fee(const ledger::chain::Receipt& receipt, channel::Amount fee);
    void count(ledger::Purpose purpose, std::string_view step);
    Task<void> record_end(const ledger::OutboxEntry& entry, ledger::OutboxResult result,
                          channel::Amount swept);

    ChainContext& context_;
    ChainNetwork& network_;
    std::map<std::int64_t, Watch> watched_;
};

}  // namespace millrace::api
