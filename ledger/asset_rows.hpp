#pragma once

#include "ledger/asset.hpp"
#include "ledger/batch.hpp"
#include "ledger/channel_batch.hpp"

#include <deque>
#include <functional>

namespace millrace::ledger {

/// What the books have of a receiver as claimed and not yet swept.
using ClaimedBalance =
    std::function<channel::Amount(std::int32_t asset_id, const channel::Address& receiver)>;

/// Adds the rows of what the chain says of no channel: sweeps and fees, posted or undone. Those
/// that were posted before, or elsewhere, come to nothing or are refused.
void add_asset_rows(Batch& batch, std::deque<BatchItem>& items, const Assets& assets,
                    const ClaimedBalance& claimed);

}  // namespace millrace::ledger
