#pragma once

#include "api/chain/bell.hpp"
#include "api/chain/chain_health.hpp"
#include "api/chain/nodes.hpp"
#include "api/chain/shard_calls.hpp"
#include "api/chain/turns.hpp"
#include "api/chain/wallet_channels.hpp"
#include "api/chain/wallet_signatures.hpp"
#include "api/config.hpp"
#include "api/database.hpp"
#include "ledger/asset.hpp"
#include "ledger/chain/cursor.hpp"
#include "ledger/chain/signer.hpp"
#include "ledger/settlement/claim_store.hpp"
#include "ledger/shard.hpp"
#include "ledger/time.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace millrace::api {

/// What all networks share.
struct ChainContext {
    const Config& config;
    const ledger::Assets& assets;
    Database& database;
    ledger::CommitOrder& order;
    std::function<void(const ledger::SettlementEvent&)> publish;
    /// It may wait: to be asked on a database thread.
    ledger::chain::Signer& signer;
    boost::asio::any_io_executor executor;
    ShardCalls shards;
    std::atomic<bool> stopping = false;
    WalletChannels wallet_channels{};

    /// `contract_payer_refused` where the payer is a contract, claims are this service's to sign,
    /// and its signer signs none for such: whatever is charged there would be lost. From any
    /// thread.
    std::optional<channel::Refusal> refuse_payer(const channel::Address& receiver_authorizer,
                                                 channel::VoucherSigner voucher_signer) const;

    /// With GCC 12 a lambda that captures has to have a name before it is handed to anything that
    /// is awaited in the same expression: it would be destroyed twice.
    ///
    /// Commits `work`, which may take sequence numbers, between the shards' commits, and publishes
    /// the events it gives. Throws what the database throws; nothing is published then.
    using Work = std::function<std::vector<ledger::SettlementEvent>(pqxx::transaction_base&)>;
    Task<void> commit_in_order(Work work);

    /// Reads, in a transaction of its own, what payments do not change, or not yet: to have them
    /// posted each time that the chain is looked at would be to post them one by one.
    template <class Read>
    auto read(Read read) -> Task<decltype(read(std::declval<pqxx::transaction_base&>()))> {
        co_return co_await database.run_at_once(in_transaction(std::move(read)));
    }
    /// The same, with all that is acknowledged.
    template <class Read>
    auto read_with_payments(Read read)
        -> Task<decltype(read(std::declval<pqxx::transaction_base&>()))> {
        co_return co_await database.run(in_transaction(std::move(read)));
    }

    /// Returns early when the service stops.
    Task<void> pause(std::chrono::milliseconds duration) const;

private:
    template <class Read>
    static auto in_transaction(Read read) {
        return [read = std::move(read)](pqxx::connection& connection) {
            pqxx::work transaction(connection);
            return read(transaction);
        };
    }
};

ledger::Time now();

/// What belongs to one network; changed on the chain thread alone.
struct ChainNetwork {
    ChainNetwork(ChainContext& context, const NetworkConfig& settings);

    const NetworkConfig& config;
    ledger::chain::EscrowContract escrow;
    channel::Digest escrow_separator;
    const ledger::Asset* coin = nullptr;
    Nodes node;
    WalletSignatures wallet_signatures;

    /// Opening a channel takes one place, moving the cursor all of them: a snapshot is of the
    /// block up to which events have been read, and no event is lost or counted twice.
    Turns cursor_gate;
    Turns nonces;
    Turns claims;

    /// Rings after each look at the chain and the outbox.
    Bell looked;

    /// Nothing before the network is followed.
    std::optional<ledger::chain::Cursor> cursor;
    /// False from a look at the chain that failed until one that did not.
    bool is_followed = true;
    /// The newest block as last seen.
    ledger::chain::Block head;
    /// The relayer's nonces below are used up, as the node says.
    std::uint64_t nonce_min = 0;

    /// Told by `NetworkHealth`.
    ChainCounts counts;

    const ledger::Asset* asset_of(const ChainContext& context, const channel::Address& token) const;
    const TokenConfig* token_config(const channel::Address& token) const;
};

}  // namespace millrace::api
