#pragma once

#include "ledger/account_reader.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace millrace::ledger {

/// What is behind `from`, up to and including `to`: the statement that follows begins with what
/// this one ends with. `from` is at most `to`.
struct StatementPeriod {
    std::uint64_t from = 0;
    std::uint64_t to = 0;
};

/// Names a posting, in the order of the books; behind which a page begins.
struct PostingKey {
    std::uint64_t seq = 0;
    std::int32_t leg = 0;
    friend auto operator<=>(const PostingKey&, const PostingKey&) = default;
};

/// One posting, seen from the account of the statement.
struct StatementLeg {
    PostingKey key;
    /// For payments: the entry sums the charges of its channel from here up to its seq.
    std::uint64_t first_seq = 0;
    /// RFC 3339, UTC.
    std::string at;
    /// As in `Posting`.
    std::string cause;
    std::string reverses;
    /// The account on the other side.
    AccountId counter;
    /// The side of this account that `amount` is on.
    Side side = Side::debit;
    channel::Amount amount;
    /// Of the account after this leg, and its side; of nothing, the side of the account's kind.
    channel::Amount balance;
    Side balance_side = Side::debit;
};

struct Statement {
    /// The account as it stood at either end of the period.
    Account opening;
    Account closing;
    /// What was moved within the period, in all its legs.
    channel::Amount debits;
    channel::Amount credits;
    /// One page of them.
    std::vector<StatementLeg> legs;
};

/// Recomputed from the transfers: opening and closing do not come from the legs, nor from the
/// materialised balance. At most `limit` legs behind `after` (and behind the period's beginning).
/// `period.to` is at most `snapshot.seq()`; books never change behind it, so that pages of several
/// snapshots fit together. Nullopt when there is no such account. Adds up all that the account ever
/// moved, for each page anew.
std::optional<Statement> read_statement(Snapshot& snapshot, const AccountId& id,
                                        const StatementPeriod& period,
                                        const std::optional<PostingKey>& after, std::size_t limit);

}  // namespace millrace::ledger
