#include "ledger/settlement/claim_plan.hpp"

#include "channel/voucher.hpp"

#include <algorithm>

namespace millrace::ledger {

using channel::Amount;

namespace {

/// Twice what the contract's reference figures say of a row of a key (x402-batch-settlement).
constexpr std::uint64_t kClaimGasBase = 150'000;
constexpr std::uint64_t kClaimGasPerWeight = 45'000;

std::size_t weight_of(const PlannedRow& row) {
    return row.voucher_signer == channel::VoucherSigner::contract ? kContractRowWeight : 1;
}

/// How many rows from the first on have that weight together; at least one.
std::size_t count_up_to(std::span<const PlannedRow> rows, std::size_t weight_max) {
    std::size_t count = 0;
    std::size_t weight = 0;
    for (; count < rows.size(); ++count) {
        weight += weight_of(rows[count]);
        if (weight > weight_max && count > 0) break;
    }
    return count;
}

}  // namespace

std::vector<PlannedRow> plan_claim(std::span<const DueChannel> due) {
    std::vector<PlannedRow> rows;
    for (const DueChannel& channel : due) {
        const auto claimable = std::min({channel.charged, channel.signed_max, channel.balance});
        if (claimable <= channel.total_claimed) continue;
        rows.push_back({channel.id,
                        {channel.config, channel.signed_max, channel.signature, claimable},
                        *channel::subtract(claimable, channel.total_claimed),
                        channel.voucher_signer});
    }
    std::sort(rows.begin(), rows.end(),
              [](const PlannedRow& a, const PlannedRow& b) { return a.id < b.id; });
    return rows;
}

std::vector<std::span<const PlannedRow>> batches(std::span<const PlannedRow> rows,
                                                 std::size_t rows_max) {
    const auto size = std::clamp<std::size_t>(rows_max, 1, kClaimRowsMax);
    std::vector<std::span<const PlannedRow>> cut;
    for (; !rows.empty(); rows = rows.subspan(cut.back().size()))
        cut.push_back(rows.first(count_up_to(rows, size)));
    return cut;
}

std::uint64_t claim_gas_max(std::span<const PlannedRow> rows) {
    std::size_t weight = 0;
    for (const PlannedRow& row : rows) weight += weight_of(row);
    return kClaimGasBase + kClaimGasPerWeight * weight;
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

channel::Bytes claim_calldata(const channel::Digest& escrow_separator,
                              std::span<const PlannedRow> rows,
                              const channel::SecretKey& authorizer) {
    std::vector<channel::ClaimEntry> entries;
    std::vector<chain::VoucherClaim> claims;
    for (const PlannedRow& row : rows) {
        entries.push_back({row.id, row.claim.max_claimable, row.claim.total_claimed});
        claims.push_back(row.claim);
    }
    const auto signature = authorizer.sign(channel::digest(escrow_separator, entries));
    return chain::claim_with_signature_call(claims, signature);
}

}  // namespace millrace::ledger
