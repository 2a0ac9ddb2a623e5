#include "ledger/audit/breaks.hpp"

#include <utility>

namespace millrace::ledger {

std::string_view to_string(BreakKind kind) {
    switch (kind) {
        case BreakKind::missing_event:
            return "missing_event";
        case BreakKind::unknown_event:
            return "unknown_event";
        case BreakKind::amount_mismatch:
            return "amount_mismatch";
        case BreakKind::orphaned_block:
            return "orphaned_block";
        case BreakKind::double_credit:
            return "double_credit";
        case BreakKind::claim_above_charges:
            return "claim_above_charges";
        case BreakKind::balance_mismatch:
            return "balance_mismatch";
        case BreakKind::claimed_mismatch:
            return "claimed_mismatch";
        case BreakKind::withdrawal_mismatch:
            return "withdrawal_mismatch";
        case BreakKind::refund_nonce_mismatch:
            return "refund_nonce_mismatch";
        case BreakKind::charge_above_voucher:
            return "charge_above_voucher";
        case BreakKind::bad_signature:
            return "bad_signature";
        case BreakKind::journal_mismatch:
            return "journal_mismatch";
        case BreakKind::payments_mismatch:
            return "payments_mismatch";
        case BreakKind::account_mismatch:
            return "account_mismatch";
        case BreakKind::misdirected_transfer:
            return "misdirected_transfer";
        case BreakKind::settled_mismatch:
            return "settled_mismatch";
        case BreakKind::escrow_short:
            return "escrow_short";
    }
    return "";
}

std::array<BreakKind, kBreakKinds> break_kinds() {
    std::array<BreakKind, kBreakKinds> all{};
    for (std::size_t at = 0; at < all.size(); ++at) all[at] = static_cast<BreakKind>(at);
    return all;
}

void Breaks::add(Break one) {
    ++counts_[one.kind];
    if (listed_.size() < kListedMax) listed_.push_back(std::move(one));
}

void Breaks::count(BreakKind kind, std::uint64_t more) {
    if (more != 0) counts_[kind] += more;
}

std::uint64_t Breaks::total() const {
    std::uint64_t sum = 0;
    for (const auto& [kind, count] : counts_) sum += count;
    return sum;
}

}  // namespace millrace::ledger
