#pragma once

#include "ledger/audit/reconciliation.hpp"
#include "ledger/snapshot.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include <pqxx/pqxx>

namespace millrace::ledger {

/// The books' side of a reconciliation, all of one snapshot that stands until this goes: whoever
/// asks the chain in between finds the books as they were. On a connection of its own. Used by one
/// thread at a time; everything throws pqxx::failure. Pages keep memory bounded.
class ReconciliationReader {
public:
    /// Connects as `like` is connected.
    explicit ReconciliationReader(const pqxx::connection& like);

    std::uint64_t seq() const { return snapshot_.seq(); }
    /// Every network of the books, with what belongs to no single channel.
    std::vector<NetworkBooks> networks();
    /// The network's channels behind `after`, in the order of their ids.
    std::vector<ChannelBooks> channels(const NetworkBooks& network,
                                       const std::optional<channel::ChannelId>& after,
                                       std::size_t limit);
    /// Standing events of these blocks, in the order of posting.
    std::vector<PostedLog> posted(channel::Network network, std::uint64_t from, std::uint64_t to);
    /// Of these channels, those that are in the books, with the block of their snapshots.
    std::map<channel::ChannelId, std::uint64_t> openings(const std::set<channel::ChannelId>& ids);
    /// Adds accounts that are not what their transfers add up to, and transfers between accounts
    /// that nothing moves between.
    void check_accounts(Breaks& breaks);
    /// Adds payments whose voucher is not signed by the payer, of those behind `after`; the seq of
    /// the last that was looked at, or nothing when there are no more. Vouchers that a contract
    /// judges, and those of networks that `separators` does not have, are not looked at.
    std::optional<std::uint64_t> check_vouchers(
        const std::map<channel::Network, channel::Digest>& separators, std::uint64_t after,
        std::size_t limit, Breaks& breaks);

private:
    void read_ahead(NetworkBooks& network);
    void read_claimed(NetworkBooks& network);
    void take_back(NetworkBooks& network);
    void check_balances(Breaks& breaks);
    void check_directions(Breaks& breaks);

    pqxx::connection connection_;
    Snapshot snapshot_;
};

}  // namespace millrace::ledger
