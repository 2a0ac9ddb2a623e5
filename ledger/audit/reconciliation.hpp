#pragma once

#include "channel/step.hpp"
#include "ledger/audit/breaks.hpp"
#include "ledger/chain/escrow_events.hpp"
#include "ledger/chain/many_views.hpp"
#include "ledger/request.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::ledger {

// Compares the books with the payers' vouchers and with the chain, values with values: who read
// them is in reconciliation_reader.hpp (the books, all of one snapshot) and api/chain (the
// contract, all of one block: that of the snapshot's cursor).

/// An event as it is posted and not undone.
struct PostedLog {
    std::uint64_t seq = 0;
    /// As in the table.
    std::string kind;
    std::optional<channel::ChannelId> channel;
    channel::Amount amount;
    /// What its transfer moved.
    channel::Amount moved;
    /// Of the withdrawal that it requests, or that was pending before it.
    std::uint64_t requested_at = 0;
    channel::Amount withdraw_amount;
    ChainLog log;
};

/// A log of the contract, with the names that the books have for it.
struct ContractLog {
    std::string_view kind;
    /// Nothing for a settlement.
    std::optional<channel::ChannelId> channel;
    channel::Amount amount;
    ChainLog log;
};
/// Nothing for an event that the books do not know.
std::optional<ContractLog> contract_log(const chain::Log& log, const chain::EscrowEvent& event);

/// A channel as the books have it.
struct ChannelBooks {
    ChannelTerms terms;
    channel::State state;
    std::uint64_t seq = 0;
    /// Of the snapshot that it was opened with; nothing when that was not kept.
    struct Opening {
        std::uint64_t block_number = 0;
        channel::Amount total_claimed;
    };
    std::optional<Opening> opening;
    /// Openings that stand; one, or the channel was credited twice.
    std::uint64_t openings = 0;
    /// Its account, and what all transfers moved out of and into it.
    channel::Amount debits;
    channel::Amount credits;
    channel::Amount moved_out;
    channel::Amount moved_in;
    /// What its payments add up to, and what was transferred for payments.
    channel::Amount paid;
    channel::Amount transferred;
};

/// What is booked as claimed for a receiver and not settled, as of the block.
struct ReceiverBooks {
    std::int32_t asset_id = 0;
    channel::Address receiver;
    channel::Amount claimed;
};

struct AssetBooks {
    std::int32_t id = 0;
    channel::Address token;
    std::string symbol;
    int decimals = 0;
    /// Of the account `escrow`, as of the block.
    channel::Amount escrow;
};

struct NetworkBooks {
    channel::Network network;
    /// The last block all of whose events are in the books; nothing before it was first followed.
    std::optional<BlockId> block;
    /// The first block that an event can be posted of.
    std::uint64_t first_block = 0;
    std::vector<AssetBooks> assets;
    std::vector<ReceiverBooks> receivers;
    /// Events of blocks above, which are in the books already: requests to withdraw are posted
    /// early, and a range of blocks event by event. In the order of posting.
    std::map<channel::ChannelId, std::vector<PostedLog>> ahead;
};

/// What both sides have of a range of blocks, none above the books' block.
struct LogRange {
    std::vector<PostedLog> posted;
    std::vector<ContractLog> logs;
    /// Of the channels that logs name, those of ours: up to which block their events are in the
    /// snapshot they were opened with.
    std::map<channel::ChannelId, std::uint64_t> openings;
    /// Of the blocks of `unproven_blocks`.
    std::map<std::uint64_t, channel::BlockHash> hashes;

    /// Blocks that events are posted of while no log proves that they are on the chain.
    std::set<std::uint64_t> unproven_blocks() const;
};

struct AssetReport {
    channel::Address token;
    std::string symbol;
    int decimals = 0;
    /// What the books say that the contract holds for the channels of this service.
    channel::Amount ledger_escrow;
    /// What the contract says: of each channel its balance less what is claimed of it, and of each
    /// receiver what is claimed and not yet settled, as far as it is of channels of this service.
    channel::Amount contract_escrow;
    /// All of the token that the contract holds, for others as well.
    channel::Word contract_balance;
};

struct NetworkReport {
    channel::Network network;
    /// Nothing when there is no chain to compare with: only the books were looked at.
    std::optional<BlockId> block;
    std::vector<AssetReport> assets;
    std::uint64_t channels = 0;
};

struct Reconciliation {
    std::uint64_t seq = 0;
    std::vector<NetworkReport> networks;
    Breaks breaks;
    /// No break, and no difference of any asset.
    bool reconciled() const;
};

/// One network, piece by piece: channels and receivers first, then the ranges of blocks, then each
/// asset, then `finish`. Differences of a channel that breaks of its events account for are no
/// breaks of their own.
class NetworkComparison {
public:
    /// `separator` is that of the escrow's EIP-712 domain; without one signatures are not checked.
    NetworkComparison(const NetworkBooks& books, std::optional<channel::Digest> separator,
                      Breaks& breaks);

    /// The books against themselves and the voucher, and, unless it is null, against the contract.
    /// The contract is not looked at for a channel that was opened above the block.
    void compare(const ChannelBooks& channel, const chain::ChannelViews* contract);
    void compare(const ReceiverBooks& receiver, const chain::ReceiverTotals& contract);
    void compare(const LogRange& range);
    /// `contract_balance`: what the contract holds of the token.
    void compare(const AssetBooks& asset, const channel::Word& contract_balance);
    NetworkReport finish();

private:
    /// A difference that breaks of events may account for.
    struct Suspicion {
        BreakKind kind = BreakKind::balance_mismatch;
        std::int32_t asset_id = 0;
        channel::ChannelId channel;
        std::uint64_t seq = 0;
        /// Modulo 2^128: what would have to be added to the books.
        channel::Uint128 lacking = 0;
        std::string ledger;
        std::string chain;
    };
    /// What the broken events of a channel account for, modulo 2^128.
    struct Broken {
        channel::Uint128 balance = 0;
        channel::Uint128 claimed = 0;
        channel::Uint128 refunds = 0;
        bool withdrawal = false;
    };
    enum class Sign { plus, minus };

    const AssetBooks* asset_of(std::int32_t id) const;
    Break about(BreakKind kind, const ChannelBooks& channel) const;
    Break about(BreakKind kind, const PostedLog& posted) const;
    void check_payments(const ChannelBooks& channel);
    void check_voucher(const ChannelBooks& channel);
    void check_account(const ChannelBooks& channel, channel::Uint128 balance_lacking);
    bool is_signed(const ChannelBooks& channel) const;
    bool has_begun(const ChannelBooks& channel) const;
    channel::Mirror at_block(const ChannelBooks& channel) const;
    void suspect(BreakKind kind, const ChannelBooks& channel, channel::Amount ledger,
                 channel::Amount chain);
    void compare_withdrawal(const ChannelBooks& channel, const channel::Mirror& books,
                            const chain::PendingWithdrawal& contract);
    void compare_claimed(const ChannelBooks& channel, channel::Amount books,
                         channel::Amount contract);
    void disown(const PostedLog& posted, BreakKind kind, std::string chain,
                std::string explanation);
    void compare_log(const PostedLog& posted, const ContractLog& log, const LogRange& range);
    void check_moved(const PostedLog& posted);
    void miss(const ContractLog& log);
    void account_for(const channel::ChannelId& id, std::string_view kind, channel::Amount amount,
                     Sign sign);
    bool is_accounted_for(const Suspicion& suspicion) const;

    const NetworkBooks& books_;
    std::optional<channel::Digest> separator_;
    Breaks& breaks_;
    std::map<std::int32_t, channel::Uint128> held_;
    std::vector<Suspicion> suspicions_;
    std::map<channel::ChannelId, Broken> broken_;
    NetworkReport report_;
};

/// What the books have more than the chain: "-5" when they have five less.
std::string difference(channel::Amount ledger, channel::Amount chain);

}  // namespace millrace::ledger
