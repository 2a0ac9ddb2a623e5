#pragma once

#include "ledger/channel_batch.hpp"
#include "ledger/payment_history.hpp"
#include "ledger/seen_inferences.hpp"
#include "ledger/seen_steps.hpp"

#include <cstdint>
#include <deque>
#include <vector>

namespace millrace::ledger {

/// Of which inferences the history is read before a batch is decided.
enum class Lookup { suspects, everything };

/// What a shard remembers of the inferences that were paid for on its channels, by which it tells
/// what is certainly new from what has to be looked up.
class KnownInferences {
public:
    /// Marks the payments whose inferences may have been paid for before, and gives these.
    std::vector<InferenceKey> mark(std::deque<BatchItem>& items, const LiveChannels& channels,
                                   Lookup lookup) const;

    /// Its history would be looked up, and steps of it were seen.
    bool may_be_repeat(const PaymentRequest& request, const LiveChannels& channels) const;

    /// Those of the items that were refused though they may have been accepted before, if memory
    /// has forgotten it.
    std::vector<InferenceKey> doubtful(const std::deque<BatchItem>& items,
                                       const LiveChannels& channels) const;

    /// Not all that was paid on the channel is remembered.
    bool may_be_of_old(const channel::ChannelId& id, const LiveChannels& channels) const;
    bool has_seen(const InferenceKey& key) const;

    /// What became of a batch that is committed.
    void remember(const std::deque<BatchItem>& items, const LiveChannels& channels);

    /// Inferences are forgotten a generation at a time. That is due, and may be done once those of
    /// the older one are posted.
    bool is_full() const { return seen_.is_full(); }
    void forget_older() { seen_.forget_older(); }

private:
    bool is_suspect(const PaymentRequest& request, std::uint64_t key,
                    const LiveChannels& channels) const;

    SeenInferences seen_;
    SeenSteps steps_;
};

}  // namespace millrace::ledger
