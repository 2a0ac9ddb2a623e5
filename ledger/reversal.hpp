#pragma once

#include "channel/result.hpp"
#include "channel/state.hpp"
#include "channel/step.hpp"
#include "ledger/batch.hpp"
#include "ledger/posted_event.hpp"

namespace millrace::ledger {

/// Undoes a posted event of a channel in its state. `amount_out_of_range` when the state does not
/// have what the event did, or when it is an opening: that is not undone alone.
channel::Result<channel::ChainEffect> undo(channel::State& state, const PostedEvent& event);

/// What a channel is charged more or less because of an undone event.
struct Adjustment {
    AccountKey debit;
    AccountKey credit;
    channel::Amount amount;
    std::string_view cause;
};

/// Adds the rows that undo an event: the mark, and each of its transfers the other way, referring
/// to it. What the event had charged beside goes back by the adjustments: one that is exactly such
/// a transfer the other way refers to it as well. Gives the next free leg. The batch refers to the
/// event until it is committed.
std::int32_t add_reversal(Batch& batch, Ordinal ordinal, const PostedEvent& event,
                          const std::vector<Adjustment>& adjustments);

}  // namespace millrace::ledger
