#pragma once

#include "channel/amount.hpp"
#include "channel/config.hpp"
#include "channel/voucher_signature.hpp"
#include "ledger/audit/verify/export_line.hpp"
#include "ledger/proof/tree.hpp"

#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace millrace::ledger {

/// A channel as the first part of an export tells it: what never changes, and where it stands at
/// the end.
struct AuditedChannel {
    channel::ChannelId id;
    std::string network;
    channel::ChannelConfig config;
    std::string app;
    /// The first day of the month in which it was opened.
    std::string month;
    bool is_signed_by_key = true;
    /// Of the escrow's domain; nullopt where the contract is not known.
    std::optional<channel::Digest> separator;
    std::string status;
    channel::Amount balance, charged, owed, reserved, refunding, signed_max, total_claimed;
    channel::Bytes signature;
    std::uint64_t withdraw_requested_at = 0;
    std::uint64_t refund_nonce = 0;
    std::uint64_t refunds_begun = 0;
    bool is_in_doubt = false;
    std::uint64_t seq = 0;
};
using AuditedChannels = std::unordered_map<channel::ChannelId, AuditedChannel>;

/// "network token kind owner"
std::string account_key(std::string_view network, std::string_view token, std::string_view kind,
                        std::string_view owner);

struct AuditedPayment {
    const AuditedChannel* channel = nullptr;
    std::string inference;
    /// p pay, a authorize, c final charge, i partial charge, r release: as `content` proves.
    char kind = 0;
    std::uint64_t step = 0;
    channel::Amount amount, increment, charged, reserved, signed_max, balance;
    std::optional<channel::Amount> voucher_max;
    channel::Bytes signature;
    std::uint64_t covered_by = 0;
};

struct AuditedTransfer {
    std::uint64_t leg = 0;
    std::string debit, credit;
    std::string debit_kind, credit_kind;
    channel::Amount amount;
    std::string cause;
    std::uint64_t first_seq = 0;
    std::optional<std::pair<std::uint64_t, std::uint64_t>> reverses;
};

struct AuditedChainEvent {
    std::string network, kind, log;
    std::string transaction, block_hash;
    std::uint64_t block_number = 0;
    std::uint64_t log_index = 0;
    std::optional<channel::ChannelId> channel;
    channel::Amount amount;
};

struct AuditedOpening {
    channel::ChannelId channel;
    std::uint64_t block_number = 0;
    channel::Amount balance, total_claimed;
};

/// What an event of topic `channel` says of the channel after it.
struct AuditedEvent {
    const AuditedChannel* channel = nullptr;
    std::string name;
    std::string status;
    channel::Amount balance, charged, reserved, refunding, signed_max, total_claimed;
    channel::Bytes signature;
    std::uint64_t withdraw_requested_at = 0;
    std::uint64_t refund_nonce = 0;
};

/// The rows of one number, each checked by itself.
struct AuditedEntry {
    std::uint64_t seq = 0;
    /// As recomputed; nullopt when it is not sealed.
    std::optional<TreeHash> leaf;
    /// Of one that is not sealed: the earliest time that a row of it tells, in microseconds since
    /// 1970. Nullopt where none does.
    std::optional<std::int64_t> at;
    std::vector<AuditedPayment> payments;
    std::vector<AuditedTransfer> transfers;
    std::vector<AuditedChainEvent> chain_events;
    std::vector<AuditedOpening> openings;
    std::vector<std::uint64_t> reversals;
    std::vector<AuditedEvent> events;
};

/// Rules `leaf`, `content`, the signatures of `evidence`, and what an event has to say. Needs no
/// other entry, so that many can be examined at once. Throws Broken.
AuditedEntry examine_entry(const Fields& line, const AuditedChannels& channels);

/// Rule `channel_id`, and the channel's standing signature. Throws Broken.
AuditedChannel examine_channel(const Fields& line,
                               const std::map<std::string, channel::Address>& contracts);

}  // namespace millrace::ledger
