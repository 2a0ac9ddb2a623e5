#include "api/chain/reversals.hpp"

#include "api/chain/contract_state.hpp"
#include "channel/error.hpp"
#include "channel/hex.hpp"
#include "ledger/settlement/reopen.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <utility>

namespace millrace::api {

namespace chain = ledger::chain;
using chain::BlockTag;
using channel::Error;
using channel::Refusal;

namespace {

/// What is posted ahead of the cursor may be late for it by some blocks, but not by so many.
constexpr std::uint64_t kPostedLate = 256;

}  // namespace

Reversals::Reversals(ChainContext& context, ChainNetwork& network)
    : context_(context), network_(network) {}

Task<std::string> Reversals::check() {
    if (auto wrong = co_await check_cursor(); !wrong.empty()) co_return wrong;
    co_return co_await undo_orphans();
}

/// The block that the cursor stands on has to be there still.
Task<std::string> Reversals::check_cursor() {
    const auto cursor = *network_.cursor;
    const auto found = co_await network_.node.block(BlockTag::number(cursor.block_number));
    if (!found) co_return found.error().message;
    if (!*found) co_return "the node does not have block " + std::to_string(cursor.block_number);
    if ((*found)->hash == cursor.block_hash) {
        lost_ = false;
        co_return std::string();
    }
    const auto pass = co_await network_.cursor_gate.take_all();
    co_return co_await go_back_to_fork();
}

/// The newest known block that the chain has still. All below such a block are there too, so it is
/// found by halving; a result that is too low only has more looked at.
Task<std::string> Reversals::find_fork(std::optional<chain::Cursor>& fork) {
    const auto id = network_.config.network;
    const auto reading = [id](pqxx::transaction_base& transaction) {
        return chain::known_blocks(transaction, id);
    };
    const auto known = co_await context_.read(reading);
    std::size_t first = 0;
    for (auto end = known.size(); first < end;) {
        const auto middle = first + (end - first) / 2;
        const auto number = known[middle].block_number;
        const auto found = co_await network_.node.block(BlockTag::number(number));
        if (!found) co_return found.error().message;
        if (!*found) co_return "the node does not have block " + std::to_string(number);
        if ((*found)->hash == known[middle].block_hash)
            end = middle;
        else
            first = middle + 1;
    }
    if (first < known.size()) fork = known[first];
    co_return std::string();
}

Task<std::string> Reversals::go_back_to_fork() {
    const auto id = network_.config.network;
    std::optional<chain::Cursor> fork;
    if (auto wrong = co_await find_fork(fork); !wrong.empty()) co_return wrong;
    const auto from = *network_.cursor;
    // The node may have changed its mind once more meanwhile.
    if (fork && fork->block_number == from.block_number) co_return std::string();
    if (!fork) {
        if (!std::exchange(lost_, true))
            spdlog::error(
                "{}: the chain was reorganised below every block that is known here: "
                "nothing is posted until this is resolved",
                network_.node.name());
        co_return "the chain was reorganised below every block that is known";
    }
    const auto on_top = std::max<std::uint64_t>(network_.config.confirmations, 1) - 1;
    const chain::Reorganisation found{from, *fork, from.block_number - fork->block_number + on_top};
    const auto& assets = context_.assets;
    const ChainContext::Work work = [id, found, &assets](pqxx::transaction_base& transaction) {
        auto events =
            ledger::reopen_outbox(transaction, id, found.fork.block_number, assets, now());
        chain::go_back(transaction, id, found, now());
        return events;
    };
    co_await context_.commit_in_order(work);
    network_.cursor = *fork;
    clean_at_.reset();
    spdlog::error(
        "{}: ALARM: the chain was reorganised below its {} confirmations: block {} is no "
        "longer {}; going back {} blocks to {}, undoing what was posted above",
        network_.node.name(), network_.config.confirmations, from.block_number,
        channel::to_hex(from.block_hash), from.block_number - fork->block_number,
        fork->block_number);
    co_return std::string();
}

/// Not passed by the cursor are the events posted before their confirmations, and after a
/// reorganisation all that is not undone yet. What is of a block that the chain has still, stays.
Task<std::string> Reversals::undo_orphans() {
    const auto id = network_.config.network;
    const auto cursor = *network_.cursor;
    const auto above = cursor.block_number;
    const auto since = compare_from();
    const auto reading = [id, above, since](pqxx::transaction_base& transaction) {
        return ledger::standing_not_passed(transaction, id, above, since);
    };
    const auto standing = co_await context_.read(reading);
    const bool is_clean = std::none_of(
        standing.begin(), standing.end(),
        [above](const ledger::StandingEvent& event) { return event.block.number <= above; });
    clean_at_ = is_clean ? std::optional(cursor) : std::nullopt;
    if (standing.empty()) co_return std::string();

    const auto pass = co_await network_.cursor_gate.take_all();
    std::map<std::uint64_t, channel::BlockHash> hashes;
    for (const auto& event : standing) {
        const auto number = event.block.number;
        if (hashes.contains(number)) continue;
        const auto found = co_await network_.node.block(BlockTag::number(number));
        if (!found) co_return found.error().message;
        // A shorter branch, or a node that lags behind: soon to be known.
        if (!*found) co_return "the node does not have block " + std::to_string(number);
        hashes.emplace(number, (*found)->hash);
    }
    for (const auto& event : standing) {
        if (hashes.at(event.block.number) == event.block.hash) continue;
        if (auto wrong = co_await undo(event); !wrong.empty()) co_return wrong;
    }
    co_return std::string();
}

/// The first block that may have to be compared with what was posted of it.
std::uint64_t Reversals::compare_from() const {
    if (!clean_at_) return 0;
    if (*clean_at_ == *network_.cursor) return clean_at_->block_number + 1;
    const auto number = clean_at_->block_number;
    return number > kPostedLate ? number - kPostedLate : 0;
}

Task<std::string> Reversals::undo(const ledger::StandingEvent& event) {
    const auto request = co_await request_for(event);
    if (!request) co_return "the contract cannot be read at the fork";
    doubts_ = true;
    const auto answer = co_await context_.shards.call_one(*request);
    const auto* refusal = std::get_if<Refusal>(&answer.outcome);
    if (refusal && (refusal->error == Error::unavailable || refusal->error == Error::overloaded))
        co_return "the shards do not take it";
    if (refusal) {
        // Kept in the books and not served, or not to be undone: nothing else may wait for it.
        spdlog::error("{}: {} of entry {} cannot be undone: {}", network_.node.name(), event.kind,
                      event.seq, channel::sentence(refusal->error));
        co_return std::string();
    }
    spdlog::warn("{}: {} of entry {} is undone: block {} is no longer {}", network_.node.name(),
                 event.kind, event.seq, event.block.number, channel::to_hex(event.block.hash));
    co_return std::string();
}

Task<std::optional<ledger::Request>> Reversals::request_for(const ledger::StandingEvent& event) {
    std::optional<ledger::Request> request;
    if (!event.channel) {
        const auto asset_id = event.asset_id.value_or(network_.coin->id);
        request = ledger::UndoAssetEvent{{}, asset_id, event.seq};
        co_return request;
    }
    if (event.kind != ledger::kOpened) {
        request = ledger::UndoChannelEvent{{}, *event.channel, event.seq};
        co_return request;
    }
    const auto contract = co_await read_contract_state(network_, *event.channel);
    if (contract)
        request = ledger::ReplaceSnapshot{
            {}, *event.channel, event.seq, contract->state, contract->block};
    co_return request;
}

Task<void> Reversals::reconcile() {
    if (!doubts_) co_return;
    const auto id = network_.config.network;
    const auto reading = [id](pqxx::transaction_base& transaction) {
        return ledger::channels_in_doubt(transaction, id);
    };
    const auto in_doubt = co_await context_.read(reading);
    doubts_ = !in_doubt.empty();
    for (const auto& channel_id : in_doubt) {
        if (context_.stopping) co_return;
        const auto contract = co_await read_contract_state(network_, channel_id);
        if (!contract) co_return;
        const ledger::Request request = ledger::ReconcileChannel{{}, channel_id, contract->state};
        const auto answer = co_await context_.shards.call_one(request);
        const auto* changed = std::get_if<ledger::ChannelChanged>(&answer.outcome);
        if (!changed || changed->name.empty()) continue;
        spdlog::info("{}: channel {} agrees with the contract again", network_.node.name(),
                     channel::to_hex(channel_id));
    }
}

}  // namespace millrace::api
