#pragma once

#include "ledger/asset.hpp"
#include "ledger/request.hpp"
#include "ledger/time.hpp"

#include <cstdint>
#include <memory>
#include <vector>

#include <pqxx/pqxx>

namespace millrace::ledger {

/// A channel as its shard holds it.
struct StoredChannel {
    std::shared_ptr<const ChannelTerms> terms;
    channel::State state;
    std::uint64_t seq = 0;
};

/// All channels of a shard, with their open reservations.
std::vector<StoredChannel> load_channels(pqxx::connection& connection, std::int16_t shard,
                                         std::int16_t shard_count);

/// The immutable row of a new channel, with a zero state, and the accounts that it moves; the state
/// follows in the batch that opens it. Channels that are there already are left alone. Rows without
/// a batch (a crash between the two) carry no money and are completed by the next opening. Sets the
/// month of each to that of its row.
void insert_channels(pqxx::connection& connection, const std::vector<ChannelTerms*>& opened,
                     Time now);

/// The zero-balance accounts of an asset that belong to no channel.
void insert_asset_accounts(pqxx::connection& connection, const Assets& assets);

/// What the `claimed` account of a receiver holds.
channel::Amount claimed_balance(pqxx::connection& connection, std::int32_t asset_id,
                                const channel::Address& receiver);

/// One row of the table `channel`, columns as in `kChannelColumns`.
StoredChannel channel_from_row(const pqxx::row& row);
extern const char* const kChannelColumns;

}  // namespace millrace::ledger
