#pragma once

#include "channel/bytes.hpp"
#include "channel/network.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::ledger {

/// What can be wrong between the books, the payers' vouchers and the chain. The names are those on
/// the wire.
enum class BreakKind {
    /// A log of the contract for a channel of ours was never posted.
    missing_event,
    /// An event is posted of a block of the chain that has no such log.
    unknown_event,
    /// An event is posted, or its transfer was made, with another amount than its log has.
    amount_mismatch,
    /// An event is posted of a block that is not on the chain, and is not undone.
    orphaned_block,
    /// The same log is posted twice and stands twice, or the snapshot that its channel was opened
    /// with has it already.
    double_credit,
    /// More is claimed on chain than was charged.
    claim_above_charges,
    /// Balance, claimed total, pending withdrawal or refund nonce of a channel are not what the
    /// contract has, and no break of an event accounts for it.
    balance_mismatch,
    claimed_mismatch,
    withdrawal_mismatch,
    refund_nonce_mismatch,
    /// More is charged than the payer has signed for, and it was not claimed either.
    charge_above_voucher,
    /// The highest voucher of a channel is not signed by its payer.
    bad_signature,
    /// The account of a channel is not its balance less its charges, although it is what its
    /// transfers add up to.
    journal_mismatch,
    /// The payments of a channel add up to something else than what was transferred for them.
    payments_mismatch,
    /// An account is not what its transfers add up to.
    account_mismatch,
    /// A transfer moves between two accounts that nothing moves between, such as from what one
    /// receiver has earned to another.
    misdirected_transfer,
    /// More is booked as claimed and not yet settled than the contract owes the receiver.
    settled_mismatch,
    /// The contract holds less of a token than the books say it keeps for their channels.
    escrow_short,
};
std::string_view to_string(BreakKind kind);
/// Every kind there is, in the order above.
inline constexpr std::size_t kBreakKinds = 18;
std::array<BreakKind, kBreakKinds> break_kinds();

/// One break. `ledger` and `chain` are what the two sides say, in base units where they are
/// amounts; empty where a side has nothing to say.
struct Break {
    BreakKind kind = BreakKind::missing_event;
    channel::Network network;
    std::optional<channel::Address> token{};
    std::optional<channel::ChannelId> channel{};
    /// As `AccountId` writes it; empty when it is about no single account.
    std::string account{};
    /// Of the entry; 0: about none.
    std::uint64_t seq = 0;
    std::optional<channel::TransactionHash> transaction{};
    std::uint32_t log_index = 0;
    std::string ledger{};
    std::string chain{};
    /// For people, a sentence.
    std::string explanation{};
};

/// Keeps the first of them, and counts all.
class Breaks {
public:
    static constexpr std::size_t kListedMax = 1000;

    void add(Break one);
    /// Of a kind that somebody else has counted, `more` beyond those that were added.
    void count(BreakKind kind, std::uint64_t more);

    const std::vector<Break>& listed() const { return listed_; }
    const std::map<BreakKind, std::uint64_t>& counts() const { return counts_; }
    std::uint64_t total() const;
    bool has(BreakKind kind) const { return counts_.contains(kind); }

private:
    std::vector<Break> listed_;
    std::map<BreakKind, std::uint64_t> counts_;
};

}  // namespace millrace::ledger
