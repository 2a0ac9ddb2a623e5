#pragma once

#include "channel/amount.hpp"
#include "channel/bytes.hpp"
#include "ledger/asset.hpp"
#include "ledger/settlement/claim_plan.hpp"
#include "ledger/settlement/outbox.hpp"
#include "ledger/settlement/settlement_event.hpp"
#include "ledger/time.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <pqxx/pqxx>

namespace millrace::ledger {

/// stream-protocol, settlement.get.
enum class ClaimStatus { queued, sent, confirmed, failed };
std::string_view to_string(ClaimStatus status);

struct ClaimRecord {
    std::string claim_id;
    std::int32_t asset_id = 0;
    channel::Address receiver;
    ClaimStatus status = ClaimStatus::queued;
    std::size_t channels = 0;
    /// What is to be swept; once confirmed or failed, what was swept.
    channel::Amount amount;
    std::string error;
    std::vector<channel::TransactionHash> transactions;
};

struct NewClaim {
    /// Chosen by the caller, unguessable.
    std::string claim_id;
    const Asset& asset;
    channel::Address receiver;
    /// None: claimed before, only to be swept.
    std::span<const PlannedRow> rows;
    channel::Amount amount;
    /// How many of the rows each transaction claims, in the order of both; those behind claim none.
    std::vector<std::size_t> batches{};
};

/// One of the rows' channels is in another claim that is still on its way.
struct ClaimInTheWay : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct RecordedClaim {
    ClaimRecord record;
    std::vector<OutboxEntry> outbox;
    SettlementEvent event;
};

/// These take sequence numbers: call them within a `CommitOrder::Turn`, commit, and publish
/// the event before it ends. They wait for other writers of the database, other processes
/// included, so that no two claims take the same channel.

/// Writes down a claim, its transactions (of `sign_drafts`), its rows and its first event; its
/// channels are in quarantine no longer, but for those that were reverted on chain, which have yet
/// to do better. Throws ClaimInTheWay, and pqxx::unique_violation as
/// `enqueue` does.
RecordedClaim record_claim(pqxx::transaction_base& transaction, const NewClaim& claim,
                           std::vector<OutboxEntry> transactions, Time now);

/// Notes that the claim is sent once none of its transactions is still to be broadcast. Nullopt
/// when that changed nothing.
std::optional<SettlementEvent> claim_sent(pqxx::transaction_base& transaction,
                                          const std::string& claim_id, const Assets& assets,
                                          Time now);

/// Ends the claim once all of its transactions are confirmed or failed: confirmed if all are
/// confirmed, else failed with the first error. `swept` is what the receiver got by the
/// transaction that ended last, the one that sweeps. A channel whose transaction was reverted on
/// chain with no other row in it goes into quarantine; those that were claimed are in it no longer.
/// Nullopt when that changed nothing.
std::optional<SettlementEvent> claim_finished(pqxx::transaction_base& transaction,
                                              const std::string& claim_id, channel::Amount swept,
                                              const Assets& assets, Time now);

/// Notes that an ended claim is on its way again, because the chain took back the block that one of
/// its transactions ended in. Nullopt when it had not ended.
std::optional<SettlementEvent> claim_reopened(pqxx::transaction_base& transaction,
                                              const std::string& claim_id, const Assets& assets,
                                              Time now);

std::optional<ClaimRecord> read_claim(pqxx::transaction_base& transaction,
                                      const std::string& claim_id);

/// The receiver's claims, newest first, behind the claim `after` (empty: from the newest).
std::vector<ClaimRecord> list_claims(pqxx::transaction_base& transaction,
                                     const channel::Address& receiver, const std::string& after,
                                     std::size_t limit);

/// The channels that a claim was to claim.
std::vector<channel::ChannelId> claimed_channels(pqxx::transaction_base& transaction,
                                                 const std::string& claim_id);

}  // namespace millrace::ledger
