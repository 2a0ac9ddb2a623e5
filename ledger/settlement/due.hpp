#pragma once

#include "channel/amount.hpp"
#include "channel/bytes.hpp"
#include "ledger/asset.hpp"
#include "ledger/settlement/claim_plan.hpp"
#include "ledger/settlement/outbox.hpp"
#include "ledger/time.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <pqxx/pqxx>

namespace millrace::ledger {

/// The receiver's channels of one asset that `authorizer` may claim for, with more charged than
/// claimed, in no unfinished claim, not in doubt, and not in quarantine at `now`. Those that a
/// refund is on its way for are left to it, because it claims what is charged, unless their payer
/// withdraws as well.
std::vector<DueChannel> due_channels(pqxx::transaction_base& transaction, const Asset& asset,
                                     const channel::Address& receiver,
                                     const channel::Address& authorizer, Time now);

/// True while a claim of this receiver and asset is neither confirmed nor failed.
bool has_unfinished_claim(pqxx::transaction_base& transaction, std::int32_t asset_id,
                          const channel::Address& receiver);

/// True if something was claimed for the receiver and not swept to it, as a refund leaves it.
bool has_unswept(pqxx::transaction_base& transaction, std::int32_t asset_id,
                 const channel::Address& receiver);

/// Receivers with at least `amount_min` (and more than nothing) earned and not yet swept to them,
/// and without an unfinished claim.
std::vector<channel::Address> due_receivers(pqxx::transaction_base& transaction,
                                            std::int32_t asset_id, channel::Amount amount_min);

/// Whose charges a withdrawal could take away: receivers of channels that `authorizer` may claim
/// for, that their payers are taking their money back from, and of which more is charged than
/// claimed. By the earliest deadline.
struct ClosingReceiver {
    std::int32_t asset_id = 0;
    channel::Address receiver;
};
std::vector<ClosingReceiver> closing_receivers(pqxx::transaction_base& transaction,
                                               channel::Network network,
                                               const channel::Address& authorizer);

/// Unix seconds from which a payer may take back what is not claimed by then, the earliest of all
/// claims on their way with the transaction's nonce or a later one of its signer: none of them can
/// be mined before it. Nullopt when no withdrawal is pending.
std::optional<std::uint64_t> deadline_behind(pqxx::transaction_base& transaction,
                                             const OutboxEntry& entry);

}  // namespace millrace::ledger
