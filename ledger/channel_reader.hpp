#pragma once

#include "ledger/request.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <pqxx/pqxx>

namespace millrace::ledger {

struct OpenReservation {
    channel::InferenceId inference;
    channel::Reservation reservation;
};

/// A channel as last committed, with the seq of that.
struct ChannelRecord {
    ChannelTerms terms;
    channel::State state;
    std::uint64_t seq = 0;
    /// The oldest first. Those of `state` are the same; of a channel in a list neither are read.
    std::vector<OpenReservation> reservations{};
};

/// With its reservations. Nullopt when there is none of that id.
std::optional<ChannelRecord> read_channel(pqxx::connection& connection,
                                          const channel::ChannelId& id);

struct ChannelQuery {
    /// A party: channels on whose payer's or provider's side it is. Nullopt: all there are.
    std::optional<channel::Address> address;
    /// Continues behind this id.
    std::optional<channel::ChannelId> after;
    std::size_t limit = 100;
};

/// In the order of their ids, without reservations: their sum is in `state.reserved`.
std::vector<ChannelRecord> list_channels(pqxx::connection& connection, const ChannelQuery& query);

/// A payment as it was acknowledged, with its evidence: a voucher of its own, or the seq of the
/// payment whose checked voucher covers it.
struct PaymentRecord {
    PaymentKind kind = PaymentKind::pay;
    PaymentResult result;
    /// What it added to the channel's charged total.
    channel::Amount increment;
    std::optional<channel::Amount> voucher_max;
    std::optional<channel::VoucherSignature> signature;
    std::optional<std::uint64_t> covered_by;
    std::string detail;
    /// RFC 3339, UTC.
    std::string at;
};

/// The payments of a channel behind a seq, oldest first.
std::vector<PaymentRecord> read_payments(pqxx::connection& connection, const channel::ChannelId& id,
                                         std::uint64_t after_seq, std::size_t limit);

}  // namespace millrace::ledger
