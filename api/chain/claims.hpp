#pragma once

#include "api/chain/chain_context.hpp"
#include "api/chain/chain_service.hpp"
#include "api/chain/claim_checks.hpp"
#include "api/chain/outbox_sender.hpp"
#include "ledger/settlement/due.hpp"

#include <chrono>
#include <optional>
#include <span>
#include <vector>

namespace millrace::api {

/// Claims what receivers of one network have earned and sweeps it to them: when asked, by interval,
/// by threshold, and at once when a payer withdraws.
class Claims {
public:
    template <class T>
    using Outcome = ChainService::Outcome<T>;

    Claims(ChainContext& context, ChainNetwork& network, OutboxSender& sender);

    /// Claims and sweeps all that is due to the receiver in one asset. `nothing_to_settle`,
    /// `rpc_read_failed`.
    Task<Outcome<ClaimSummary>> claim(const ledger::Asset& asset, channel::Address receiver);

    /// Claims what is due without being asked.
    Task<void> automatic();
    /// Of channels that are being withdrawn from alone: their window is the withdraw delay,
    /// whatever the interval.
    Task<void> claim_closing();
    /// While the chain cannot be followed, nobody knows who withdraws: everything, now and then.
    Task<void> claim_blindly();

private:
    struct Work {
        std::vector<ledger::PlannedRow> rows;
        bool another_on_its_way = false;
        bool unswept = false;
    };

    Task<Outcome<ClaimSummary>> claim_on(ledger::Occasion occasion, const ledger::Asset& asset,
                                         channel::Address receiver);
    ledger::ClaimPolicy policy(ledger::Occasion occasion, const ledger::Asset& asset) const;
    Task<Work> read_due(ledger::Occasion occasion, const ledger::Asset& asset,
                        channel::Address receiver);
    Task<bool> check(const ledger::Asset& asset, std::vector<ledger::PlannedRow>& rows);
    /// Transactions that a trial has found good, and the rows that are in them.
    struct Drafted {
        std::vector<ledger::OutboxDraft> drafts;
        std::vector<ledger::PlannedRow> rows;
        /// How many of the rows each of them has, as in NewClaim.
        std::vector<std::size_t> batches;
        std::vector<ledger::BadRow> bad;
        /// One of them sweeps, or the token refuses that.
        bool sweep_is_settled = false;
    };
    Task<std::optional<Drafted>> drafts_for(const ledger::Asset& asset, channel::Address receiver,
                                            const std::vector<ledger::PlannedRow>& rows);
    Task<bool> draft_rows(std::span<const ledger::PlannedRow> rows, const channel::Bytes* sweep,
                          Drafted& drafted);
    Task<ledger::chain::RpcResult<ledger::OutboxDraft>> draft(channel::Bytes call,
                                                              std::size_t weight);
    Task<void> leave_out(const ledger::Asset& asset, std::vector<ledger::BadRow> bad);
    Task<ledger::RecordedClaim> record(const ledger::Asset& asset, channel::Address receiver,
                                       Drafted drafted, channel::Amount amount);
    Task<void> claim_earned(ledger::Occasion occasion, const ledger::Asset& asset,
                            channel::Amount amount_min);
    Task<void> claim_and_log(ledger::Occasion occasion, const ledger::Asset& asset,
                             channel::Address receiver);

    ChainContext& context_;
    ChainNetwork& network_;
    OutboxSender& sender_;
    ClaimChecks checks_;
    std::chrono::steady_clock::time_point last_interval_;
    std::chrono::steady_clock::time_point last_closing_;
    std::chrono::steady_clock::time_point last_followed_;
};

ClaimSummary summary_of(const ledger::ClaimRecord& record);

}  // namespace millrace::api
