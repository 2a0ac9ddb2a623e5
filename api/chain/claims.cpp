#include "api/chain/claims.hpp"

#include "channel/hex.hpp"
#include "ledger/chain/revert.hpp"

#include <openssl/rand.h>
#include <spdlog/spdlog.h>

#include <array>
#include <mutex>
#include <set>
#include <stdexcept>

namespace millrace::api {

namespace chain = ledger::chain;
using chain::BlockTag;
using channel::Error;
using channel::Refusal;
using ledger::PlannedRow;

namespace {

std::string random_claim_id() {
    std::array<std::uint8_t, 16> bytes{};
    if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1)
        throw std::runtime_error("no random bytes for a claim id");
    return channel::to_hex(channel::BytesView(bytes));
}

}  // namespace

ClaimSummary summary_of(const ledger::ClaimRecord& record) {
    return {record.claim_id,     std::string(ledger::to_string(record.status)),
            record.transactions, record.channels,
            record.amount,       record.error};
}

Claims::Claims(ChainContext& context, ChainNetwork& network, OutboxSender& sender)
    : context_(context),
      network_(network),
      sender_(sender),
      last_interval_(std::chrono::steady_clock::now()) {}

Task<void> Claims::start() {
    const auto work = [](pqxx::transaction_base& transaction) {
        return ledger::closing_channels(transaction);
    };
    const auto closing = co_await context_.read(work);
    for (const auto& one : closing)
        if (context_.assets.at(one.asset_id).network == network_.config.network)
            closing_.emplace(one.id, one);
}

void Claims::changed(const ledger::ChannelTerms& terms, const channel::State& state) {
    if (state.status == channel::Status::closing &&
        terms.config.receiver_authorizer == context_.authorizer.address())
        closing_.insert_or_assign(
            terms.id, ledger::ClosingChannel{terms.id, terms.asset_id, terms.config.receiver});
    else
        closing_.erase(terms.id);
}

Task<Claims::Outcome<ClaimSummary>> Claims::claim(const ledger::Asset& asset,
                                                  channel::Address receiver) {
    const auto turn = co_await network_.claims.take();
    const auto due = co_await read_due(asset, receiver);
    std::vector<PlannedRow> rows;
    for (const auto batch : ledger::batches(due.rows, network_.config.claim_rows_max))
        if (co_await keep_sound(batch, rows) == Checked::node_failed)
            co_return Refusal{Error::rpc_read_failed};

    chain::ReceiverTotals totals;
    // What an earlier claim is about to sweep is not counted again.
    if (!due.another_on_its_way) {
        const auto found = co_await network_.node.receiver_totals(receiver, asset.token);
        if (!found) co_return Refusal{Error::rpc_read_failed};
        totals = *found;
    }
    const auto amount = ledger::to_sweep(rows, totals);
    if (!amount) co_return Refusal{Error::rpc_read_failed};
    if (amount->is_zero()) co_return Refusal{Error::nothing_to_settle};

    auto drafts = co_await drafts_for(asset, receiver, rows);
    if (!drafts) co_return Refusal{Error::rpc_read_failed};
    const auto recorded = co_await record(asset, receiver, rows, *amount, std::move(*drafts));
    for (const auto& entry : recorded.outbox) co_await sender_.broadcast(entry);
    const auto claim_id = recorded.record.claim_id;
    const auto work = [claim_id](pqxx::transaction_base& transaction) {
        return ledger::read_claim(transaction, claim_id);
    };
    const auto record = co_await context_.read(work);
    co_return summary_of(record ? *record : recorded.record);
}

Task<Claims::Work> Claims::read_due(const ledger::Asset& asset, channel::Address receiver) {
    const auto authorizer = context_.authorizer.address();
    const auto work = [&asset, receiver, authorizer](pqxx::transaction_base& transaction) {
        const auto due = ledger::due_channels(transaction, asset, receiver, authorizer);
        return Work{ledger::plan_claim(due),
                    ledger::has_unfinished_claim(transaction, asset.id, receiver)};
    };
    co_return co_await context_.read(work);
}

/// One row that the contract refuses would take the whole batch down, so each batch is tried first,
/// and halved until the bad row stands alone (x402-batch-settlement, Contract behaviour).
Task<Claims::Checked> Claims::keep_sound(std::span<const PlannedRow> rows,
                                         std::vector<PlannedRow>& sound) {
    const auto tried = co_await network_.node.call(
        network_.config.contract,
        ledger::claim_calldata(network_.escrow_separator, rows, context_.authorizer),
        BlockTag::latest(), ledger::claim_gas_max(rows));
    if (tried) {
        sound.insert(sound.end(), rows.begin(), rows.end());
        co_return Checked::done;
    }
    if (!tried.error().reverted() && !tried.error().ran_out_of_gas()) {
        spdlog::warn("{}: a claim cannot be simulated: {}", network_.node.name(),
                     tried.error().message);
        co_return Checked::node_failed;
    }
    if (rows.size() == 1) {
        spdlog::error("{}: channel {} cannot be claimed and is left out: {}", network_.node.name(),
                      channel::to_hex(rows.front().id), chain::revert_reason(tried.error().data));
        co_return Checked::done;
    }
    const auto half = rows.size() / 2;
    const auto first = co_await keep_sound(rows.first(half), sound);
    if (first == Checked::node_failed) co_return first;
    co_return co_await keep_sound(rows.subspan(half), sound);
}

/// One transaction if the rows fit into one. Otherwise the last one sweeps, so that it is one
/// transfer to the receiver all the same.
Task<std::optional<std::vector<ledger::OutboxDraft>>> Claims::drafts_for(
    const ledger::Asset& asset, channel::Address receiver, const std::vector<PlannedRow>& rows) {
    std::vector<channel::Bytes> calls;
    for (const auto batch : ledger::batches(rows, network_.config.claim_rows_max))
        calls.push_back(
            ledger::claim_calldata(network_.escrow_separator, batch, context_.authorizer));
    const auto settle = chain::settle_call(receiver, asset.token);
    if (calls.empty()) {
        calls.push_back(settle);
    } else {
        std::vector<channel::Bytes> last_and_settle;
        last_and_settle.push_back(std::move(calls.back()));
        last_and_settle.push_back(settle);
        calls.back() = chain::multicall_call(std::move(last_and_settle));
    }
    std::vector<ledger::OutboxDraft> drafts;
    for (auto& call : calls) {
        const auto estimate = co_await network_.node.estimate_gas(call);
        if (!estimate) {
            spdlog::warn("{}: a claim cannot be estimated: {} {}", network_.node.name(),
                         estimate.error().message, chain::revert_reason(estimate.error().data));
            co_return std::nullopt;
        }
        ledger::OutboxDraft draft;
        draft.purpose = ledger::Purpose::claim;
        draft.to = network_.config.contract;
        draft.data = std::move(call);
        draft.gas_limit = chain::gas_limit_for(*estimate);
        draft.fees = sender_.fees();
        drafts.push_back(std::move(draft));
    }
    co_return drafts;
}

Task<ledger::RecordedClaim> Claims::record(const ledger::Asset& asset, channel::Address receiver,
                                           const std::vector<PlannedRow>& rows,
                                           channel::Amount amount,
                                           std::vector<ledger::OutboxDraft> drafts) {
    const auto claim_id = random_claim_id();
    for (auto& draft : drafts) draft.reference = claim_id;
    const ledger::NewClaim claim{claim_id, asset, receiver, rows, amount, std::move(drafts)};
    ledger::RecordedClaim recorded;
    auto* const context = &context_;
    const OutboxSender::Write work = [&claim, &recorded, context](pqxx::connection& connection,
                                                                  const ledger::Sender& sender) {
        const std::lock_guard lock(context->order.mutex);
        pqxx::work transaction(connection);
        recorded = ledger::record_claim(transaction, claim, sender, now());
        transaction.commit();
        context->publish(recorded.event);
        return recorded.outbox;
    };
    co_await sender_.write_down(work);
    spdlog::info("{}: claim {} of {} channels, {} {} for {}", network_.node.name(), claim_id,
                 rows.size(), channel::to_string(amount), asset.symbol, channel::to_hex(receiver));
    co_return recorded;
}

Task<void> Claims::automatic() {
    co_await claim_closing();
    const auto time = std::chrono::steady_clock::now();
    const auto interval = network_.config.claim_interval;
    const bool is_due = interval.count() != 0 && time - last_interval_ >= interval;
    if (is_due) last_interval_ = time;
    for (const auto& token : network_.config.tokens) {
        const auto* asset = network_.asset_of(context_, token.address);
        if (is_due)
            co_await claim_earned(*asset, {});
        else if (!token.claim_threshold.is_zero())
            co_await claim_earned(*asset, token.claim_threshold);
    }
}

Task<void> Claims::claim_earned(const ledger::Asset& asset, channel::Amount amount_min) {
    const auto work = [&asset, amount_min](pqxx::transaction_base& transaction) {
        return ledger::due_receivers(transaction, asset.id, amount_min);
    };
    const auto receivers = co_await context_.read(work);
    for (const auto& receiver : receivers) {
        if (context_.stopping) co_return;
        const auto due = co_await read_due(asset, receiver);
        if (!due.rows.empty()) co_await claim_and_log(asset, receiver);
    }
}

/// The window for these is the withdraw delay, whatever the interval.
Task<void> Claims::claim_closing() {
    std::set<std::pair<std::int32_t, channel::Address>> receivers;
    for (const auto& [id, one] : closing_) receivers.emplace(one.asset_id, one.receiver);
    for (const auto& [asset_id, receiver] : receivers) {
        if (context_.stopping) co_return;
        const auto& asset = context_.assets.at(asset_id);
        const auto due = co_await read_due(asset, receiver);
        const bool closing_is_due =
            std::any_of(due.rows.begin(), due.rows.end(),
                        [&](const PlannedRow& row) { return closing_.contains(row.id); });
        if (closing_is_due) co_await claim_and_log(asset, receiver);
    }
}

Task<void> Claims::claim_and_log(const ledger::Asset& asset, channel::Address receiver) {
    const auto outcome = co_await claim(asset, receiver);
    const auto* refused = std::get_if<Refusal>(&outcome);
    if (refused && refused->error != Error::nothing_to_settle)
        spdlog::warn("{}: an automatic claim for {} failed: {}", network_.node.name(),
                     channel::to_hex(receiver), channel::sentence(refused->error));
}

}  // namespace millrace::api
