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

/// What can go wrong between two deposits alone: all else is named by all that decides.
bool is_another(const OutboxEntry& entry, const ledger::OutboxDraft& draft) {
    return draft.purpose == ledger::Purpose::deposit && entry.is_for_another(draft.data);
}

constexpr unsigned kOfStrangers = 2;
constexpr unsigned kOfReceiver = 4;
/// No transaction needs less.
constexpr std::uint64_t kGasMin = 21'000;

bool is_within(channel::Amount spent, std::optional<channel::Amount> more, channel::Uint128 most) {
    if (!more) return false;
    const auto sum = channel::add(spent, *more);
    return sum && sum->units() <= most;
}

std::optional<Objection> too_dear(const ledger::FacilitatedCost& spent,
                                  const ledger::Facilitated& what, std::uint64_t gas,
                                  const chain::Fees& fees, channel::Amount all) {
    const auto cost = chain::cost(gas, fees.max_fee);
    const auto more = cost ? std::optional(*cost) : std::nullopt;
    const auto most = all.units();
    if (!is_within(spent.all, more, most) ||
        (!what.is_asked_by_receiver() && !is_within(spent.of_strangers, more, most / kOfStrangers)))
        return Objection{kRateLimited,
                         "What is sent for others has cost as much within an hour as it may; ask "
                         "again later."};
    if (!is_within(spent.of_receiver, more, most / kOfReceiver))
        return Objection{kRateLimited,
                         "What is sent for this receiver has cost as much within an hour as it "
                         "may; ask again later."};
    return std::nullopt;
}

std::string_view transaction_failed(ledger::FacilitatedAction action) {
    switch (action) {
        case ledger::FacilitatedAction::deposit:
            return channel::reason(Error::deposit_transaction_failed);
        case ledger::FacilitatedAction::claim:
            return kClaimTransactionFailed;
        case ledger::FacilitatedAction::settle:
            return kSettleTransactionFailed;
        case ledger::FacilitatedAction::refund:
            return kRefundTransactionFailed;
    }
    return {};
}

}  // namespace

Relay::Relay(ChainContext& context, ChainNetwork& network, OutboxSender& sender,
             SigningShare& share)
    : context_(context), network_(network), sender_(sender), share_(share) {}

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

Task<std::optional<Objection>> Relay::simulate_and_send(ledger::Facilitated what, Name name,
                                                        channel::Bytes data, std::uint64_t gas_max,
                                                        std::string_view simulation_reason) {
    auto draft = co_await simulate(std::move(name), std::move(data), gas_max, simulation_reason);
    if (auto* wrong = std::get_if<Objection>(&draft)) co_return std::move(*wrong);
    co_return co_await send(std::move(what), std::move(std::get<ledger::OutboxDraft>(draft)));
}

Task<std::optional<Objection>> Relay::object_to_cost(ledger::Facilitated what) {
    const auto since = now() - kCostWindow;
    const auto reading = [what, since](pqxx::transaction_base& transaction) {
        return ledger::facilitated_cost_since(transaction, what, since);
    };
    const auto spent = co_await context_.read(reading);
    auto wrong =
        too_dear(spent, what, kGasMin, sender_.fees(), context_.config.x402.cost_per_hour_max);
    if (wrong)
        spdlog::warn(
            "{}: not sent for x402: what is sent for others within an hour would cost "
            "more than x402.cost_per_hour_max or a part of it",
            network_.node.name());
    co_return wrong;
}

Task<std::optional<Objection>> Relay::send(ledger::Facilitated what, ledger::OutboxDraft draft) {
    if (auto wrong = share_.take(now())) co_return std::move(*wrong);
    const auto most = context_.config.x402.cost_per_hour_max;
    std::optional<Objection> refused;
    auto* const told = &refused;
    const OutboxSender::Write work = [what, draft, most, told](pqxx::connection& connection,
                                                               const ledger::Sender& sender) {
        // Signed before anything is written, so that nobody waits for the signer.
        std::vector<OutboxEntry> entries;
        {
            pqxx::work transaction(connection);
            // The same request may have come twice at once.
            auto before = ledger::find_outbox(transaction, draft.purpose, draft.reference);
            if (ledger::stands(before)) {
                if (is_another(*before, draft))
                    *told = Objection{channel::reason(Error::deposit_simulation_failed),
                                      "Another deposit with this nonce is on its way."};
                else
                    entries.push_back(std::move(*before));
                return entries;
            }
            const auto spent =
                ledger::facilitated_cost_since(transaction, what, now() - kCostWindow);
            *told = too_dear(spent, what, draft.gas_limit, draft.fees, most);
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
    try {
        entries = co_await sender_.write_down(work);
    } catch (const chain::SignerRefused& error) {
        refused = Objection{transaction_failed(what.action),
                            "It is not signed: " + std::string(error.what()) + "."};
    }
    if (refused) {
        spdlog::warn("{}: x402 {} of receiver {} is not sent: {}", network_.node.name(),
                     ledger::to_string(what.action), channel::to_hex(what.receiver),
                     refused->message);
        co_return refused;
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
    fate.receipt = co_await receipt_of(*entry);
    if (fate.receipt) fate.transaction = fate.receipt->transaction;
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

Task<std::optional<chain::Receipt>> Relay::receipt_of(OutboxEntry entry) {
    if (head_ != network_.head.hash) {
        head_ = network_.head.hash;
        receipts_.clear();
    }
    const auto as_of = head_;
    const auto [known, is_first] = receipts_.try_emplace(entry.hash);
    if (!is_first) co_return known->second;
    const auto asked = co_await sender_.receipt_of(entry);
    if (head_ == as_of) {
        if (asked)
            receipts_[entry.hash] = *asked;
        else
            receipts_.erase(entry.hash);
    }
    co_return asked ? *asked : std::nullopt;
}

Settlement Relay::unsent(Objection objection, const std::optional<OutboxEntry>& before) {
    Settlement settlement;
    const bool has_failed = before && before->status == OutboxStatus::failed;
    if (has_failed && objection.reason.ends_with(kSimulationFailed)) {
        objection.reason = kTransactionReverted;
        objection.message = "It was sent before and failed; now: " + objection.message;
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
            Objection{kSettlementPending,
                      "The transaction is on its way and will be seen through; ask again with the "
                      "same request to learn what became of it."};
    return settlement;
}

Settlement Relay::unread(const Fate& fate) {
    Settlement settlement;
    settlement.transaction = fate.transaction;
    settlement.objection = Objection{kSettlementPending,
                                     "It is done, but the channel's state cannot be read now; ask "
                                     "again with the same request."};
    return settlement;
}

}  // namespace millrace::api::x402
