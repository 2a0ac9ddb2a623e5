#include "api/gate/charged_before.hpp"

namespace millrace::api::gate {
namespace {

constexpr std::chrono::minutes kGoodFor{1};

}  // namespace

void ChargedBefore::note(const channel::ChannelId& id, Figures figures, Clock::time_point now) {
    const std::lock_guard lock(mutex_);
    if (all_.size() >= most_ && !all_.contains(id)) all_.clear();
    all_.insert_or_assign(id, Noted{figures, now});
}

bool ChargedBefore::expects(const channel::ChannelId& id, channel::Amount max_claimable,
                            channel::Amount ceiling, Clock::time_point now) {
    const std::lock_guard lock(mutex_);
    const auto found = all_.find(id);
    if (found == all_.end()) return false;
    const auto& [figures, at] = found->second;
    const auto next = channel::add(figures.charged, ceiling);
    if (now - at > kGoodFor || !next || *next != max_claimable || *next > figures.balance)
        return false;
    all_.erase(found);
    return true;
}

void ChargedBefore::forget(const channel::ChannelId& id) {
    const std::lock_guard lock(mutex_);
    all_.erase(id);
}

}  // namespace millrace::api::gate
