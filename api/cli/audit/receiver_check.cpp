#include "api/cli/audit/receiver_check.hpp"

#include "ledger/chain/escrow_calls.hpp"

#include <algorithm>
#include <map>

namespace millrace::api {
namespace {

namespace chain = ledger::chain;
namespace json = boost::json;
using channel::Amount;
using ledger::broken;

/// What of `block` has been noted so far, if it is the newest.
ReceiverBooks& at_block(ReceiverBooks& receiver, std::uint64_t block) {
    if (block > receiver.newest) {
        receiver.newest = block;
        receiver.claimed_in_newest = {};
    }
    return receiver;
}

using Receiver = std::map<ReceiverKey, ReceiverBooks>::value_type;

[[noreturn]] void broken_account(const NetworkBooks& books, const channel::Address& token,
                                 std::string_view kind, const std::string& owner,
                                 const std::string& what) {
    broken("chain", "account",
           ledger::account_key(books.network, channel::to_hex(token), kind, owner), what);
}

Amount owed(const chain::ReceiverTotals& totals) {
    const auto left = channel::subtract(totals.total_claimed, totals.total_settled);
    return left ? *left : Amount{};
}

/// What the contract owed as of the newest block that the books have something of. While they may
/// lack a settlement of this very block, it is what was owed before it and what was claimed in it.
bool was_owed(const NetworkBooks& books, const ReceiverBooks& receiver, Amount then,
              Amount before) {
    if (then >= receiver.owed) return true;
    const bool may_lack = books.reached == receiver.newest;
    return may_lack && sum(before, receiver.claimed_in_newest) >= receiver.owed;
}

}  // namespace

void note_receiver(const ledger::AuditedChainEvent& event, const chain::EscrowEvent& decoded,
                   const ledger::AuditedChannels& channels, NetworkBooks& books) {
    const auto block = event.block_number;
    // Requests to withdraw are posted early.
    if (event.kind != "withdraw_initiated") books.reached = std::max(books.reached, block);
    if (const auto* settled = std::get_if<chain::SettledOnChain>(&decoded)) {
        auto& receiver = at_block(books.receivers[{settled->receiver, settled->token}], block);
        receiver.settled = sum(receiver.settled, settled->amount);
    }
    const auto found =
        event.kind == "claimed" && event.channel ? channels.find(*event.channel) : channels.end();
    if (found == channels.end()) return;
    const auto& config = found->second.config;
    auto& receiver = at_block(books.receivers[{config.receiver, config.token}], block);
    if (block == receiver.newest)
        receiver.claimed_in_newest = sum(receiver.claimed_in_newest, event.amount);
}

void check_receivers(const NodeBatch& node, NetworkBooks& books, std::uint64_t block) {
    std::vector<const Receiver*> all;
    for (const auto& one : books.receivers) all.push_back(&one);
    std::vector<const Receiver*> settled_since;
    const auto ask = [&](const Receiver* one, std::uint64_t at) {
        return chain::call_request({}, books.contract,
                                   chain::receivers_call(one->first.receiver, one->first.token),
                                   chain::BlockTag::number(at));
    };
    const auto fail = [&](const Receiver& one, const std::string& what) {
        broken_account(books, one.first.token, "claimed", channel::to_hex(one.first.receiver),
                       what);
    };
    in_batches(
        node, all, [&](const auto* one) { return ask(one, block); },
        [&](const auto* one, const json::object& answer) {
            const auto totals = view(node, answer, chain::decode_receivers);
            const auto& receiver = one->second;
            if (totals.total_settled > totals.total_claimed)
                fail(*one, "the contract has settled more than was claimed");
            if (totals.total_claimed < receiver.claimed_of_channels)
                fail(*one, "the contract has claimed " + channel::to_string(totals.total_claimed) +
                               " in all, and " + channel::to_string(receiver.claimed_of_channels) +
                               " of the channels of the books");
            if (totals.total_settled < receiver.settled)
                fail(*one, "the contract has settled " + channel::to_string(totals.total_settled) +
                               ", and " + channel::to_string(receiver.settled) + " is posted");
            auto& owes = books.owes[one->first.token];
            owes = sum(owes, owed(totals));
            if (owed(totals) < receiver.owed && receiver.newest > 0) settled_since.push_back(one);
        });
    for (const auto* one : settled_since) {
        const auto& receiver = one->second;
        const auto answers = node.ask({ask(one, receiver.newest), ask(one, receiver.newest - 1)});
        const auto then = owed(view(node, answers[0], chain::decode_receivers));
        const auto before = owed(view(node, answers[1], chain::decode_receivers));
        if (!was_owed(books, receiver, then, before))
            fail(*one, "the contract owes " + channel::to_string(then) + ", and " +
                           channel::to_string(receiver.owed) + " is booked as claimed");
    }
}

void check_tokens(const NodeBatch& node, const NetworkBooks& books, std::uint64_t block) {
    for (const auto& [token, owes] : books.owes) {
        const auto answer = node.ask({chain::call_request(
            {}, token, chain::balance_of_call(books.contract), chain::BlockTag::number(block))});
        const auto balance = view(node, answer.front(), chain::decode_word);
        if (balance >= channel::to_word(owes)) continue;
        broken_account(books, token, "escrow", "",
                       "the contract owes " + channel::to_string(owes) +
                           " to the channels and receivers of the books, and holds less");
    }
}

void add_accounts(const ledger::Verification& verification, NetworkBooks& books) {
    for (const auto* audited : books.channels) {
        auto& claimed =
            books.receivers[{audited->config.receiver, audited->config.token}].claimed_of_channels;
        claimed = sum(claimed, audited->total_claimed);
    }
    for (const auto& account : verification.claimed_accounts())
        if (account.network == books.network)
            books.receivers[{account.receiver, account.token}].owed = account.balance;
}

}  // namespace millrace::api
