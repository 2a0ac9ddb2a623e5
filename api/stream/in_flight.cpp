#include "api/stream/in_flight.hpp"

#include <utility>

namespace millrace::api::stream {

std::uint64_t InFlight::open(Pending pending) {
    if (free_.empty()) {
        free_.push_back(static_cast<std::uint32_t>(slots_.size()));
        slots_.emplace_back();
    }
    const auto index = free_.back();
    free_.pop_back();
    auto& slot = slots_[index];
    slot.used = true;
    ++slot.generation;
    slot.pending = std::move(pending);
    return std::uint64_t{slot.generation} << 32 | index;
}

std::optional<Pending> InFlight::close(std::uint64_t number) {
    const auto index = static_cast<std::uint32_t>(number);
    if (index >= slots_.size()) return std::nullopt;
    auto& slot = slots_[index];
    if (!slot.used || slot.generation != number >> 32) return std::nullopt;
    slot.used = false;
    free_.push_back(index);
    return std::move(slot.pending);
}

}  // namespace millrace::api::stream
