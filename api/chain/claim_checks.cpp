#include "api/chain/claim_checks.hpp"

#include "channel/hex.hpp"
#include "ledger/chain/revert.hpp"

#include <spdlog/spdlog.h>

namespace millrace::api {

namespace chain = ledger::chain;
using chain::BlockTag;
using ledger::CheckedRows;
using ledger::PlannedRow;

namespace {

Task<channel::Bytes> signed_claim_call(ChainContext& context, const ChainNetwork& network,
                                       std::span<const PlannedRow> rows) {
    auto* const signer = &context.signer;
    const auto escrow = network.escrow;
    const auto work = [rows, signer, escrow](pqxx::connection&) {
        return ledger::claim_calldata(escrow, rows, *signer);
    };
    co_return co_await context.database.run_at_once(work);
}

}  // namespace

Task<channel::Bytes> claim_call(ChainContext& context, const ChainNetwork& network,
                                std::span<const PlannedRow> rows) {
    if (context.signer.relayer() == context.signer.authorizer())
        co_return ledger::direct_claim_calldata(rows);
    co_return co_await signed_claim_call(context, network, rows);
}

Task<std::optional<CheckedRows>> ClaimChecks::check(std::vector<PlannedRow> rows) {
    CheckedRows checked;
    if (rows.empty()) co_return checked;
    const auto head = co_await network_.node.block(BlockTag::latest());
    if (!head || !*head) co_return std::nullopt;
    // What the books know is not in an older state, and would look like a fault of the rows.
    if (network_.cursor && (*head)->number < network_.cursor->block_number) co_return std::nullopt;
    const auto block = BlockTag::number((*head)->number);
    for (const auto batch : ledger::batches(rows, network_.config.claim_rows_max)) {
        std::vector<channel::ChannelId> ids;
        for (const auto& row : batch) ids.push_back(row.id);
        const auto totals = co_await network_.node.many_channel_totals(std::move(ids), block);
        if (!totals) co_return std::nullopt;
        const auto compared = ledger::check_rows(batch, *totals, network_.escrow_separator);
        checked.bad.insert(checked.bad.end(), compared.bad.begin(), compared.bad.end());
        checked.claimed_already.insert(checked.claimed_already.end(),
                                       compared.claimed_already.begin(),
                                       compared.claimed_already.end());
        if (compared.sound.empty()) continue;
        if (co_await bisect(compared.sound, block, checked) == Tried::node_failed)
            co_return std::nullopt;
    }
    co_return checked;
}

/// Halves what the contract or the signer refuses until the bad row stands alone. Tried with a
/// signature also where none will be sent, because the signer judges the rows of both alike.
Task<ClaimChecks::Tried> ClaimChecks::bisect(std::span<const PlannedRow> rows, BlockTag block,
                                             CheckedRows& checked) {
    std::optional<channel::Bytes> call;
    auto fault = ledger::RowFault::reverted;
    std::string objection;
    try {
        call = co_await signed_claim_call(context_, network_, rows);
    } catch (const chain::SignerRefused& error) {
        objection = error.what();
        fault = ledger::RowFault::signer_refused;
    }
    if (call) {
        const auto tried = co_await network_.node.call(network_.config.contract, *call, block,
                                                       ledger::claim_gas_max(rows));
        if (tried) {
            checked.sound.insert(checked.sound.end(), rows.begin(), rows.end());
            co_return Tried::done;
        }
        const bool too_dear = tried.error().ran_out_of_gas();
        if (!tried.error().reverted() && !too_dear) {
            spdlog::warn("{}: a claim cannot be simulated: {}", network_.node.name(),
                         tried.error().message);
            co_return Tried::node_failed;
        }
        objection = too_dear ? std::string("it needs more gas than a claim may cost")
                             : chain::revert_reason(tried.error().data);
        fault = ledger::fault_from(objection);
    }
    if (rows.size() == 1) {
        checked.bad.push_back({rows.front(), fault, std::move(objection)});
        co_return Tried::done;
    }
    const auto half = rows.size() / 2;
    const auto first = co_await bisect(rows.first(half), block, checked);
    if (first == Tried::node_failed) co_return first;
    co_return co_await bisect(rows.subspan(half), block, checked);
}

}  // namespace millrace::api
