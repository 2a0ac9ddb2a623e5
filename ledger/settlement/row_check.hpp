#pragma once

#include "channel/bytes.hpp"
#include "ledger/chain/escrow_calls.hpp"
#include "ledger/settlement/claim_plan.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::ledger {

/// Why the contract, or the signer before it, would not take a row (x402-batch-settlement, Contract
/// behaviour).
enum class RowFault {
    /// The configuration on record is not that of the channel's id.
    channel_id_mismatch,
    exceeds_ceiling,
    exceeds_balance,
    invalid_signature,
    /// By its caps or its record; the detail has its words.
    signer_refused,
    /// Anything else: the contract's reason is in the detail.
    reverted,
};
std::string_view to_string(RowFault fault);

/// The fault that a revert of one row's claim stands for; `reason` as from chain::revert_reason.
RowFault fault_from(std::string_view reason);

struct BadRow {
    PlannedRow row;
    RowFault fault = RowFault::reverted;
    /// For people: the contract's or the signer's reason, or the figures that contradict each
    /// other.
    std::string detail;
};

struct CheckedRows {
    std::vector<PlannedRow> sound;
    /// The contract has claimed as much already, and would skip them.
    std::vector<PlannedRow> claimed_already;
    std::vector<BadRow> bad;
};

/// Compares rows with what the contract holds for their channels, all as of one block. `on_chain`
/// is in the order of the rows. Signatures are not looked at: those of smart wallets only the
/// contract can judge.
CheckedRows check_rows(std::span<const PlannedRow> rows,
                       std::span<const chain::ChannelTotals> on_chain,
                       const channel::Digest& escrow_separator);

}  // namespace millrace::ledger
