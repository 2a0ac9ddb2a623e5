#pragma once

#include "channel/amount.hpp"
#include "channel/bytes.hpp"
#include "ledger/asset.hpp"
#include "ledger/settlement/claim_plan.hpp"
#include "ledger/time.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <pqxx/pqxx>

namespace millrace::ledger {

/// The receiver's channels of one asset that `authorizer` may claim for, with more charged than
/// claimed, in no unfinished claim, and not in quarantine at `now`.
std::vector<DueChannel> due_channels(pqxx::transaction_base& transaction, const Asset& asset,
                                     const channel::Address& receiver,
                                     const channel::Address& authorizer, Time now);

/// True while a claim of this receiver and asset is neither confirmed nor failed.
bool has_unfinished_claim(pqxx::transaction_base& transaction, std::int32_t asset_id,
                          const channel::Address& receiver);

/// Receivers with at least `amount_min` (and more than nothing) earned and not yet claimed, and
/// without an unfinished claim.
std::vector<channel::Address> due_receivers(pqxx::transaction_base& transaction,
                                            std::int32_t asset_id, channel::Amount amount_min);

/// A channel whose payer is taking its money back, with something left to claim.
struct ClosingChannel {
    channel::ChannelId id;
    std::int32_t asset_id = 0;
    channel::Address receiver;
};
std::vector<ClosingChannel> closing_channels(pqxx::transaction_base& transaction);

/// Unix seconds from which the payer of one of the claim's channels may take back what is not
/// claimed by then, the earliest; nullopt when no withdrawal is pending.
std::optional<std::uint64_t> claim_deadline(pqxx::transaction_base& transaction,
                                            const std::string& claim_id);

}  // namespace millrace::ledger
