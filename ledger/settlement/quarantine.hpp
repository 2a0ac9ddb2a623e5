#pragma once

#include "channel/amount.hpp"
#include "channel/bytes.hpp"
#include "ledger/asset.hpp"
#include "ledger/settlement/row_check.hpp"
#include "ledger/settlement/settlement_event.hpp"
#include "ledger/time.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <pqxx/pqxx>

namespace millrace::ledger {

/// How long a channel is left out of claims after so many refusals in a row: a minute, doubled each
/// time, at most ten. A channel that is being withdrawn from is looked at each minute all the same.
std::chrono::seconds quarantine_pause(unsigned attempts);

/// Leaves the rows' channels out of claims: until their state changes, until
/// `release_from_quarantine`, or for `quarantine_pause`. Gives an event `quarantined` for each that
/// is refused for the first time, or for another reason than before. All are of one asset.
std::vector<SettlementEvent> quarantine(pqxx::transaction_base& transaction,
                                        std::span<const BadRow> rows, const Asset& asset, Time now);

/// The same for each channel that was alone in one of the claim's transactions which was reverted
/// on chain, whatever became of the others; but for their time alone, or until they are claimed all
/// the same: each trial costs gas, and a new voucher is no reason for one. The claim's own event
/// tells of it.
void quarantine_reverted(pqxx::transaction_base& transaction, const std::string& claim_id,
                         Time now);

/// A channel that is in a claim again is in quarantine no longer, unless it was reverted on chain:
/// then `release_claimed` ends that, when its transaction is confirmed.
void release_unless_reverted(pqxx::transaction_base& transaction, const channel::ChannelId& id);
void release_claimed(pqxx::transaction_base& transaction, const std::string& claim_id);

/// Takes channels up again at once. Gives how many there were.
std::size_t release_from_quarantine(pqxx::transaction_base& transaction,
                                    std::span<const channel::ChannelId> ids);

struct QuarantinedChannel {
    channel::ChannelId id;
    std::int32_t asset_id = 0;
    /// As RowFault, and what there is to say about it.
    std::string reason;
    std::string detail;
    /// What the row would have claimed.
    channel::Amount amount;
    unsigned attempts = 0;
    /// RFC 3339, UTC.
    std::string since;
    std::string retry_at;
};

/// The receiver's, in the order of their ids, behind `after`.
std::vector<QuarantinedChannel> list_quarantine(pqxx::transaction_base& transaction,
                                                const channel::Address& receiver,
                                                const std::optional<channel::ChannelId>& after,
                                                std::size_t limit);

}  // namespace millrace::ledger
