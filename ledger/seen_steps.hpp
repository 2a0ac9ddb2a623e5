#pragma once

#include "channel/bytes.hpp"
#include "channel/inference.hpp"
#include "channel/state.hpp"
#include "ledger/batch.hpp"

#include <algorithm>
#include <unordered_map>
#include <vector>

namespace millrace::ledger {

/// What the steps of open reservations were about, so that a charge that goes on is told from a
/// repeat without a look into the database. Knows only reservations that were made while it was
/// there.
class SeenSteps {
public:
    /// All steps of the inference are known, and none is about this.
    bool is_new(const channel::ChannelId& channel, const channel::InferenceId& inference,
                const ContentHash& content) const {
        const auto of_channel = steps_.find(channel);
        if (of_channel == steps_.end()) return false;
        const auto found = of_channel->second.find(inference);
        if (found == of_channel->second.end()) return false;
        const auto& seen = found->second;
        return std::find(seen.begin(), seen.end(), content) == seen.end();
    }

    /// A step was committed, and `after` is what the channel came to.
    void add(const channel::ChannelId& channel, const channel::InferenceId& inference,
             const ContentHash& content, std::int32_t step, const channel::State& after) {
        const bool is_first = step == 0;
        const bool is_open = after.reservations.contains(inference);
        if (is_first && is_open) steps_[channel][inference] = {content};
        const auto of_channel = steps_.find(channel);
        if (is_first || of_channel == steps_.end()) return;
        auto& inferences = of_channel->second;
        const auto found = inferences.find(inference);
        if (found == inferences.end()) return;
        found->second.push_back(content);
        if (!is_open || found->second.size() > kStepsMax) inferences.erase(found);
        if (inferences.empty()) steps_.erase(of_channel);
    }

    /// Reservations that something else has ended are forgotten.
    void forget_ended(const channel::ChannelId& channel, const channel::State& after) {
        const auto of_channel = steps_.find(channel);
        if (of_channel == steps_.end()) return;
        std::erase_if(of_channel->second,
                      [&](const auto& one) { return !after.reservations.contains(one.first); });
        if (of_channel->second.empty()) steps_.erase(of_channel);
    }

private:
    /// Of one inference; of what has more, repeats are looked up.
    static constexpr std::size_t kStepsMax = 256;
    std::unordered_map<channel::ChannelId,
                       std::unordered_map<channel::InferenceId, std::vector<ContentHash>>>
        steps_;
};

}  // namespace millrace::ledger
