#pragma once

#include "api/chain/chain_context.hpp"
#include "ledger/settlement/row_check.hpp"

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace millrace::api {

/// The call that claims these rows: by the receiver authorizer itself where that is who sends, else
/// on its signature. Throws as `chain::Signer` does.
Task<channel::Bytes> claim_call(ChainContext& context, const ChainNetwork& network,
                                std::span<const ledger::PlannedRow> rows);

/// Tries rows against the contract before they are sent, all as of one block: one row that the
/// contract or the signer refuses would take its whole batch down (x402-batch-settlement, Contract
/// behaviour).
class ClaimChecks {
public:
    ClaimChecks(ChainContext& context, ChainNetwork& network)
        : context_(context), network_(network) {}

    /// Sound rows stay in their order. Nullopt when the nodes cannot be asked or do not agree;
    /// throws SignerUnavailable.
    Task<std::optional<ledger::CheckedRows>> check(std::vector<ledger::PlannedRow> rows);

private:
    enum class Tried { done, node_failed };

    Task<Tried> bisect(std::span<const ledger::PlannedRow> rows, ledger::chain::BlockTag block,
                       ledger::CheckedRows& checked);

    ChainContext& context_;
    ChainNetwork& network_;
};

}  // namespace millrace::api
