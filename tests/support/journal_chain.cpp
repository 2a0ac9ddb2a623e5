#include "ledger/channel_store.hpp"
#include "tests/support/journal_history.hpp"

#include <algorithm>

#include <catch2/catch.hpp>

namespace support {
namespace {

std::uint64_t number(channel::Amount amount) {
    return static_cast<std::uint64_t>(amount.units());
}

std::uint64_t unclaimed(const channel::State& state) {
    return number(state.balance) - number(state.total_claimed);
}

}  // namespace

ledger::ChainLog JournalHistory::next_log() {
    ledger::ChainLog log;
    for (auto& byte : log.transaction.bytes) byte = static_cast<std::uint8_t>(below(256));
    for (auto& byte : log.block_hash.bytes) byte = static_cast<std::uint8_t>(below(256));
    log.log_index = static_cast<std::uint32_t>(below(4));
    log.block_number = ++block_;
    return log;
}

void JournalHistory::post(std::vector<ledger::Request>& batch, Channel& one,
                          ledger::ChannelChainEvent event) {
    std::visit([&](const auto& told) { (void)channel::apply(one.plan, told); }, event);
    batch.push_back(ledger::PostChannelEvent{{}, one.app.terms.id, next_log(), std::move(event)});
}

void JournalHistory::chain(std::vector<ledger::Request>& batch, Channel& one) {
    const auto& plan = one.plan;
    if (plan.balance.is_zero() || one_in(4))
        return post(batch, one, channel::DepositConfirmed{units(1 + below(300'000))});
    const auto left = unclaimed(plan);
    if (left > 0 && one_in(2)) {
        // Of what is charged; of all that was signed for; or of more, by a voucher given elsewhere.
        const auto signed_for = std::min(plan.signed_max, plan.balance);
        const channel::Amount totals[] = {plan.charged, plan.charged, plan.charged, signed_for,
                                          units(number(plan.total_claimed) + part_of(left))};
        return post(batch, one, channel::ClaimConfirmed{totals[below(std::size(totals))]});
    }
    if (one_in(2)) return refund(batch, one);
    withdrawal(batch, one);
}

void JournalHistory::withdrawal(std::vector<ledger::Request>& batch, Channel& one) {
    const auto& plan = one.plan;
    if (plan.withdraw_requested_at == 0) {
        const auto at = std::chrono::duration_cast<std::chrono::seconds>(now_.time_since_epoch());
        return post(batch, one,
                    channel::WithdrawalRequested{static_cast<std::uint64_t>(at.count()),
                                                 units(part_of(unclaimed(plan)))});
    }
    if (one_in(2)) return;
    const auto asked = number(plan.withdraw_amount);
    post(batch, one, channel::WithdrawalFinalized{units(std::min(asked, unclaimed(plan)))});
}

void JournalHistory::refund(std::vector<ledger::Request>& batch, Channel& one) {
    auto& plan = one.plan;
    const auto id = one.app.terms.id;
    const auto held = number(plan.refunding);
    if (held == 0 && !one_in(5)) {
        ledger::BeginRefund request{{}, one.app.terms.config.payer, id, {}};
        request.asked.voucher.max_claimable = plan.charged;
        request.verdict = sign(one, request.asked.voucher);
        request.asked.refund_nonce = plan.refund_nonce + below(2);
        const auto free = number(channel::spendable(plan)) - number(plan.charged);
        if (free > number(plan.reserved) && !one_in(3))
            request.asked.amount = units(part_of(free - number(plan.reserved)));
        const auto decision = channel::decide(plan, request.asked);
        if (decision.accepted()) channel::apply(plan, decision.event());
        batch.push_back(std::move(request));
    } else if (held != 0 && one_in(4)) {
        const channel::RefundAbandoned abandoned{plan.refunds_begun, plan.refunding};
        channel::apply(plan, abandoned);
        batch.push_back(ledger::AbandonRefund{{}, id, abandoned});
    } else if (unclaimed(plan) > 0) {
        // Ours, or one that the payer and the receiver made without us.
        const auto ours = std::min(held, unclaimed(plan));
        const auto amount = ours > 0 && !one_in(3) ? ours : part_of(unclaimed(plan));
        post(batch, one, channel::RefundConfirmed{units(amount)});
    }
}

/// A sweep of all that a receiver has claimed, of more that was claimed elsewhere, or only of that;
/// or a fee.
void JournalHistory::post_of_asset(std::vector<ledger::Request>& batch) {
    if (one_in(2)) {
        batch.push_back(ledger::PostAssetEvent{
            {}, books_.coin, next_log(), ledger::FeePaid{units(20'000 + below(2000))}});
        return;
    }
    const auto receiver = channels_[below(channels_.size())].app.terms.config.receiver;
    const auto ours = ledger::claimed_balance(database_, books_.token, receiver);
    const auto all = number(ours) + below(2) * below(1000);
    if (all > 0)
        batch.push_back(ledger::PostAssetEvent{
            {}, books_.token, next_log(), ledger::Settled{receiver, units(all)}});
}

ledger::Request JournalHistory::undoing(const ledger::StandingEvent& event) {
    if (!event.channel)
        return ledger::UndoAssetEvent{{}, event.asset_id.value_or(books_.token), event.seq};
    if (event.kind == ledger::kOpened)
        return ledger::ReplaceSnapshot{
            {}, *event.channel, event.seq, snapshot(), {next_log().block_number, {}}};
    return ledger::UndoChannelEvent{{}, *event.channel, event.seq};
}

void JournalHistory::reorganise() {
    std::vector<ledger::StandingEvent> standing;
    {
        pqxx::work transaction(database_);
        standing = ledger::standing_not_passed(transaction, {31337}, 0);
    }
    const auto depth = one_in(6) ? 5 + below(40) : 1 + below(6);
    std::vector<ledger::Request> batch;
    for (std::size_t at = 0; at < std::min<std::size_t>(depth, standing.size()); ++at) {
        batch.push_back(undoing(standing[at]));
        if (const auto found = posted_.find(standing[at].seq); found != posted_.end())
            dropped_.push_back(found->second);
        // Channels are paid from meanwhile.
        if (!one_in(3)) continue;
        process(std::exchange(batch, {}), false);
        for (auto& one : channels_)
            if (one.is_opened && one_in(3)) pay(batch, one);
        process(std::exchange(batch, {}));
    }
    process(std::move(batch), false);
    include_again();
}

/// Oldest first, as the other branch of the chain would: in the same block, in another, or never.
void JournalHistory::include_again() {
    std::vector<ledger::Request> batch;
    for (; !dropped_.empty(); dropped_.pop_back()) {
        if (one_in(3)) continue;
        auto again = dropped_.back();
        if (one_in(2)) {
            const auto log = next_log();
            again.log.block_number = log.block_number;
            again.log.block_hash = log.block_hash;
        }
        batch.push_back(again);
        if (one_in(6)) batch.push_back(again);
    }
    process(std::move(batch));
}

/// With the contract's word as it is here, or with what undoing could not restore; or as it is not.
void JournalHistory::reconcile(std::vector<ledger::Request>& batch, Channel& one) {
    auto contract = one.plan;
    contract.refund_nonce += below(2);
    if (contract.withdraw_requested_at == 0 && unclaimed(contract) > 0 && one_in(4)) {
        contract.withdraw_requested_at = 1'750'000'000;
        contract.withdraw_amount = units(part_of(unclaimed(contract)));
    }
    if (one_in(6)) contract.balance = units(number(contract.balance) + 1);
    if (channel::agrees(one.plan, channel::mirror_of(contract)))
        channel::apply(one.plan, channel::Reconciled{channel::mirror_of(contract)});
    batch.push_back(ledger::ReconcileChannel{{}, one.app.terms.id, contract});
}

}  // namespace support
