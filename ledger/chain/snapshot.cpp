#include "ledger/chain/snapshot.hpp"

namespace millrace::ledger::chain {
namespace {

channel::Status status_of(const ChannelTotals& totals, const PendingWithdrawal& withdrawal) {
    if (withdrawal.initiated_at != 0) return channel::Status::closing;
    if (totals.balance.is_zero()) return channel::Status::pending;
    if (totals.balance == totals.total_claimed) return channel::Status::closed;
    return channel::Status::open;
}

}  // namespace

channel::State snapshot(const ChannelTotals& totals, const PendingWithdrawal& withdrawal,
                        std::uint64_t refund_nonce) {
    return {
        .status = status_of(totals, withdrawal),
        .balance = totals.balance,
        .charged = totals.total_claimed,
        .total_claimed = totals.total_claimed,
        .withdraw_requested_at = withdrawal.initiated_at,
        .withdraw_amount = withdrawal.amount,
        .refund_nonce = refund_nonce,
    };
}

}  // namespace millrace::ledger::chain
