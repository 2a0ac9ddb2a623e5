#include "ledger/audit/verify/postings.hpp"

#include <algorithm>

namespace millrace::ledger {
namespace {

using channel::Amount;

constexpr std::string_view kCoin = "0x0000000000000000000000000000000000000000";
constexpr std::string_view kNobody = "0x";

std::string token_account(const AuditedChannel& audited, std::string_view kind) {
    return account_key(audited.network, channel::to_hex(audited.config.token), kind, kNobody);
}

/// A transfer that has to be there.
struct Expected {
    std::string cause, debit, credit;
    Amount amount;
    /// What it follows from, for people.
    std::string of;
};

const AuditedChannel& channel_of(const AuditedChainEvent& event, const AuditedChannels& channels) {
    const auto found = event.channel ? channels.find(*event.channel) : channels.end();
    if (found == channels.end())
        broken("channel", "chain_event", event.log, "its channel is not there");
    return found->second;
}

std::vector<Expected> expected_of(const AuditedChainEvent& event, const AuditedChannels& channels) {
    if (event.kind == "fee_paid")
        return {{"fee", account_key(event.network, kCoin, "gas", kNobody),
                 account_key(event.network, kCoin, "wallet", kNobody), event.amount, event.log}};
    if (event.kind == "settled" || event.kind == "withdraw_initiated") return {};
    const auto& audited = channel_of(event, channels);
    const auto escrow = token_account(audited, "escrow");
    const auto mine = channel_account(audited);
    if (event.kind == "deposited") return {{"deposit", escrow, mine, event.amount, event.log}};
    if (event.kind == "claimed")
        return {{"claim", receiver_account(audited, "earned"), receiver_account(audited, "claimed"),
                 event.amount, event.log}};
    if (event.kind == "refunded") return {{"refund", mine, escrow, event.amount, event.log}};
    if (event.kind == "withdraw_finalized")
        return {{"withdrawal", mine, escrow, event.amount, event.log}};
    broken("posting", "chain_event", event.log, "its kind " + event.kind + " is not known");
}

std::vector<Expected> expected_in(const AuditedEntry& entry, const AuditedChannels& channels) {
    std::vector<Expected> all;
    for (const auto& event : entry.chain_events)
        for (auto& one : expected_of(event, channels)) all.push_back(std::move(one));
    for (const auto& opening : entry.openings) {
        const auto key = channel::to_hex(opening.channel);
        const auto found = channels.find(opening.channel);
        if (found == channels.end())
            broken("channel", "channel_opening", key, "its channel is not there");
        const auto rest = channel::subtract(opening.balance, opening.total_claimed);
        if (!rest) broken("posting", "channel_opening", key, "more is claimed than deposited");
        all.push_back({"deposit", token_account(found->second, "escrow"),
                       channel_account(found->second), *rest, key});
    }
    std::erase_if(all, [](const Expected& one) { return one.amount.is_zero(); });
    return all;
}

/// The network and token in front of an account's key.
std::string_view asset_of(std::string_view account) {
    const auto first = account.find(' ');
    return account.substr(0, account.find(' ', first + 1));
}

/// What a sweep moved of what was claimed here: whose it was the event's row does not say.
bool is_settlement(const AuditedTransfer& transfer, const AuditedEntry& entry) {
    return transfer.debit_kind == "claimed" && transfer.credit_kind == "escrow" &&
           asset_of(transfer.debit) == asset_of(transfer.credit) &&
           std::any_of(entry.chain_events.begin(), entry.chain_events.end(),
                       [&](const AuditedChainEvent& event) {
                           return event.kind == "settled" && transfer.amount <= event.amount;
                       });
}

/// Between a channel of this number's events and what it has earned for its receiver.
bool is_adjustment(const AuditedTransfer& transfer, const AuditedEntry& entry) {
    const bool gives_back = transfer.cause == "uncollectable";
    const auto& mine = gives_back ? transfer.credit : transfer.debit;
    const auto& earned = gives_back ? transfer.debit : transfer.credit;
    return std::any_of(entry.events.begin(), entry.events.end(), [&](const AuditedEvent& event) {
        return mine == channel_account(*event.channel) &&
               earned == receiver_account(*event.channel, "earned");
    });
}

void take_away(std::vector<Expected>& expected, const AuditedTransfer& transfer) {
    const auto found = std::find_if(expected.begin(), expected.end(), [&](const Expected& one) {
        return one.cause == transfer.cause && one.debit == transfer.debit &&
               one.credit == transfer.credit && one.amount == transfer.amount;
    });
    if (found == expected.end())
        broken("posting", "transfer", "leg " + std::to_string(transfer.leg),
               "no event of this number stands for this " + transfer.cause);
    expected.erase(found);
}

}  // namespace

std::string channel_account(const AuditedChannel& audited) {
    return account_key(audited.network, channel::to_hex(audited.config.token), "channel",
                       channel::to_hex(audited.id));
}

std::string receiver_account(const AuditedChannel& audited, std::string_view kind) {
    return account_key(audited.network, channel::to_hex(audited.config.token), kind,
                       channel::to_hex(audited.config.receiver));
}

void check_postings(const AuditedEntry& entry, const AuditedChannels& channels) {
    auto expected = expected_in(entry, channels);
    int settlements = 0;
    for (const auto& transfer : entry.transfers) {
        const auto& cause = transfer.cause;
        if (cause == "payment" || cause == "reversal") continue;
        const auto wrong = [&](const std::string& what) {
            broken("posting", "transfer", "leg " + std::to_string(transfer.leg), what);
        };
        if (cause == "settle") {
            if (++settlements > 1 || !is_settlement(transfer, entry))
                wrong("no sweep of this number stands for it");
        } else if (cause == "recharged" || cause == "charged_after_the_fact" ||
                   cause == "uncollectable") {
            if (!is_adjustment(transfer, entry))
                wrong("a " + cause + " is between a channel of this number and its receiver");
        } else {
            take_away(expected, transfer);
        }
    }
    if (!expected.empty())
        broken("posting", "chain_event", expected.front().of,
               "its " + expected.front().cause + " was not posted");
}

}  // namespace millrace::ledger
