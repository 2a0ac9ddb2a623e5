#pragma once

#include "ledger/channel_batch.hpp"

#include <cstdint>

namespace millrace::ledger {

/// The answer to a request whose batch is about to be committed. Its number counts from the
/// batch's beginning until `count_from` is called. `channel` is null when the request is of none.
Answer draft_answer(const BatchItem& item, const LiveChannel* channel);

/// Moves a draft's number above `base`, the last one given before the batch. An answer that repeats
/// an earlier batch's keeps that one's.
void count_from(std::int64_t base, Answer& draft, const BatchItem& item);

Answer refuse(const Request& request, channel::Error error);

}  // namespace millrace::ledger
