#pragma once

#include "channel/network.hpp"
#include "channel/state.hpp"
#include "ledger/request.hpp"
#include "ledger/time.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace millrace::ledger {

/// First half of Keccak-256 over what a request says: tells a repeat from a conflict.
using ContentHash = channel::FixedBytes<struct ContentHashTag, 16>;

/// A number within its batch, from 1; becomes a seq when the batch is committed.
using Ordinal = std::int64_t;

struct AccountKey {
    std::int32_t asset_id = 0;
    std::string_view kind;
    channel::Bytes owner;
    friend auto operator<=>(const AccountKey&, const AccountKey&) = default;
};

AccountKey escrow_account(std::int32_t asset_id);
AccountKey channel_account(const ChannelTerms& terms);
AccountKey earned_account(std::int32_t asset_id, const channel::Address& receiver);
AccountKey claimed_account(std::int32_t asset_id, const channel::Address& receiver);
AccountKey gas_account(std::int32_t asset_id);
AccountKey wallet_account(std::int32_t asset_id);

struct PaymentRow {
    Ordinal ordinal = 0;
    const ChannelTerms* terms = nullptr;
    PaymentKind kind = PaymentKind::pay;
    std::int32_t step = 0;
    ContentHash content;
    PaymentResult result;
    channel::Amount increment;
    std::optional<channel::Amount> voucher_max;
    /// Only if it was checked; else `covered_by` names the row whose checked voucher covers it.
    std::optional<channel::VoucherSignature> signature;
    std::optional<Ordinal> covered_by;
    std::string detail;
    /// Nothing: when the batch is.
    std::optional<Time> at{};
};

struct ChannelRow {
    const ChannelTerms* terms = nullptr;
    const channel::State* state = nullptr;
    Ordinal last = 0;
};

struct ReservationRow {
    const ChannelTerms* terms = nullptr;
    channel::InferenceId inference;
    /// Nothing: the reservation is gone.
    std::optional<channel::Reservation> reservation;
};

struct TransferRow {
    Ordinal ordinal = 0;
    std::int32_t leg = 0;
    AccountKey debit;
    AccountKey credit;
    channel::Amount amount;
    std::string_view cause;
    Ordinal first = 0;
    /// The committed transfer that this one undoes.
    struct Reversed {
        std::uint64_t seq = 0;
        std::int32_t leg = 0;
    };
    std::optional<Reversed> reverses{};
    /// Nothing: when the batch is.
    std::optional<Time> at{};
};

struct ChainEventRow {
    Ordinal ordinal = 0;
    channel::Network network;
    ChainLog log;
    std::string_view kind;
    std::optional<channel::ChannelId> channel;
    channel::Amount amount;
    /// How often the same log was posted before, and undone.
    std::int32_t inclusion = 0;
    /// Unix seconds; see the table.
    std::uint64_t requested_at = 0;
    channel::Amount withdraw_amount{};
};

/// What of a snapshot is needed to take it back.
struct OpeningRow {
    Ordinal ordinal = 0;
    channel::Network network;
    channel::ChannelId channel;
    BlockId block;
    channel::Amount balance;
    channel::Amount total_claimed;
};

struct ReversalRow {
    Ordinal ordinal = 0;
    std::uint64_t event_seq = 0;
};

struct EventRow {
    Ordinal ordinal = 0;
    std::string name;
    const ChannelTerms* terms = nullptr;
    std::string data;
};

/// All that one transaction writes. Pointers are to the shard's channels, or to the terms of an
/// `AcknowledgedBatch`, which outlive it.
struct Batch {
    Ordinal ordinals = 0;
    std::vector<PaymentRow> payments;
    std::vector<ChannelRow> channels;
    std::vector<ReservationRow> reservations;
    std::vector<TransferRow> transfers;
    std::vector<ChainEventRow> chain_events;
    std::vector<EventRow> events;
    std::vector<OpeningRow> openings;
    std::vector<ReversalRow> reversals;

    bool empty() const { return ordinals == 0; }
};

/// A transfer of nothing is not recorded.
void add_transfer(Batch& batch, TransferRow row);

}  // namespace millrace::ledger
