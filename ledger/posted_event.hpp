#pragma once

#include "channel/amount.hpp"
#include "channel/bytes.hpp"
#include "channel/network.hpp"
#include "ledger/request.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <pqxx/pqxx>

namespace millrace::ledger {

/// Where a log stands that is about to be posted. A log is identified by its transaction, its index
/// and its block: in another block it is another inclusion of the same transaction, and there is
/// one at a time.
struct Standing {
    enum Kind {
        /// Not posted, or undone since.
        fresh,
        /// Posted as of this very block.
        posted,
        /// Its transaction is posted as of another block.
        elsewhere
    };
    Kind kind = fresh;
    /// How often it was posted before.
    std::int32_t inclusions = 0;
};
std::vector<Standing> standing_of(pqxx::connection& connection,
                                  const std::vector<std::pair<channel::Network, ChainLog>>& logs);

/// A transfer of the entry that posted an event.
struct PostedLeg {
    std::int32_t leg = 0;
    std::int32_t asset_id = 0;
    std::string debit_kind;
    channel::Bytes debit_owner;
    std::string credit_kind;
    channel::Bytes credit_owner;
    channel::Amount amount;
    std::string cause;
};

/// An event of the chain, or the opening of a channel, as it was posted.
struct PostedEvent {
    std::uint64_t seq = 0;
    /// As in the table; "opened" for an opening.
    std::string kind;
    channel::Amount amount;
    /// Of the withdrawal that it requests, or that was pending before it.
    std::uint64_t requested_at = 0;
    channel::Amount withdraw_amount;
    std::vector<PostedLeg> legs;
};
inline constexpr std::string_view kOpened = "opened";

/// What was posted under that seq; null when nothing was, or when it is undone.
std::shared_ptr<const PostedEvent> read_posted(pqxx::connection& connection, std::uint64_t seq);

/// An event, or an opening, that is posted and not undone.
struct StandingEvent {
    std::uint64_t seq = 0;
    BlockId block;
    std::string kind;
    std::optional<channel::ChannelId> channel;
    /// Nothing when it moved nothing.
    std::optional<std::int32_t> asset_id;
};
/// Those of blocks that the cursor, at that number, has not passed: of blocks above, and of blocks
/// in whose places it passed others, which happens when the chain changes between an event that is
/// posted ahead of the cursor and the cursor's coming there. Newest entry first: the order in which
/// they are to be undone. Of blocks below `since` the caller knows that nothing stands so.
std::vector<StandingEvent> standing_not_passed(pqxx::transaction_base& transaction,
                                               channel::Network network, std::uint64_t block_number,
                                               std::uint64_t since = 0);

/// Channels of the network that have to be compared with the contract.
std::vector<channel::ChannelId> channels_in_doubt(pqxx::transaction_base& transaction,
                                                  channel::Network network);

}  // namespace millrace::ledger
