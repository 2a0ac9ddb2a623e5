#include "ledger/reversal.hpp"

#include <algorithm>

namespace millrace::ledger {
namespace {

constexpr std::string_view kReversal = "reversal";

/// Between a channel and what it has earned for its receiver: depends on the state of the day.
bool adjusts(const PostedLeg& leg) {
    return leg.cause == "charged_after_the_fact" || leg.cause == "uncollectable" ||
           leg.cause == "recharged";
}

bool is_opposite(const PostedLeg& leg, const Adjustment& adjustment) {
    return adjusts(leg) && leg.amount == adjustment.amount &&
           leg.debit_kind == adjustment.credit.kind && leg.credit_kind == adjustment.debit.kind;
}

}  // namespace

channel::Result<channel::ChainEffect> undo(channel::State& state, const PostedEvent& event) {
    if (event.kind == "deposited") return apply(state, channel::DepositUndone{event.amount});
    if (event.kind == "claimed") return apply(state, channel::ClaimUndone{event.amount});
    if (event.kind == "refunded")
        return apply(
            state, channel::RefundUndone{event.amount, event.requested_at, event.withdraw_amount});
    if (event.kind == "withdraw_initiated") return apply(state, channel::WithdrawalRequestUndone{});
    if (event.kind == "withdraw_finalized")
        return apply(state, channel::WithdrawalFinalizedUndone{event.amount, event.requested_at,
                                                               event.withdraw_amount});
    return channel::Error::amount_out_of_range;
}

std::int32_t add_reversal(Batch& batch, Ordinal ordinal, const PostedEvent& event,
                          const std::vector<Adjustment>& adjustments) {
    std::int32_t next = 0;
    batch.reversals.push_back({ordinal, event.seq});
    for (const auto& leg : event.legs) {
        // An entry that undid something itself is not undone in that.
        if (adjusts(leg) || leg.cause == kReversal) continue;
        add_transfer(batch,
                     {ordinal, next++, AccountKey{leg.asset_id, leg.credit_kind, leg.credit_owner},
                      AccountKey{leg.asset_id, leg.debit_kind, leg.debit_owner}, leg.amount,
                      kReversal, ordinal, TransferRow::Reversed{event.seq, leg.leg}});
    }
    for (const auto& adjustment : adjustments) {
        if (adjustment.amount.is_zero()) continue;
        TransferRow row{ordinal,           next++,           adjustment.debit, adjustment.credit,
                        adjustment.amount, adjustment.cause, ordinal};
        const auto opposite =
            std::find_if(event.legs.begin(), event.legs.end(),
                         [&](const PostedLeg& leg) { return is_opposite(leg, adjustment); });
        if (opposite != event.legs.end()) {
            row.cause = kReversal;
            row.reverses = TransferRow::Reversed{event.seq, opposite->leg};
        }
        add_transfer(batch, std::move(row));
    }
    return next;
}

}  // namespace millrace::ledger
