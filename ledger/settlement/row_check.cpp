#include "ledger/settlement/row_check.hpp"

#include "channel/config.hpp"

#include <cstddef>
#include <optional>
#include <utility>

namespace millrace::ledger {
namespace {

std::string more_than(channel::Amount claimed, channel::Amount limit) {
    return channel::to_string(claimed) + " is more than " + channel::to_string(limit);
}

std::optional<BadRow> fault_of(const PlannedRow& row, const chain::ChannelTotals& on_chain,
                               const channel::Digest& escrow_separator) {
    const auto& claim = row.claim;
    if (channel::channel_id(escrow_separator, claim.config) != row.id)
        return BadRow{row, RowFault::channel_id_mismatch, "the id is of another configuration"};
    if (claim.total_claimed > claim.max_claimable)
        return BadRow{row, RowFault::exceeds_ceiling,
                      more_than(claim.total_claimed, claim.max_claimable)};
    if (claim.total_claimed > on_chain.balance)
        return BadRow{row, RowFault::exceeds_balance,
                      more_than(claim.total_claimed, on_chain.balance)};
    return std::nullopt;
}

}  // namespace

std::string_view to_string(RowFault fault) {
    switch (fault) {
        case RowFault::channel_id_mismatch:
            return "channel_id_mismatch";
        case RowFault::exceeds_ceiling:
            return "exceeds_ceiling";
        case RowFault::exceeds_balance:
            return "exceeds_balance";
        case RowFault::invalid_signature:
            return "invalid_signature";
        case RowFault::signer_refused:
            return "signer_refused";
        case RowFault::reverted:
            return "reverted";
    }
    return "";
}

RowFault fault_from(std::string_view reason) {
    if (reason == "ClaimExceedsCeiling()") return RowFault::exceeds_ceiling;
    if (reason == "ClaimExceedsBalance()") return RowFault::exceeds_balance;
    if (reason == "InvalidSignature()" || reason.starts_with("ECDSAInvalidSignature"))
        return RowFault::invalid_signature;
    return RowFault::reverted;
}

CheckedRows check_rows(std::span<const PlannedRow> rows,
                       std::span<const chain::ChannelTotals> on_chain,
                       const channel::Digest& escrow_separator) {
    CheckedRows checked;
    for (std::size_t at = 0; at < rows.size() && at < on_chain.size(); ++at) {
        if (auto bad = fault_of(rows[at], on_chain[at], escrow_separator))
            checked.bad.push_back(std::move(*bad));
        else if (rows[at].claim.total_claimed <= on_chain[at].total_claimed)
            checked.claimed_already.push_back(rows[at]);
        else
            checked.sound.push_back(rows[at]);
    }
    return checked;
}

}  // namespace millrace::ledger
