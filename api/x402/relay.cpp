#include "api/x402/relay.hpp"

#include "api/x402/reasons.hpp"
#include "channel/error.hpp"
#include "channel/hex.hpp"
#include "ledger/chain/fees.hpp"
#include "ledger/chain/revert.hpp"

#include <spdlog/spdlog.h>

#include <chrono>

namespace millrace::api::x402 {

namespace chain = ledger::chain;
using channel::Error;
using ledger::OutboxEntry;
using ledger::OutboxStatus;

namespace {

constexpr std::chrono::hours kCostWindow{1};
const std::string_view kRateLimited = channel::reason(Error::rate_limited);
/// How the reasons end that the contract's refusal of a simulation has.
constexpr std::string_view kSimulationFailed = "_simulation_failed";

/// The transfer of nothing that took the nonce of what was given up.
bool is_filler(const OutboxEntry& entry, const chain::Receipt& receipt) {
    return entry.is_filled() && receipt.logs.empty();
}

bool is_affordable(channel::Amount spent, const ledger::OutboxDraft& draft, channel::Amount most) {
    const auto cost = chain::cost(draft.gas_limit, draft.fees.max_fee);
    const auto sum = cost ? channel::add(spent, *cost) : cost;
    return sum && *sum <= most;
}

}  // namespace

Relay::Relay(ChainContext& context, ChainNetwork& network, OutboxSender& sender)
    : context_(context), network_(network), sender_(sender) {}

Task<std::optional<OutboxEntry>> Relay::find(Name name) {
    const auto work = [name = std::move(name)](pqxx::transaction_base& transaction) {
        return ledger::find_outbox(transaction, name.purpose, name.reference);
    };
    co_return co_await context_.read(work);
}

Task<std::variant<ledger::OutboxDraft, Objection>> Relay::simulate(
    Name name, channel::Bytes data, std::uint64_t gas_max, std::string_view simulation_reason) {
    const auto estimate = co_await network_.node.estimate_gas(data);
    if (!estimate && !estimate.error().reverted()) {
        spdlog::warn("{}: {} for x402 cannot be simulated: {}", network_.node.name(),
                     name.reference, estimate.error().message);
        co_return objection(Error::rpc_read_failed);
    }
    if (!estimate) {
        const auto why = chain::revert_reason(estimate.error().data);
        co_return Objection{simulation_reason, "The contract would refuse it; nothing was sent: " +
                                                   (why.empty() ? std::string("no reason") : why)};
    }
    if (*estimate > gas_max)
        co_return Objection{simulation_reason,
                            "It needs more gas than is relayed; nothing was sent. The limit is " +
                                std::to_string(gas_max) + "."};
    ledger::OutboxDraft draft;
    draft.purpose = name.purpose;
    draft.reference = std::move(name.reference);
    draft.to = network_.config.contract;
    draft.data = std::move(data);
    draft.gas_limit = chain::gas_limit_for(*estimate);
    draft.fees = sender_.fees();
    co_return draft;
}

Task<std::optional<Objection>> Relay::send(ledger::Facilitated what, ledger::OutboxDraft draft) {
    const auto most = context_.config.x402.cost_per_hour_max;
    bool too_dear = false;
    auto* const told = &too_dear;
    const OutboxSender::Write work = [what, draft, most, told](pqxx::connection& connection,
                                                               const ledger::Sender& sender) {
        // Signed before anything is written, so that nobody waits for the signer.
        std::vector<OutboxEntry> entries;
        {
            pqxx::work transaction(connection);
            // The same request may have come twice at once.
            auto before = ledger::find_outbox(transaction, draft.purpose, draft.reference);
            if (stands(before)) return std::vector<OutboxEntry>{std::move(*before)};
            const auto spent =
                ledger::facilitated_cost_since(transaction, sender.network, now() - kCostWindow);
            *told = !is_affordable(spent, draft, most);
            if (*told) return entries;
            entries = ledger::sign_drafts(transaction, sender, {draft});
        }
        pqxx::work transaction(connection);
        entries = ledger::enqueue(transaction, std::move(entries), now());
        ledger::record_facilitated(transaction, entries.front().id, what, now());
        transaction.commit();
        return entries;
    };
    std::vector<OutboxEntry> entries;
    std::string refusal;
    try {
        entries = co_await sender_.write_down(work);
    } catch (const chain::SignerRefused& error) {
        refusal = error.what();
    }
    if (!refusal.empty()) co_return Objection{kRateLimited, "It is not signed: " + refusal + "."};
    if (too_dear) {
        spdlog::warn(
            "{}: not sent for x402: what is sent for others within an hour would cost "
            "more than x402.cost_per_hour_max",
            network_.node.name());
        co_return Objection{kRateLimited,
                            "What is sent for others has cost as much within an hour as it may; "
                            "ask again later."};
    }
    spdlog::info("{}: x402 {} of receiver {}: transaction {}", network_.node.name(),
                 ledger::to_string(what.action), channel::to_hex(what.receiver),
                 channel::to_hex(entries.front().hash));
    co_await sender_.broadcast(std::move(entries.front()));
    co_return std::nullopt;
}

Task<Relay::Fate> Relay::await(Name name) {
    const auto deadline = std::chrono::steady_clock::now() + context_.config.x402.wait;
    for (;;) {
        auto fate = co_await look(name);
        const bool is_over = context_.stopping || std::chrono::steady_clock::now() >= deadline;
        if (fate.kind != Fate::Kind::unknown || is_over) co_return fate;
        co_await network_.looked.wait(deadline);
    }
}

/// What the outbox says has its confirmations; before that the nodes are asked.
Task<Relay::Fate> Relay::look(Name name) {
    auto entry = co_await find(std::move(name));
    if (!entry) throw std::logic_error("a transaction that was written down is not in the outbox");
    Fate fate{.kind = Fate::Kind::unknown,
              .outbox_id = entry->id,
              .transaction = entry->hash,
              .receipt = {},
              .error = {}};
    const auto receipt = co_await sender_.receipt_of(*entry);
    if (receipt && *receipt) {
        fate.transaction = (*receipt)->transaction;
        fate.receipt = *receipt;
    }
    const auto wanted = context_.config.x402.confirmations;
    const bool is_deep =
        fate.receipt && fate.receipt->block_number + wanted <= network_.head.number + 1;
    const bool is_superseded = !fate.receipt || is_filler(*entry, *fate.receipt);
    if (entry->status == OutboxStatus::failed ||
        (is_deep && (is_superseded || !fate.receipt->succeeded))) {
        fate.kind = Fate::Kind::failed;
        if (is_superseded)
            fate.error = "another transaction took its nonce";
        else
            fate.error = co_await sender_.why_reverted(*entry, fate.receipt->block_number);
    } else if (entry->status == OutboxStatus::confirmed || is_deep) {
        fate.kind = Fate::Kind::succeeded;
    }
    co_return fate;
}

bool Relay::stands(const std::optional<OutboxEntry>& entry) {
    return entry && entry->status != OutboxStatus::failed;
}

Settlement Relay::unsent(Objection objection, const std::optional<OutboxEntry>& before) {
    Settlement settlement;
    if (before && objection.reason.ends_with(kSimulationFailed)) {
        objection.reason = kTransactionReverted;
        objection.message = "It was sent before, and nothing was moved; now: " + objection.message;
        settlement.transaction = before->hash;
    }
    settlement.objection = std::move(objection);
    return settlement;
}

Settlement Relay::unsettled(const Fate& fate, std::string_view failed_reason) {
    Settlement settlement;
    settlement.transaction = fate.transaction;
    if (fate.kind == Fate::Kind::failed)
        settlement.objection = Objection{failed_reason, "Nothing was moved: " + fate.error + "."};
    else
        settlement.objection =
            Objection{kWaitForReceiptFailed,
                      "The transaction is on its way and will be seen through; ask again with the "
                      "same request to learn what became of it."};
    return settlement;
}

}  // namespace millrace::api::x402
