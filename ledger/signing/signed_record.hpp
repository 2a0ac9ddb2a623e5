#pragma once

#include "channel/amount.hpp"
#include "channel/bytes.hpp"
#include "channel/network.hpp"
#include "ledger/time.hpp"

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

namespace millrace::ledger::signing {

/// The highest total that was signed for a channel.
struct SignedTotal {
    channel::ChannelId channel;
    channel::Amount total;
};
/// The newest refund that was signed for a channel.
struct SignedRefund {
    channel::ChannelId channel;
    channel::Word nonce;
    channel::Amount amount;
};
/// Base units of a token that claims and refunds may have moved.
struct SignedValue {
    channel::Network network;
    channel::Address token;
    channel::Amount amount;
};
/// Wei that the transaction of a nonce may have cost; of several, the dearest.
struct SignedCost {
    channel::Network network;
    std::uint64_t nonce = 0;
    channel::Amount wei;
};

/// All that one signature, or the signing of before, adds to the record.
struct SignedEntry {
    Time at;
    std::vector<std::variant<SignedTotal, SignedRefund, SignedValue, SignedCost>> items;
};

/// One line of text without its end, beginning with the first eight bytes of the Keccak-256 of the
/// rest: what was cut off while it was written is not taken for a line. Nullopt for such.
std::string to_line(const SignedEntry& entry);
std::optional<SignedEntry> parse_line(std::string_view line);

/// What was signed before, as far as it bears on what may be signed now.
class SignedRecord {
public:
    static constexpr std::chrono::hours kWindow{1};

    void add(const SignedEntry& entry);

    /// Zero for a channel of which nothing was signed.
    channel::Amount total_of(const channel::ChannelId& channel) const;
    bool has_refund(const SignedRefund& refund) const;
    /// What was signed within the hour before `now`. Never below the truth: sums that do not fit
    /// are the highest amount.
    channel::Amount value_within_hour(channel::Network network, const channel::Address& token,
                                      Time now) const;
    /// The same, but for the transaction that `nonce` replaces.
    channel::Amount cost_within_hour(channel::Network network, std::uint64_t nonce, Time now) const;

    /// Entries that make up the same record, without what no longer counts at `now`.
    std::vector<SignedEntry> compacted(Time now) const;

private:
    struct Spent {
        Time at;
        channel::Amount amount;
    };
    using TokenKey = std::pair<channel::Network, channel::Address>;

    void add(Time at, const SignedTotal& total);
    void add(Time at, const SignedRefund& refund);
    void add(Time at, const SignedValue& value);
    void add(Time at, const SignedCost& cost);

    std::unordered_map<channel::ChannelId, channel::Amount> totals_;
    std::unordered_map<channel::ChannelId, SignedRefund> refunds_;
    std::map<TokenKey, std::deque<Spent>> values_;
    std::map<channel::Network, std::map<std::uint64_t, Spent>> costs_;
};

}  // namespace millrace::ledger::signing
