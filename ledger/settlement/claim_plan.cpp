#include "ledger/settlement/claim_plan.hpp"

#include <algorithm>
#include <limits>
#include <tuple>

namespace millrace::ledger {

using channel::Amount;
using channel::Uint128;

namespace {

/// What a claim of rows may need at most, in a trial of them: more than `claim_gas` by far.
constexpr std::uint64_t kClaimGasMaxBase = 150'000;
constexpr std::uint64_t kClaimGasMaxPerWeight = 45'000;

constexpr std::uint64_t kWeiPerCoin = 1'000'000'000'000'000'000;
constexpr std::uint64_t kPercent = 100;

std::optional<Uint128> multiply(Uint128 a, Uint128 b) {
    if (a != 0 && b > Amount::max().units() / a) return std::nullopt;
    return a * b;
}

std::optional<PlannedRow> row_of(const DueChannel& channel) {
    const auto claimable = std::min({channel.charged, channel.signed_max, channel.balance});
    if (claimable <= channel.total_claimed) return std::nullopt;
    return PlannedRow{channel.id,
                      {channel.config, channel.signed_max, channel.signature, claimable},
                      *channel::subtract(claimable, channel.total_claimed),
                      channel.voucher_signer,
                      channel.deadline,
                      channel.reverted_rows};
}

/// No deadline is later than any.
auto by_value_at_risk(const PlannedRow& row) {
    const auto deadline = row.deadline.value_or(std::numeric_limits<std::uint64_t>::max());
    return std::tuple(row.voucher_signer != channel::VoucherSigner::contract, !row.deadline,
                      deadline, Amount::max().units() - row.increment.units(), row.id);
}

bool is_occasion(std::span<const PlannedRow> rows, const ClaimPolicy& policy) {
    if (policy.occasion == Occasion::asked) return true;
    if (std::any_of(rows.begin(), rows.end(), [](const auto& row) { return row.deadline; }))
        return true;
    const auto sum = total(rows);
    // More than any amount is enough for anything.
    const auto due = sum ? *sum : Amount::max();
    if (policy.occasion == Occasion::watching &&
        (policy.threshold.is_zero() || due < policy.threshold))
        return false;
    return is_worth(due, claim_gas(claim_weight(rows)), policy);
}

std::size_t weight_of(const PlannedRow& row) {
    return row.voucher_signer == channel::VoucherSigner::contract ? kContractRowWeight : 1;
}

std::size_t most_beside(const PlannedRow& row) {
    if (row.reverted_rows == 0) return kClaimRowsMax;
    if (row.deadline) return 1;
    return std::max<std::size_t>(row.reverted_rows / 2, 1);
}

}  // namespace

bool is_worth(Amount amount, std::uint64_t gas, const ClaimPolicy& policy) {
    if (policy.coin_price.is_zero()) return true;
    const auto wei = multiply(policy.gas_price.units(), gas);
    const auto scaled = wei ? multiply(*wei, policy.coin_price.units()) : wei;
    if (!scaled) return false;
    const auto cost = *scaled / kWeiPerCoin + (*scaled % kWeiPerCoin == 0 ? 0 : 1);
    const auto cost_percent = multiply(cost, kPercent);
    const auto allowed = multiply(amount.units(), policy.gas_percent_max);
    if (!cost_percent) return false;
    return !allowed || *cost_percent <= *allowed;
}

std::vector<PlannedRow> plan_claim(std::span<const DueChannel> due, const ClaimPolicy& policy) {
    std::vector<PlannedRow> rows;
    for (const DueChannel& channel : due) {
        auto row = row_of(channel);
        if (!row || (policy.occasion == Occasion::closing && !row->deadline)) continue;
        const bool in_any_case = policy.occasion == Occasion::asked || row->deadline;
        if (in_any_case || is_worth(row->increment, kClaimRowGas * weight_of(*row), policy))
            rows.push_back(std::move(*row));
    }
    if (!is_occasion(rows, policy)) return {};
    std::sort(rows.begin(), rows.end(), [](const PlannedRow& a, const PlannedRow& b) {
        return by_value_at_risk(a) < by_value_at_risk(b);
    });
    return rows;
}

std::size_t claim_weight(std::span<const PlannedRow> rows) {
    std::size_t weight = 0;
    for (const PlannedRow& row : rows) weight += weight_of(row);
    return weight;
}

std::vector<std::span<const PlannedRow>> batches(std::span<const PlannedRow> rows,
                                                 std::size_t rows_max) {
    const auto limit = std::clamp<std::size_t>(rows_max, 1, kClaimRowsMax);
    std::vector<std::span<const PlannedRow>> cut;
    while (!rows.empty()) {
        std::size_t size = 1;
        auto weight = weight_of(rows[0]);
        auto most = most_beside(rows[0]);
        for (; size < rows.size(); ++size) {
            weight += weight_of(rows[size]);
            most = std::min(most, most_beside(rows[size]));
            const bool apart = rows[size].voucher_signer != rows[0].voucher_signer;
            if (apart || weight > limit || size + 1 > most) break;
        }
        cut.push_back(rows.first(size));
        rows = rows.subspan(size);
    }
    return cut;
}

std::uint64_t claim_gas_max(std::span<const PlannedRow> rows) {
    return kClaimGasMaxBase + kClaimGasMaxPerWeight * claim_weight(rows);
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

channel::Bytes direct_claim_calldata(std::span<const PlannedRow> rows) {
    std::vector<chain::VoucherClaim> claims;
    for (const PlannedRow& row : rows) claims.push_back(row.claim);
    return chain::claim_call(claims);
}

}  // namespace millrace::ledger
