#pragma once

#include "channel/bytes.hpp"
#include "channel/inference.hpp"

#include <cstdint>
#include <unordered_set>

namespace millrace::ledger {

/// Remembers, in bounded memory, roughly which inferences were used lately. A hit says "look into
/// the database", a miss says nothing: the unique key of the table has the last word.
class SeenInferences {
public:
    static std::uint64_t key(const channel::ChannelId& channel,
                             const channel::InferenceId& inference) {
        return std::hash<channel::ChannelId>{}(channel)*31 +
               std::hash<channel::InferenceId>{}(inference);
    }

    bool contains(std::uint64_t key) const { return recent_.contains(key) || older_.contains(key); }

    void add(std::uint64_t key) {
        if (recent_.size() >= kGenerationSize) {
            older_ = std::move(recent_);
            recent_.clear();
        }
        recent_.insert(key);
    }

private:
    static constexpr std::size_t kGenerationSize = 200'000;
    std::unordered_set<std::uint64_t> recent_;
    std::unordered_set<std::uint64_t> older_;
};

}  // namespace millrace::ledger
