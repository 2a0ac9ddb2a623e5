#pragma once

#include "channel/amount.hpp"
#include "channel/bytes.hpp"
#include "channel/network.hpp"
#include "channel/result.hpp"
#include "ledger/snapshot.hpp"
#include "ledger/time.hpp"

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace millrace::ledger {

/// Names an account to the outside: `<chain id>:<token>:<kind>[:<owner>]`, such as
/// "31337:0x70…:channel:0x1f…" or "31337:0x70…:escrow". The token of the network's own coin is the
/// zero address. Safe in a URL as it is.
struct AccountId {
    channel::Network network;
    channel::Address token;
    /// escrow, channel, earned, held, claimed, gas or wallet (ledger.md, Accounts).
    std::string kind;
    /// A channel id, a receiver's address, or nothing.
    channel::Bytes owner;
    friend bool operator==(const AccountId&, const AccountId&) = default;
};
std::string to_string(const AccountId& id);
/// `invalid_params` for anything else; hex of any case.
channel::Result<AccountId> parse_account_id(std::string_view text);

/// The side on which an account stands.
enum class Side { debit, credit };
std::string_view to_string(Side side);

/// Where an account stands: the difference of its sides, and which is the greater; of nothing, the
/// side of its kind.
struct AccountStanding {
    channel::Amount balance;
    Side side = Side::debit;
};
AccountStanding standing(std::string_view kind, channel::Amount debits, channel::Amount credits);

struct Account {
    AccountId id;
    std::string symbol;
    int decimals = 0;
    /// All that was ever moved on either side.
    channel::Amount debits;
    channel::Amount credits;
    /// As `standing` says.
    channel::Amount balance;
    Side side = Side::debit;
};

/// Materialised accounts in the order of their keys, behind `after`.
std::vector<Account> list_accounts(Snapshot& snapshot, const std::optional<AccountId>& after,
                                   std::size_t limit);
/// As materialised. Nullopt when there is none.
std::optional<Account> read_account(Snapshot& snapshot, const AccountId& id);
/// Recomputed from the transfers up to and including `seq`.
std::optional<Account> read_account_at(Snapshot& snapshot, const AccountId& id, std::uint64_t seq);

/// A moment in the books.
using Moment = std::variant<std::uint64_t, Time>;
/// The seq at which the books stood then: that of the newest entry which is not later.
/// `invalid_params` for a seq that is not committed yet.
channel::Result<std::uint64_t> seq_at(Snapshot& snapshot, const Moment& moment);

}  // namespace millrace::ledger
