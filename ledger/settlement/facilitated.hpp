#pragma once

#include "channel/amount.hpp"
#include "channel/bytes.hpp"
#include "channel/network.hpp"
#include "ledger/settlement/outbox.hpp"
#include "ledger/settlement/refund_store.hpp"
#include "ledger/time.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <pqxx/pqxx>

namespace millrace::ledger {

// Transactions that this service sends because others ask it to, as an x402 facilitator.

enum class FacilitatedAction { deposit, claim, settle, refund };
std::string_view to_string(FacilitatedAction action);

/// What a transaction was asked for, beside what its outbox row says.
struct Facilitated {
    FacilitatedAction action = FacilitatedAction::deposit;
    channel::Network network;
    /// Whom it pays, or whose channel it is about, and in what.
    channel::Address receiver;
    channel::Address token;
    /// As whom the request was authenticated, if at all.
    std::optional<channel::Address> asked_as;
};

/// Names what was asked in the outbox: the action, and a hash of all that decides. Deposits have
/// `chain::deposit_reference` instead, because they may come on the stream as well.
std::string facilitated_reference(FacilitatedAction action, const channel::Digest& asked);

/// In the transaction that writes the outbox row.
void record_facilitated(pqxx::transaction_base& transaction, std::int64_t outbox_id,
                        const Facilitated& facilitated, Time now);

/// Wei that what was sent for others since then may cost at most on that network, by gas limit and
/// highest fee. Never below the truth: a sum that does not fit is the highest amount.
channel::Amount facilitated_cost_since(pqxx::transaction_base& transaction,
                                       channel::Network network, Time since);

/// The reference of the newest settlement for the receiver that did not fail and that nobody was
/// told the success of. With `since`, one that has its confirmations counts only when it was
/// written down after that.
std::optional<std::string> untold_settlement(pqxx::transaction_base& transaction,
                                             channel::Network network,
                                             const channel::Address& receiver,
                                             const channel::Address& token,
                                             std::optional<Time> since);
/// Notes that somebody was told of its success. Repeating it changes nothing.
void tell_settlement(pqxx::transaction_base& transaction, std::int64_t outbox_id, Time now);

/// What is charged of those channels that are in the books, whatever their state; no others.
std::map<channel::ChannelId, channel::Amount> charged_of(
    pqxx::transaction_base& transaction, std::span<const channel::ChannelId> channels);

/// The refund of the channel that was begun last, or, with a nonce, the last that was sent under
/// it.
std::optional<RefundKey> newest_refund(pqxx::transaction_base& transaction,
                                       const channel::ChannelId& channel,
                                       std::optional<std::uint64_t> nonce);

}  // namespace millrace::ledger
