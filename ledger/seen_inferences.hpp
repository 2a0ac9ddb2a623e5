#pragma once

#include "channel/bytes.hpp"
#include "channel/inference.hpp"

#include <cstdint>
#include <utility>

#include <boost/unordered/unordered_flat_set.hpp>

namespace millrace::ledger {

/// Remembers, in bounded memory, roughly which inferences were used lately. A hit says "look into
/// the database"; a miss says that it is new, unless something was forgotten or was there before.
class SeenInferences {
public:
    static std::uint64_t key(const channel::ChannelId& channel,
                             const channel::InferenceId& inference) {
        return std::hash<channel::ChannelId>{}(channel)*31 +
               std::hash<channel::InferenceId>{}(inference);
    }

    bool contains(std::uint64_t key) const { return recent_.contains(key) || older_.contains(key); }

    void add(std::uint64_t key) { recent_.insert(key); }
    /// It is time to forget something.
    bool is_full() const { return recent_.size() >= kGenerationSize; }
    /// Forgets what was added before the last call.
    void forget_older() {
        has_forgotten_ = has_forgotten_ || !older_.empty();
        older_ = std::exchange(recent_, {});
    }

    bool has_forgotten() const { return has_forgotten_; }

private:
    static constexpr std::size_t kGenerationSize = 200'000;
    boost::unordered_flat_set<std::uint64_t> recent_;
    boost::unordered_flat_set<std::uint64_t> older_;
    bool has_forgotten_ = false;
};

}  // namespace millrace::ledger
