#include "ledger/settlement/claim_plan.hpp"

#include <algorithm>

namespace millrace::ledger {

using channel::Amount;

std::vector<PlannedRow> plan_claim(std::span<const DueChannel> due) {
    std::vector<PlannedRow> rows;
    for (const DueChannel& channel : due) {
        const auto claimable = std::min({channel.charged, channel.signed_max, channel.balance});
        if (claimable <= channel.total_claimed) continue;
        rows.push_back({channel.id,
                        {channel.config, channel.signed_max, channel.signature, claimable},
                        *channel::subtract(claimable, channel.total_claimed)});
    }
    std::sort(rows.begin(), rows.end(),
              [](const PlannedRow& a, const PlannedRow& b) { return a.id < b.id; });
    return rows;
}

std::vector<std::span<const PlannedRow>> batches(std::span<const PlannedRow> rows,
                                                 std::size_t rows_max) {
    const auto size = std::clamp<std::size_t>(rows_max, 1, kClaimRowsMax);
    std::vector<std::span<const PlannedRow>> cut;
    for (; !rows.empty(); rows = rows.subspan(cut.back().size())) {
        cut.push_back(rows.first(std::min(size, rows.size())));
    }
    return cut;
}

channel::Result<Amount> total(std::span<const PlannedRow> rows) {
    channel::Result<Amount> sum = Amount{};
    for (const PlannedRow& row : rows) {
        sum = channel::add(*sum, row.increment);
        if (!sum) return sum;
    }
    return sum;
}

channel::Result<Amount> to_sweep(std::span<const PlannedRow> rows,
                                 const chain::ReceiverTotals& receiver) {
    const auto unsettled = channel::subtract(receiver.total_claimed, receiver.total_settled);
    if (!unsettled) return unsettled;
    const auto claimed = total(rows);
    if (!claimed) return claimed;
    return channel::add(*unsettled, *claimed);
}

channel::Bytes claim_calldata(const chain::EscrowContract& escrow, std::span<const PlannedRow> rows,
                              chain::Signer& signer) {
    std::vector<chain::VoucherClaim> claims;
    claims.reserve(rows.size());
    for (const PlannedRow& row : rows) claims.push_back(row.claim);
    return chain::claim_with_signature_call(claims, signer.sign_claims(escrow, claims));
}

}  // namespace millrace::ledger
