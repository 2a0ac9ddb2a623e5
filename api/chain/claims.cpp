#include "api/chain/claims.hpp"

#include "channel/hex.hpp"
#include "ledger/chain/anchor.hpp"
#include "ledger/chain/revert.hpp"
#include "ledger/proof/log_store.hpp"
#include "ledger/settlement/quarantine.hpp"

#include <openssl/rand.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <stdexcept>

namespace millrace::api {

namespace chain = ledger::chain;
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
      checks_(context, network),
      last_interval_(std::chrono::steady_clock::now()),
      last_followed_(last_interval_) {}

Task<Claims::Outcome<ClaimSummary>> Claims::claim(const ledger::Asset& asset,
                                                  channel::Address receiver) {
    return claim_on(ledger::Occasion::asked, asset, receiver);
}

Task<Claims::Outcome<ClaimSummary>> Claims::claim_on(ledger::Occasion occasion,
                                                     const ledger::Asset& asset,
                                                     channel::Address receiver) {
    const auto turn = co_await network_.claims.take();
    auto due = co_await read_due(occasion, asset, receiver);
    // What a refund has claimed is swept by interval, although nothing else is due.
    const bool only_to_sweep = occasion == ledger::Occasion::interval && due.unswept;
    if (due.rows.empty() && occasion != ledger::Occasion::asked && !only_to_sweep)
        co_return Refusal{Error::nothing_to_settle};
    const bool checked = co_await check(asset, due.rows);
    if (!checked) co_return Refusal{Error::rpc_read_failed};

    auto drafted = co_await drafts_for(asset, receiver, due.rows);
    if (!drafted) co_return Refusal{Error::rpc_read_failed};
    if (!drafted->bad.empty()) co_await leave_out(asset, std::move(drafted->bad));
    const bool all_left_out = drafted->rows.empty() && !due.rows.empty();
    if (all_left_out) co_return Refusal{Error::nothing_to_settle};

    chain::ReceiverTotals totals;
    // What an earlier claim is about to sweep is not counted again.
    if (!due.another_on_its_way) {
        const auto found = co_await network_.node.receiver_totals(receiver, asset.token);
        if (!found) co_return Refusal{Error::rpc_read_failed};
        totals = *found;
    }
    const auto amount = ledger::to_sweep(drafted->rows, totals);
    if (!amount) co_return Refusal{Error::rpc_read_failed};
    if (amount->is_zero()) co_return Refusal{Error::nothing_to_settle};

    const auto recorded = co_await record(asset, receiver, std::move(*drafted), *amount);
    for (const auto& entry : recorded.outbox) co_await sender_.broadcast(entry);
    const auto claim_id = recorded.record.claim_id;
    const auto work = [claim_id](pqxx::transaction_base& transaction) {
        return ledger::read_claim(transaction, claim_id);
    };
    const auto record = co_await context_.read(work);
    co_return summary_of(record ? *record : recorded.record);
}

ledger::ClaimPolicy Claims::policy(ledger::Occasion occasion, const ledger::Asset& asset) const {
    ledger::ClaimPolicy policy;
    policy.occasion = occasion;
    const auto price = channel::add(network_.head.base_fee, network_.config.priority_fee_per_gas);
    policy.gas_price = price ? *price : channel::Amount::max();
    policy.gas_percent_max = network_.config.claim_gas_percent_max;
    if (const auto* token = network_.token_config(asset.token)) {
        policy.threshold = token->claim_threshold;
        policy.coin_price = token->coin_price;
    }
    return policy;
}

Task<Claims::Work> Claims::read_due(ledger::Occasion occasion, const ledger::Asset& asset,
                                    channel::Address receiver) {
    const auto authorizer = context_.signer.authorizer();
    const auto by = policy(occasion, asset);
    const auto work = [&asset, receiver, authorizer, by](pqxx::transaction_base& transaction) {
        const auto due = ledger::due_channels(transaction, asset, receiver, authorizer, now());
        return Work{ledger::plan_claim(due, by),
                    ledger::has_unfinished_claim(transaction, asset.id, receiver),
                    ledger::has_unswept(transaction, asset.id, receiver)};
    };
    co_return co_await context_.read_with_payments(work);
}

/// Leaves the sound rows. What the contract or the signer would refuse goes into quarantine first,
/// so that it is known of also if this ends here. False when the nodes cannot be asked.
Task<bool> Claims::check(const ledger::Asset& asset, std::vector<PlannedRow>& rows) {
    auto checked = co_await checks_.check(rows);
    if (!checked) co_return false;
    rows = std::move(checked->sound);
    network_.counts.claim_rows["claimed_already"] += checked->claimed_already.size();
    for (const auto& row : checked->claimed_already)
        spdlog::debug("{}: channel {} is claimed up to {} already", network_.node.name(),
                      channel::to_hex(row.id), channel::to_string(row.claim.total_claimed));
    if (!checked->bad.empty()) co_await leave_out(asset, std::move(checked->bad));
    co_return true;
}

Task<void> Claims::leave_out(const ledger::Asset& asset, std::vector<ledger::BadRow> bad) {
    const ChainContext::Work work = [&bad, &asset](pqxx::transaction_base& transaction) {
        return ledger::quarantine(transaction, bad, asset, now());
    };
    co_await context_.commit_in_order(work);
    network_.counts.claim_rows["quarantined"] += bad.size();
    for (const auto& [row, fault, detail] : bad)
        spdlog::error("{}: channel {} is left out of claims: {}: {}", network_.node.name(),
                      channel::to_hex(row.id), ledger::to_string(fault), detail);
}

/// One transaction if the rows fit into one. Otherwise the last one sweeps, so that it is one
/// transfer to the receiver all the same.
Task<std::optional<Claims::Drafted>> Claims::drafts_for(const ledger::Asset& asset,
                                                        channel::Address receiver,
                                                        const std::vector<PlannedRow>& rows) {
    const auto settle = chain::settle_call(receiver, asset.token);
    const auto cut = ledger::batches(rows, network_.config.claim_rows_max);
    Drafted drafted;
    for (const auto batch : cut) {
        const bool is_last = batch.data() == cut.back().data();
        const bool asked = co_await draft_rows(batch, is_last ? &settle : nullptr, drafted);
        if (!asked) co_return std::nullopt;
    }
    // Where the row that it was to go with is left out, it goes by itself.
    const bool nothing_to_sweep = drafted.rows.empty() && !rows.empty();
    if (drafted.sweep_is_settled || nothing_to_sweep) co_return drafted;
    auto sweep = co_await draft(settle, 0);
    if (!sweep) co_return std::nullopt;
    drafted.drafts.push_back(std::move(*sweep));
    co_return drafted;
}

/// Where the sweep alone would be refused, by the token, the claims go out without it: they are
/// what a withdrawal cannot take away. What was good in one trial may be bad in the next, when a
/// contract has its say: halved until the bad row stands alone. False when the nodes cannot be
/// asked.
Task<bool> Claims::draft_rows(std::span<const PlannedRow> rows, const channel::Bytes* sweep,
                              Drafted& drafted) {
    const auto weight = ledger::claim_weight(rows);
    const auto claim = co_await claim_call(context_, network_, rows);
    const auto call = sweep ? chain::multicall_call({claim, *sweep}) : claim;
    auto made = co_await draft(call, weight);
    if (!made && sweep && made.error().reverted()) made = co_await draft(claim, weight);
    if (made) {
        if (sweep) drafted.sweep_is_settled = true;
        drafted.drafts.push_back(std::move(*made));
        drafted.batches.push_back(rows.size());
        drafted.rows.insert(drafted.rows.end(), rows.begin(), rows.end());
        co_return true;
    }
    if (!made.error().reverted()) co_return false;
    if (rows.size() == 1) {
        const auto reason = chain::revert_reason(made.error().data);
        drafted.bad.push_back({rows.front(), ledger::fault_from(reason), reason});
        co_return true;
    }
    const auto half = rows.size() / 2;
    const bool asked = co_await draft_rows(rows.first(half), nullptr, drafted);
    if (!asked) co_return false;
    co_return co_await draft_rows(rows.subspan(half), sweep, drafted);
}

/// The newest tree head goes with it (ledger/proof/README.md, Anchors).
/// Tried at a block of a number, with just the gas that it will have: a node that is behind says so
/// then, and a contract sees how much gas there is. What the estimate alone objects to is no
/// reason.
Task<chain::RpcResult<ledger::OutboxDraft>> Claims::draft(channel::Bytes call, std::size_t weight) {
    const auto newest = [](pqxx::transaction_base& transaction) {
        return ledger::newest_head(transaction);
    };
    const auto head = co_await context_.read(newest);
    if (head) chain::append_anchor(call, {head->size, head->root});
    const auto estimate = co_await network_.node.estimate_gas(call);
    if (!estimate && !estimate.error().reverted()) {
        spdlog::warn("{}: a claim cannot be estimated: {}", network_.node.name(),
                     estimate.error().message);
        co_return estimate.error();
    }
    ledger::OutboxDraft made;
    made.purpose = ledger::Purpose::claim;
    made.to = network_.config.contract;
    // A node that says too little would have the claim run out of gas.
    const auto least = ledger::claim_gas(weight);
    made.gas_limit = chain::gas_limit_for(estimate ? std::max(*estimate, least) : least);
    made.fees = sender_.fees();
    // Nodes that are behind may have told of an older head than the books know already.
    const auto cursor = network_.cursor ? network_.cursor->block_number : 0;
    const auto block = chain::BlockTag::number(std::max(network_.head.number, cursor));
    const auto tried = co_await network_.node.call(made.to, call, block, made.gas_limit);
    if (!tried) {
        spdlog::warn("{}: a claim cannot be simulated: {} {}", network_.node.name(),
                     tried.error().message, chain::revert_reason(tried.error().data));
        co_return tried.error();
    }
    made.data = std::move(call);
    co_return made;
}

Task<ledger::RecordedClaim> Claims::record(const ledger::Asset& asset, channel::Address receiver,
                                           Drafted drafted, channel::Amount amount) {
    const auto claim_id = random_claim_id();
    auto& drafts = drafted.drafts;
    for (auto& draft : drafts) draft.reference = claim_id;
    const auto& rows = drafted.rows;
    const ledger::NewClaim claim{claim_id, asset, receiver, rows, amount, drafted.batches};
    ledger::RecordedClaim recorded;
    auto* const context = &context_;
    const OutboxSender::Write work = [&claim, &drafts, &recorded, context](
                                         pqxx::connection& connection,
                                         const ledger::Sender& sender) {
        // Payments wait for the turn, so that the signer is not waited for under it.
        auto transactions = [&] {
            pqxx::work transaction(connection);
            return ledger::sign_drafts(transaction, sender, drafts);
        }();
        const ledger::CommitOrder::Turn turn(context->order);
        pqxx::work transaction(connection);
        recorded = ledger::record_claim(transaction, claim, std::move(transactions), now());
        transaction.commit();
        context->publish(recorded.event);
        return recorded.outbox;
    };
    co_await sender_.write_down(work);
    network_.counts.claim_rows["claimed"] += rows.size();
    spdlog::info("{}: claim {} of {} channels, {} {} for {}", network_.node.name(), claim_id,
                 rows.size(), channel::to_string(amount), asset.symbol, channel::to_hex(receiver));
    co_return recorded;
}

Task<void> Claims::automatic() {
    co_await claim_closing();
    const auto time = std::chrono::steady_clock::now();
    last_followed_ = time;
    const auto interval = network_.config.claim_interval;
    const bool is_due = interval.count() != 0 && time - last_interval_ >= interval;
    if (is_due) last_interval_ = time;
    for (const auto& token : network_.config.tokens) {
        const auto* asset = network_.asset_of(context_, token.address);
        if (is_due)
            co_await claim_earned(ledger::Occasion::interval, *asset, {});
        else if (!token.claim_threshold.is_zero())
            co_await claim_earned(ledger::Occasion::watching, *asset, token.claim_threshold);
    }
}

Task<void> Claims::claim_earned(ledger::Occasion occasion, const ledger::Asset& asset,
                                channel::Amount amount_min) {
    const auto work = [&asset, amount_min](pqxx::transaction_base& transaction) {
        return ledger::due_receivers(transaction, asset.id, amount_min);
    };
    std::vector<channel::Address> receivers;
    // What waits to be posted reaches a threshold at the next look, but an interval is long.
    if (occasion == ledger::Occasion::watching)
        receivers = co_await context_.read(work);
    else
        receivers = co_await context_.read_with_payments(work);
    for (const auto& receiver : receivers) {
        if (context_.stopping) co_return;
        // There may be many, and a withdrawal does not wait for them.
        if (std::chrono::steady_clock::now() - last_closing_ >= network_.config.poll_interval)
            co_await claim_closing();
        co_await claim_and_log(occasion, asset, receiver);
    }
}

Task<void> Claims::claim_closing() {
    last_closing_ = std::chrono::steady_clock::now();
    const auto network = network_.config.network;
    const auto authorizer = context_.signer.authorizer();
    const auto work = [network, authorizer](pqxx::transaction_base& transaction) {
        return ledger::closing_receivers(transaction, network, authorizer);
    };
    const auto closing = co_await context_.read(work);
    for (const auto& [asset_id, receiver] : closing) {
        if (context_.stopping) co_return;
        const auto asset = context_.assets.find(asset_id);
        if (asset == context_.assets.end()) continue;
        co_await claim_and_log(ledger::Occasion::closing, asset->second, receiver);
    }
}

Task<void> Claims::claim_blindly() {
    co_await claim_closing();
    const auto time = std::chrono::steady_clock::now();
    const std::chrono::seconds shortest_delay(network_.config.withdraw_delay_seconds_min);
    if (time - last_followed_ < shortest_delay / 4) co_return;
    last_followed_ = time;
    spdlog::warn("{}: claiming all that is due, because withdrawals cannot be seen",
                 network_.node.name());
    for (const auto& token : network_.config.tokens) {
        const auto* asset = network_.asset_of(context_, token.address);
        co_await claim_earned(ledger::Occasion::asked, *asset, {});
    }
}

Task<void> Claims::claim_and_log(ledger::Occasion occasion, const ledger::Asset& asset,
                                 channel::Address receiver) {
    std::string failure;
    try {
        const auto outcome = co_await claim_on(occasion, asset, receiver);
        const auto* refused = std::get_if<Refusal>(&outcome);
        if (refused && refused->error != Error::nothing_to_settle)
            failure = channel::sentence(refused->error);
    } catch (const std::exception& error) {
        // The others' turn comes all the same.
        failure = error.what();
    }
    if (!failure.empty())
        spdlog::warn("{}: an automatic claim for {} failed: {}", network_.node.name(),
                     channel::to_hex(receiver), failure);
}

}  // namespace millrace::api
