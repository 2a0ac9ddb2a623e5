#pragma once

#include "channel/amount.hpp"
#include "channel/bytes.hpp"
#include "channel/config.hpp"
#include "channel/result.hpp"
#include "ledger/chain/escrow_calls.hpp"
#include "ledger/chain/signer.hpp"

#include <cstddef>
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
    channel::Signature signature;
};

/// A channel's row in a claim.
struct PlannedRow {
    channel::ChannelId id;
    chain::VoucherClaim claim;
    /// What it claims above what was claimed before.
    channel::Amount increment;
};

/// More rows would make a transaction that nodes do not take: a row is 480 bytes of calldata and
/// some 22,000 gas, a transaction at most 128 KiB and 16,777,216 gas.
inline constexpr std::size_t kClaimRowsMax = 250;

/// What to claim of which channels, in the order of their ids: all that is charged, and never more
/// than the payer has signed for or the balance covers. Channels with nothing to gain are left out.
std::vector<PlannedRow> plan_claim(std::span<const DueChannel> due);

/// Cuts rows into batches of at most `rows_max` (and `kClaimRowsMax`, and at least one).
std::vector<std::span<const PlannedRow>> batches(std::span<const PlannedRow> rows,
                                                 std::size_t rows_max);

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

}  // namespace millrace::ledger
