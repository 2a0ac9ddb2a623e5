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

/// The contract's state of a channel, at the block at which the service took it under care: what
/// was there is posted as the channel's first deposit.
struct OpeningCause {
    channel::Network network;
    channel::ChannelId channel;
    std::uint64_t block_number = 0;
    channel::BlockHash block_hash;
    channel::Amount balance;
    channel::Amount total_claimed;
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
    std::optional<OpeningCause> opening;
    /// Only with `read_entry`, oldest first.
    std::vector<PaymentCause> payments;
    /// The entry sums more payments, behind the last of these.
    bool more_payments = false;
};

inline constexpr std::size_t kPaymentCausesMax = 10'000;

/// Behind a seq, in the order of seq.
std::vector<Entry> list_entries(Snapshot& snapshot, std::uint64_t after_seq, std::size_t limit);
/// With `payments_max` payments at most. Nullopt when no entry has that seq: not every committed
/// update moves money.
std::optional<Entry> read_entry(Snapshot& snapshot, std::uint64_t seq,
                                std::size_t payments_max = kPaymentCausesMax);

}  // namespace millrace::ledger
