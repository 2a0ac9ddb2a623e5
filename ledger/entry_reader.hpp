#pragma once

#include "ledger/account_reader.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace millrace::ledger {

/// One amount, moved from the credit account to the debit account's side.
struct Posting {
    std::int32_t leg = 0;
    AccountId debit;
    AccountId credit;
    channel::Amount amount;
    /// payment, deposit, claim, settle, withdrawal, refund, charged_after_the_fact, uncollectable,
    /// recharged, fee or reversal.
    std::string cause;
    /// For a reversal, "seq:leg" of what it undoes; else empty.
    std::string reverses;
};

/// The log of the chain that an entry posts.
struct ChainCause {
    channel::Network network;
    channel::TransactionHash transaction;
    std::uint32_t log_index = 0;
    std::uint64_t block_number = 0;
    channel::BlockHash block_hash;
    /// deposited, claimed, withdraw_initiated, withdraw_finalized, refunded, settled or fee.
    std::string kind;
};

/// A payment that an entry sums.
struct PaymentCause {
    std::uint64_t seq = 0;
    channel::ChannelId channel;
    std::string inference_id;
    channel::Amount increment;
};

/// A journal entry: all postings of one seq.
struct Entry {
    std::uint64_t seq = 0;
    /// For payments: the entry sums the charges of its channel from here up to `seq`.
    std::uint64_t first_seq = 0;
    /// RFC 3339, UTC.
    std::string at;
    std::vector<Posting> postings;
    std::optional<ChainCause> chain;
    /// Only with `read_entry`, at most `kPaymentCausesMax` of them, oldest first.
    std::vector<PaymentCause> payments;
};

inline constexpr std::size_t kPaymentCausesMax = 10'000;

/// Behind a seq, in the order of seq.
std::vector<Entry> list_entries(Snapshot& snapshot, std::uint64_t after_seq, std::size_t limit);
/// Nullopt when no entry has that seq: not every committed update moves money.
std::optional<Entry> read_entry(Snapshot& snapshot, std::uint64_t seq);

}  // namespace millrace::ledger
