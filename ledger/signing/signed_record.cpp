#include "ledger/signing/signed_record.hpp"

#include "channel/hex.hpp"
#include "channel/keccak.hpp"
#include "channel/uint256.hpp"

#include <algorithm>
#include <charconv>

namespace millrace::ledger::signing {
namespace {

using channel::Amount;
using Item = decltype(SignedEntry::items)::value_type;

constexpr std::size_t kCheckBytes = 8;

bool counts(Time at, Time now) {
    return now - at < SignedRecord::kWindow;
}

Amount plus(Amount a, Amount b) {
    const auto sum = channel::add(a, b);
    return sum ? *sum : Amount::max();
}

struct ItemText {
    std::string operator()(const SignedTotal& item) const {
        return " total:" + channel::to_hex(item.channel) + ":" + channel::to_string(item.total);
    }
    std::string operator()(const SignedRefund& item) const {
        return " refund:" + channel::to_hex(item.channel) + ":" + channel::to_decimal(item.nonce) +
               ":" + channel::to_string(item.amount);
    }
    std::string operator()(const SignedValue& item) const {
        return " value:" + std::to_string(item.network.chain_id) + ":" +
               channel::to_hex(item.token) + ":" + channel::to_string(item.amount);
    }
    std::string operator()(const SignedCost& item) const {
        return " cost:" + std::to_string(item.network.chain_id) + ":" + std::to_string(item.nonce) +
               ":" + channel::to_string(item.wei);
    }
};

std::string check_of(std::string_view text) {
    const auto hash = channel::keccak256(text);
    return channel::to_hex(hash.view().first(kCheckBytes));
}

std::vector<std::string_view> split(std::string_view text, char by) {
    std::vector<std::string_view> parts;
    for (;;) {
        const auto at = text.find(by);
        parts.push_back(text.substr(0, at));
        if (at == std::string_view::npos) return parts;
        text.remove_prefix(at + 1);
    }
}

std::optional<std::uint64_t> number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::optional<Item> parse_item(std::string_view text) {
    const auto parts = split(text, ':');
    if (parts.size() < 3) return std::nullopt;
    const auto last = channel::parse_amount(parts.back());
    if (!last) return std::nullopt;
    if (parts[0] == "total" && parts.size() == 3) {
        const auto id = channel::parse_fixed<channel::ChannelId>(parts[1]);
        if (id) return SignedTotal{*id, *last};
    }
    if (parts[0] == "refund" && parts.size() == 4) {
        const auto id = channel::parse_fixed<channel::ChannelId>(parts[1]);
        const auto nonce = channel::parse_uint256(parts[2]);
        if (id && nonce) return SignedRefund{*id, *nonce, *last};
    }
    if (parts[0] == "value" && parts.size() == 4) {
        const auto chain_id = number(parts[1]);
        const auto token = channel::parse_fixed<channel::Address>(parts[2]);
        if (chain_id && token) return SignedValue{{*chain_id}, *token, *last};
    }
    if (parts[0] == "cost" && parts.size() == 4) {
        const auto chain_id = number(parts[1]);
        const auto nonce = number(parts[2]);
        if (chain_id && nonce) return SignedCost{{*chain_id}, *nonce, *last};
    }
    return std::nullopt;
}

}  // namespace

std::string to_line(const SignedEntry& entry) {
    auto text = std::to_string(entry.at.time_since_epoch().count());
    for (const auto& item : entry.items) text += std::visit(ItemText{}, item);
    return check_of(text) + " " + text;
}

std::optional<SignedEntry> parse_line(std::string_view line) {
    const auto space = line.find(' ');
    if (space == std::string_view::npos) return std::nullopt;
    const auto text = line.substr(space + 1);
    if (line.substr(0, space) != check_of(text)) return std::nullopt;
    const auto words = split(text, ' ');
    const auto at = number(words.front());
    if (!at) return std::nullopt;
    SignedEntry entry{Time{std::chrono::microseconds{static_cast<std::int64_t>(*at)}}, {}};
    for (std::size_t n = 1; n < words.size(); ++n) {
        auto item = parse_item(words[n]);
        if (!item) return std::nullopt;
        entry.items.push_back(*item);
    }
    return entry;
}

void SignedRecord::add(const SignedEntry& entry) {
    for (const auto& item : entry.items)
        std::visit([&](const auto& one) { add(entry.at, one); }, item);
}

void SignedRecord::add(Time, const SignedTotal& total) {
    auto& known = totals_[total.channel];
    known = std::max(known, total.total);
}

void SignedRecord::add(Time, const SignedRefund& refund) {
    refunds_.insert_or_assign(refund.channel, refund);
}

void SignedRecord::add(Time at, const SignedValue& value) {
    auto& spent = values_[{value.network, value.token}];
    while (!spent.empty() && !counts(spent.front().at, at)) spent.pop_front();
    spent.push_back({at, value.amount});
}

void SignedRecord::add(Time at, const SignedCost& cost) {
    auto& spent = costs_[cost.network];
    std::erase_if(spent, [&](const auto& one) { return !counts(one.second.at, at); });
    auto& known = spent[cost.nonce];
    known = {at, std::max(known.amount, cost.wei)};
}

Amount SignedRecord::total_of(const channel::ChannelId& channel) const {
    const auto found = totals_.find(channel);
    return found == totals_.end() ? Amount{} : found->second;
}

bool SignedRecord::has_refund(const SignedRefund& refund) const {
    const auto found = refunds_.find(refund.channel);
    return found != refunds_.end() && found->second.nonce == refund.nonce &&
           found->second.amount == refund.amount;
}

Amount SignedRecord::value_within_hour(channel::Network network, const channel::Address& token,
                                       Time now) const {
    Amount sum;
    const auto found = values_.find({network, token});
    if (found == values_.end()) return sum;
    for (const auto& spent : found->second)
        if (counts(spent.at, now)) sum = plus(sum, spent.amount);
    return sum;
}

Amount SignedRecord::cost_within_hour(channel::Network network, std::uint64_t nonce,
                                      Time now) const {
    Amount sum;
    const auto found = costs_.find(network);
    if (found == costs_.end()) return sum;
    for (const auto& [other, spent] : found->second)
        if (other != nonce && counts(spent.at, now)) sum = plus(sum, spent.amount);
    return sum;
}

std::vector<SignedEntry> SignedRecord::compacted(Time now) const {
    std::vector<SignedEntry> entries;
    for (const auto& [id, total] : totals_) entries.push_back({now, {SignedTotal{id, total}}});
    for (const auto& [id, refund] : refunds_) entries.push_back({now, {refund}});
    for (const auto& [key, spent] : values_)
        for (const auto& one : spent)
            if (counts(one.at, now))
                entries.push_back({one.at, {SignedValue{key.first, key.second, one.amount}}});
    for (const auto& [network, spent] : costs_)
        for (const auto& [nonce, one] : spent)
            if (counts(one.at, now))
                entries.push_back({one.at, {SignedCost{network, nonce, one.amount}}});
    return entries;
}

}  // namespace millrace::ledger::signing
