#pragma once

#include "channel/amount.hpp"
#include "channel/bytes.hpp"
#include "channel/config.hpp"
#include "channel/result.hpp"
#include "channel/secp256k1.hpp"
#include "ledger/chain/escrow_calls.hpp"

#include <cstddef>
#include <cstdint>
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
};

/// A channel's row in a claim.
struct PlannedRow {
    channel::ChannelId id;
    chain::VoucherClaim claim;
    /// What it claims above what was claimed before.
    channel::Amount increment;
    channel::VoucherSigner voucher_signer = channel::VoucherSigner::key;
};

/// More rows would make a transaction that nodes do not take: a row is 480 bytes of calldata and
/// some 22,000 gas, a transaction at most 128 KiB and 16,777,216 gas.
inline constexpr std::size_t kClaimRowsMax = 250;
/// A row whose signature a contract judges counts as so many: it may need `kErc1271GasMax` more, and
/// 2,048 bytes of calldata.
inline constexpr std::size_t kContractRowWeight = 20;

/// What to claim of which channels, in the order of their ids: all that is charged, and never more
/// than the payer has signed for or the balance covers. Channels with nothing to gain are left out.
std::vector<PlannedRow> plan_claim(std::span<const DueChannel> due);

/// Cuts rows into batches of at most `rows_max` (and `kClaimRowsMax`, and at least one), a row that
/// a contract judges counting as `kContractRowWeight`.
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

/// claimWithSignature for one batch, signed by `authorizer`, which is every row's.
channel::Bytes claim_calldata(const channel::Digest& escrow_separator,
                              std::span<const PlannedRow> rows,
                              const channel::SecretKey& authorizer);

}  // namespace millrace::ledger
