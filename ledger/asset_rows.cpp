#include "ledger/asset_rows.hpp"

#include "ledger/reversal.hpp"

#include <algorithm>

namespace millrace::ledger {
namespace {

void add_posted(Batch& batch, const BatchItem& item, const PostAssetEvent& posted,
                const Asset& asset, const ClaimedBalance& claimed) {
    const auto record = [&](const char* kind, channel::Amount amount) {
        const auto inclusions = item.standing.inclusions;
        batch.chain_events.push_back(
            {item.ordinal, asset.network, posted.log, kind, {}, amount, inclusions, 0});
    };
    if (const auto* settled = std::get_if<Settled>(&posted.event)) {
        // The contract sweeps all that the receiver ever claimed; ours is what we booked.
        const auto amount = std::min(settled->amount, claimed(asset.id, settled->receiver));
        add_transfer(batch, {item.ordinal, 0, claimed_account(asset.id, settled->receiver),
                             escrow_account(asset.id), amount, "settle", item.ordinal});
        record("settled", settled->amount);
    } else if (const auto* fee = std::get_if<FeePaid>(&posted.event)) {
        add_transfer(batch, {item.ordinal, 0, gas_account(asset.id), wallet_account(asset.id),
                             fee->amount, "fee", item.ordinal});
        record("fee_paid", fee->amount);
    }
}

}  // namespace

void add_asset_rows(Batch& batch, std::deque<BatchItem>& items, const Assets& assets,
                    const ClaimedBalance& claimed) {
    for (auto& item : items) {
        if (std::holds_alternative<UndoAssetEvent>(*item.request)) {
            if (item.undoes)
                add_reversal(batch, item.ordinal, *item.undoes, {});
            else
                item.outcome = BatchItem::Nothing{};
            continue;
        }
        const auto* posted = std::get_if<PostAssetEvent>(item.request);
        if (!posted) continue;
        if (item.suspect)
            item.outcome = BatchItem::Nothing{};
        else if (item.standing.kind == Standing::elsewhere)
            item.outcome = channel::Refusal{channel::Error::idempotency_conflict};
        else
            add_posted(batch, item, *posted, assets.at(posted->asset_id), claimed);
    }
}

}  // namespace millrace::ledger
