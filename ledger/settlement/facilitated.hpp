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

    bool is_asked_by_receiver() const { return asked_as == receiver; }
};

/// Names what was asked in the outbox: the action, and a hash of all that decides. Deposits have
/// `chain::deposit_reference` instead, because they may come on the stream as well.
std::string facilitated_reference(FacilitatedAction action, const channel::Digest& asked);

/// In the transaction that writes the outbox row.
void record_facilitated(pqxx::transaction_base& transaction, std::int64_t outbox_id,
                        const Facilitated& facilitated, Time now);

/// Wei that what was sent for others since then may cost at most on the network of `what`, by gas
/// limit and highest fee. Never below the truth: a sum that does not fit is the highest amount.
struct FacilitatedCost {
    channel::Amount all;
    /// Of this, what nobody asked for that had shown itself as the receiver.
    channel::Amount of_strangers;
    /// What was asked for about the receiver of `what`: by itself if `what` is, by others if not.
    channel::Amount of_receiver;
};
FacilitatedCost facilitated_cost_since(pqxx::transaction_base& transaction, const Facilitated& what,
                                       Time since);

/// The reference of the newest settlement for the receiver that did not fail, if it was written
/// down, sent or seen through after `since`.
std::optional<std::string> newest_settlement(pqxx::transaction_base& transaction,
                                             channel::Network network,
                                             const channel::Address& receiver,
                                             const channel::Address& token, Time since);

/// What is charged of those channels that are in the books, whatever their state; no others.
std::map<channel::ChannelId, channel::Amount> charged_of(
    pqxx::transaction_base& transaction, std::span<const channel::ChannelId> channels);

/// The refund of the channel that was begun last, or, with a nonce, the last that was sent under
/// it.
std::optional<RefundKey> newest_refund(pqxx::transaction_base& transaction,
                                       const channel::ChannelId& channel,
                                       std::optional<std::uint64_t> nonce);

}  // namespace millrace::ledger
