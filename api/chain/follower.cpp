#include "api/chain/follower.hpp"

#include "channel/hex.hpp"
#include "ledger/channel_store.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <stdexcept>

namespace millrace::api {

namespace chain = ledger::chain;
using chain::BlockTag;
using channel::Error;
using channel::Refusal;
using namespace std::chrono_literals;

namespace {

/// Blocks asked for at once; halved when the node refuses, because limits differ between nodes.
constexpr std::uint64_t kRangeMax = 2000;
/// So near the newest block each block is followed by its parent's hash, one at a time. Further
/// down, where chains do not change, it is enough that both ends of a range stay what they are.
constexpr std::uint64_t kLinkedBlocks = 128;
constexpr auto kRetryPause = 200ms;

std::uint64_t confirmed_head(const ChainNetwork& network) {
    const auto on_top = std::max<std::uint64_t>(network.config.confirmations, 1) - 1;
    return network.head.number > on_top ? network.head.number - on_top : 0;
}

/// The wave has to be carried out before this request may be.
bool has_to_wait(const std::vector<ledger::Request>& wave, const ledger::Request& request) {
    const auto* id = channel_of(request);
    if (!id) return !wave.empty();
    return std::any_of(wave.begin(), wave.end(), [&](const auto& earlier) {
        const auto* other = channel_of(earlier);
        return !other || *other == *id;
    });
}

const Refusal* refusal_of(const ledger::Answer& answer) {
    return std::get_if<Refusal>(&answer.outcome);
}

bool is_worth_repeating(const Refusal& refusal) {
    return refusal.error == Error::unavailable || refusal.error == Error::overloaded;
}

/// Of WithdrawInitiated, WithdrawFinalized or Refunded.
const channel::ChannelId& withdrawing_channel(const chain::EscrowEvent& event) {
    if (const auto* initiated = std::get_if<chain::WithdrawInitiated>(&event))
        return initiated->channel;
    if (const auto* refunded = std::get_if<chain::Refunded>(&event)) return refunded->channel;
    return std::get<chain::WithdrawFinalized>(event).channel;
}

ledger::ChainLog chain_log(const chain::Log& log) {
    return {log.transaction, log.log_index, log.block_number, log.block_hash};
}

}  // namespace

Follower::Follower(ChainContext& context, ChainNetwork& network)
    : context_(context), network_(network), reversals_(context, network) {}

Task<void> Follower::start() {
    const auto found = co_await network_.node.block(BlockTag::latest());
    if (!found || !*found)
        throw std::runtime_error(network_.node.name() + ": cannot read the newest block" +
                                 (found ? "" : ": " + found.error().message));
    network_.head = **found;
    const auto id = network_.config.network;
    const auto reading = [id](pqxx::transaction_base& transaction) {
        return chain::read_cursor(transaction, id);
    };
    auto cursor = co_await context_.read(reading);
    if (!cursor) {
        const auto first = co_await network_.node.block(BlockTag::number(confirmed_head(network_)));
        if (!first || !*first)
            throw std::runtime_error(network_.node.name() + ": cannot read the confirmed block");
        cursor = chain::Cursor{(*first)->number, (*first)->hash};
        const auto start = *cursor;
        const auto work = [id, start](pqxx::connection& connection) {
            pqxx::work transaction(connection);
            chain::advance_cursor(transaction, id, start);
            transaction.commit();
        };
        co_await context_.database.run_at_once(work);
    }
    network_.cursor = cursor;
    spdlog::info("{}: following from block {}", network_.node.name(), cursor->block_number);
}

Task<std::string> Follower::round() {
    const auto found = co_await network_.node.block(BlockTag::latest());
    if (!found) co_return found.error().message;
    if (!*found) co_return "the node has no newest block";
    network_.head = **found;
    if (auto wrong = co_await reversals_.check(); !wrong.empty()) co_return wrong;
    const auto wrong = co_await advance(confirmed_head(network_));
    // Also while the books cannot follow: a withdrawal does not wait for them.
    co_await post_withdrawals_early();
    if (wrong.empty()) co_await reversals_.reconcile();
    co_return wrong;
}

Task<std::string> Follower::advance(std::uint64_t target) {
    while (network_.cursor->block_number < target && !context_.stopping) {
        const auto pass = co_await network_.cursor_gate.take_all();
        const auto next = network_.cursor->block_number + 1;
        const auto unlinked_to =
            network_.head.number > kLinkedBlocks ? network_.head.number - kLinkedBlocks : 0;
        const auto to = std::max(next, std::min({next + range_ - 1, unlinked_to, target}));
        if (auto wrong = co_await post_range(to); !wrong.empty()) {
            range_ = std::max<std::uint64_t>(range_ / 2, 1);
            co_return wrong;
        }
        range_ = std::min(range_ * 2, kRangeMax);
    }
    co_return std::string();
}

Task<std::string> Follower::post_range(std::uint64_t to) {
    const auto last = co_await network_.node.block(BlockTag::number(to));
    if (!last) co_return last.error().message;
    if (!*last) co_return "the node does not have block " + std::to_string(to);
    const auto cursor = *network_.cursor;
    const bool linked = to == cursor.block_number + 1;
    if (linked && (*last)->parent != cursor.block_hash)
        co_return "block " + std::to_string(to) + " does not follow the one before";
    auto events = co_await events_of(network_.cursor->block_number + 1, to, {});
    if (!events) co_return events.error().message;
    for (const auto& event : *events)
        if (event.log.block_number == to && event.log.block_hash != (*last)->hash)
            co_return "block " + std::to_string(to) + " changed while it was read";
    if (!linked) {
        const auto first = co_await network_.node.block(BlockTag::number(cursor.block_number));
        if (!first) co_return first.error().message;
        if (!*first || (*first)->hash != cursor.block_hash)
            co_return "the chain changed while it was read";
    }
    const auto count = events->size();
    const auto posted = co_await post(std::move(*events));
    if (posted == Posted::stopped) co_return "the service stops";
    if (posted == Posted::conflict) co_return "the chain changed while it was posted";

    const chain::Cursor next{to, (*last)->hash};
    const auto id = network_.config.network;
    const auto work = [id, next](pqxx::connection& connection) {
        pqxx::work transaction(connection);
        chain::advance_cursor(transaction, id, next);
        transaction.commit();
    };
    co_await context_.database.run_at_once(work);
    network_.cursor = next;
    if (count != 0) spdlog::debug("{}: {} events up to block {}", network_.node.name(), count, to);
    co_return std::string();
}

Task<chain::RpcResult<std::vector<Follower::Event>>> Follower::events_of(
    std::uint64_t from, std::uint64_t to, std::vector<channel::Word> topics) {
    auto logs = co_await network_.node.logs(from, to, std::move(topics));
    if (!logs) co_return logs.error();
    std::vector<Event> events;
    for (auto& log : *logs) {
        if (log.address != network_.config.contract || log.block_number < from ||
            log.block_number > to) {
            co_return chain::RpcFailure{chain::RpcFailure::Kind::malformed,
                                        0,
                                        "the node gave logs that were not asked for",
                                        {}};
        }
        auto event = chain::decode(log);
        if (!event) {
            spdlog::error("{}: log {} of {} is not as the contract's ABI has it",
                          network_.node.name(), log.log_index, channel::to_hex(log.transaction));
            continue;
        }
        if (*event) events.push_back({std::move(log), std::move(**event)});
    }
    std::sort(events.begin(), events.end(), [](const Event& a, const Event& b) {
        return std::pair(a.log.block_number, a.log.log_index) <
               std::pair(b.log.block_number, b.log.log_index);
    });
    co_return events;
}

/// Posts in waves: within one, each channel occurs once, so that a repeat after a refusal keeps
/// the order of its events; what concerns no single channel stands alone.
Task<Follower::Posted> Follower::post(std::vector<Event> events) {
    std::vector<ledger::Request> wave;
    for (const auto& event : events) {
        auto request = co_await request_for(event);
        if (context_.stopping) co_return Posted::stopped;
        if (!request && std::holds_alternative<chain::WithdrawInitiated>(event.event))
            co_return Posted::conflict;
        if (!request) continue;
        if (has_to_wait(wave, *request)) {
            const auto posted = co_await post_wave(std::move(wave));
            if (posted != Posted::all) co_return posted;
            wave.clear();
        }
        const bool concerns_us = co_await concerns_our_books(*request);
        if (concerns_us) wave.push_back(std::move(*request));
    }
    co_return co_await post_wave(std::move(wave));
}

/// A receiver that has nothing claimed here was settled for channels of others.
Task<bool> Follower::concerns_our_books(const ledger::Request& request) {
    const auto* posted = std::get_if<ledger::PostAssetEvent>(&request);
    const auto* settled = posted ? std::get_if<ledger::Settled>(&posted->event) : nullptr;
    if (!settled) co_return true;
    const auto asset = posted->asset_id;
    const auto receiver = settled->receiver;
    const auto work = [asset, receiver](pqxx::connection& connection) {
        return ledger::claimed_balance(connection, asset, receiver);
    };
    const auto claimed = co_await context_.database.run_at_once(work);
    co_return !claimed.is_zero();
}

Task<Follower::Posted> Follower::post_wave(std::vector<ledger::Request> wave) {
    while (!wave.empty()) {
        const auto answers = co_await context_.shards.call(wave);
        std::vector<ledger::Request> again;
        bool conflict = false;
        for (std::size_t at = 0; at < wave.size(); ++at) {
            const auto* refusal = refusal_of(answers[at]);
            if (refusal && is_worth_repeating(*refusal))
                again.push_back(std::move(wave[at]));
            else if (refusal && refusal->error == Error::idempotency_conflict)
                conflict = true;
            else
                look_at(wave[at], answers[at]);
        }
        wave = std::move(again);
        // What it is in the way of is undone first; what was posted is not posted again.
        if (conflict) co_return Posted::conflict;
        if (wave.empty()) break;
        if (context_.stopping) co_return Posted::stopped;
        co_await context_.pause(kRetryPause);
    }
    co_return Posted::all;
}

void Follower::look_at(const ledger::Request& request, const ledger::Answer& answer) {
    const auto* id = channel_of(request);
    const auto* refusal = refusal_of(answer);
    // The contract is used by others as well.
    if (refusal && refusal->error == Error::channel_unknown) return;
    if (refusal) {
        spdlog::error("{}: an event of channel {} cannot be posted: {}", network_.node.name(),
                      id ? channel::to_hex(*id) : "-", channel::sentence(refusal->error));
        return;
    }
    const auto* changed = std::get_if<ledger::ChannelChanged>(&answer.outcome);
    if (!changed || !answer.terms) return;
    if (!changed->name.empty())
        spdlog::info("{}: channel {} {}", network_.node.name(), channel::to_hex(answer.terms->id),
                     changed->name);
}

/// Nothing also for a withdrawal request whose block cannot be read, or is another now.
Task<std::optional<ledger::Request>> Follower::request_for(const Event& event) {
    std::uint64_t requested_at = 0;
    // The event names only the end of the withdraw delay; the delay began with its block.
    if (std::holds_alternative<chain::WithdrawInitiated>(event.event)) {
        const auto block = co_await network_.node.block(BlockTag::number(event.log.block_number));
        if (!block || !*block || (*block)->hash != event.log.block_hash) co_return std::nullopt;
        requested_at = (*block)->timestamp;
    }
    co_return request_from(event, requested_at);
}

/// Nothing for events that are told by others, or that are of tokens not taken here.
std::optional<ledger::Request> Follower::request_from(const Event& event,
                                                      std::uint64_t requested_at) const {
    const auto log = chain_log(event.log);
    const auto of_channel = [&](const channel::ChannelId& id, ledger::ChannelChainEvent what) {
        return std::optional<ledger::Request>(ledger::PostChannelEvent{{}, id, log, what});
    };
    if (const auto* deposited = std::get_if<chain::Deposited>(&event.event))
        return of_channel(deposited->channel, channel::DepositConfirmed{deposited->amount});
    if (const auto* claimed = std::get_if<chain::Claimed>(&event.event))
        return of_channel(claimed->channel, channel::ClaimConfirmed{claimed->new_total_claimed});
    if (const auto* refunded = std::get_if<chain::Refunded>(&event.event))
        return of_channel(refunded->channel, channel::RefundConfirmed{refunded->amount});
    if (const auto* finalized = std::get_if<chain::WithdrawFinalized>(&event.event))
        return of_channel(finalized->channel, channel::WithdrawalFinalized{finalized->amount});
    if (const auto* initiated = std::get_if<chain::WithdrawInitiated>(&event.event))
        return of_channel(initiated->channel,
                          channel::WithdrawalRequested{requested_at, initiated->amount});
    const auto* settled = std::get_if<chain::SettledOnChain>(&event.event);
    const auto* asset = settled ? network_.asset_of(context_, settled->token) : nullptr;
    if (!asset) return std::nullopt;
    return ledger::PostAssetEvent{
        {}, asset->id, log, ledger::Settled{settled->receiver, settled->amount}};
}

/// A withdrawal not yet at its confirmations closes its channel all the same. Not so when another
/// event still to be posted comes before it: posted now, it would be undone by that.
Task<void> Follower::post_withdrawals_early() {
    const auto& topics = chain::topics();
    if (network_.head.number <= network_.cursor->block_number) co_return;
    const std::vector<channel::Word> wanted{topics.withdraw_initiated, topics.withdraw_finalized,
                                            topics.refunded};
    auto events =
        co_await events_of(network_.cursor->block_number + 1, network_.head.number, wanted);
    if (!events) {
        spdlog::warn("{}: {}", network_.node.name(), events.error().message);
        co_return;
    }
    decltype(early_) still_early;
    std::set<channel::ChannelId> touched;
    for (auto& event : *events) {
        const auto key =
            std::tuple(event.log.transaction, event.log.log_index, event.log.block_hash);
        const auto* initiated = std::get_if<chain::WithdrawInitiated>(&event.event);
        const bool first = touched.insert(withdrawing_channel(event.event)).second;
        if (!initiated || !first) continue;
        if (early_.contains(key)) {
            still_early.insert(key);
            continue;
        }
        auto request = co_await request_for(event);
        if (!request || context_.stopping) continue;
        const auto answer = co_await context_.shards.call_one(*request);
        if (refusal_of(answer)) continue;
        look_at(*request, answer);
        still_early.insert(key);
    }
    early_ = std::move(still_early);
}

}  // namespace millrace::api
