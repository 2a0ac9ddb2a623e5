#pragma once

#include "channel/amount.hpp"
#include "channel/bytes.hpp"
#include "channel/config.hpp"
#include "channel/result.hpp"
#include "ledger/chain/escrow_calls.hpp"
#include "ledger/chain/fees.hpp"
#include "ledger/chain/signer.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace millrace::ledger {

/// A channel of which more was charged than claimed.
struct DueChannel {
    channel::ChannelId id;
    channel::ChannelConfig config;
    channel::Amount balance;
    channel::Amount charged;
    channel::Amount total_claimed;
    /// The highest accepted voucher and the payer's signature over it.
    channel::Amount signed_max;
    channel::VoucherSignature signature;
    channel::VoucherSigner voucher_signer = channel::VoucherSigner::key;
    /// Unix seconds from which the payer may take back what is not claimed by then; nullopt while
    /// no withdrawal is pending.
    std::optional<std::uint64_t> deadline;
    /// Rows in the newest transaction that was to claim this one and was reverted on chain; 0:
    /// none.
    std::size_t reverted_rows = 0;
};

/// A channel's row in a claim.
struct PlannedRow {
    channel::ChannelId id;
    chain::VoucherClaim claim;
    /// What it claims above what was claimed before.
    channel::Amount increment;
    channel::VoucherSigner voucher_signer = channel::VoucherSigner::key;
    std::optional<std::uint64_t> deadline;
    std::size_t reverted_rows = 0;
};

/// What a plan is made for.
enum class Occasion {
    /// The provider asks: all that is due.
    asked,
    /// The interval is over: all that is worth its gas.
    interval,
    /// Between two intervals: only when a payer withdraws, or when the threshold is reached.
    watching,
    /// Payers withdraw: their channels alone, so that nothing else is in the way.
    closing,
};

struct ClaimPolicy {
    Occasion occasion = Occasion::asked;
    /// Claims between two intervals once so much is due; zero: never.
    channel::Amount threshold;
    /// Wei per gas.
    channel::Amount gas_price;
    /// Token base units for 10^18 wei; zero: gas is not weighed against what it brings.
    channel::Amount coin_price;
    /// A row is worth its gas while that costs at most so many percent of what the row claims.
    unsigned gas_percent_max = 100;
};

/// The gas model, from receipts of tests/api/chain_claim_batches_test.cpp: a row costs some 20,100
/// gas, with the authorizer's signature over the batch some 22,100; the rest is the transaction
/// itself, that signature, and a sweep to an account that never held the token.
inline constexpr std::uint64_t kClaimRowGas = 25'000;
inline constexpr std::uint64_t kClaimBaseGas = 160'000;
constexpr std::uint64_t claim_gas(std::size_t weight) {
    return kClaimBaseGas + weight * kClaimRowGas;
}

/// A row is 480 bytes of calldata with a signature of 65 bytes, and a transaction at most 128 KiB
/// (what nodes pass on) and 16,777,216 gas (EIP-7825).
inline constexpr std::size_t kClaimRowsMax = 250;
/// A row whose signature a contract judges counts as so many: it may need `kErc1271GasMax` more,
/// and 2,048 bytes of calldata.
inline constexpr std::size_t kContractRowWeight = 20;
static_assert(claim_gas(kClaimRowsMax) <= chain::kGasLimitMax);

/// What to claim of which channels: all that is charged, and never more than the payer has signed
/// for or the balance covers. Those that a contract signs for come first, because they are sent
/// apart and the last transaction sweeps; within either, ordered by value at risk: channels that
/// are being withdrawn from first, by deadline, then by what is claimed, the most first. Channels
/// with nothing to gain are left out, and, unless the provider asks, those that are not worth their
/// gas. A channel that is being withdrawn from is never left out. Empty when the occasion is none.
std::vector<PlannedRow> plan_claim(std::span<const DueChannel> due, const ClaimPolicy& policy);

/// Whether `gas` costs at most the policy's percentage of `amount`.
bool is_worth(channel::Amount amount, std::uint64_t gas, const ClaimPolicy& policy);

/// How many rows of a key the rows count as.
std::size_t claim_weight(std::span<const PlannedRow> rows);

/// Cuts rows into batches, in their order, of a weight of at most `rows_max` (and `kClaimRowsMax`),
/// and at least one row. Rows that a contract signs for share none with others: a contract may say
/// yes to whoever asks and no in the block, and any payer may have become one (EIP-7702). So a row
/// whose transaction was reverted goes into a batch of half as many rows as that had, whatever else
/// is claimed beside it, until a bad row stands alone; one that is being withdrawn from stands
/// alone at once, because it cannot wait.
std::vector<std::span<const PlannedRow>> batches(std::span<const PlannedRow> rows,
                                                 std::size_t rows_max);

/// The most gas that a claim of the rows may need. Without a bound a contract that has come to burn
/// gas could make a claim of many rows too dear for any transaction.
std::uint64_t claim_gas_max(std::span<const PlannedRow> rows);

/// What the rows claim together; `amount_out_of_range` beyond 2^128 − 1.
channel::Result<channel::Amount> total(std::span<const PlannedRow> rows);

/// What a sweep pays when the rows are claimed first: their increments and what the contract holds
/// claimed and unsettled already. `amount_out_of_range` for figures that contradict each other.
channel::Result<channel::Amount> to_sweep(std::span<const PlannedRow> rows,
                                          const chain::ReceiverTotals& receiver);

/// claimWithSignature for one batch, signed by the signer's authorizer, which is every row's. May
/// wait, and throws as `chain::Signer` does.
channel::Bytes claim_calldata(const chain::EscrowContract& escrow, std::span<const PlannedRow> rows,
                              chain::Signer& signer);

/// claim for one batch, to be sent by the rows' own receiver authorizer: saves its signature, and
/// some 2,000 gas a row.
channel::Bytes direct_claim_calldata(std::span<const PlannedRow> rows);

}  // namespace millrace::ledger
