#include "api/gate/notices.hpp"

#include <spdlog/spdlog.h>

namespace millrace::api::gate {

using std::chrono::steady_clock;

namespace {

/// A service that says something else each time would fill the log.
constexpr std::size_t kSaidMax = 16;
constexpr std::chrono::minutes kSaidFor{1};
constexpr std::chrono::seconds kTroubleMin{2};

}  // namespace

void ServiceNotices::lost(const ServiceLink& link, const std::string& what) {
    const std::lock_guard lock(mutex_);
    lost_.insert(&link);
    const auto now = steady_clock::now();
    std::erase_if(said_, [&](const auto& one) { return one.second + kSaidFor < now; });
    if (said_.size() < kSaidMax && said_.emplace(what, now).second) spdlog::warn("{}", what);
}

void ServiceNotices::up(const ServiceLink& link) {
    const std::lock_guard lock(mutex_);
    const bool was_lost = lost_.erase(&link) > 0;
    if (was_lost && lost_.empty()) {
        said_.clear();
        spdlog::info("the payment stream is up{}", has_been_up_ ? " again" : "");
    }
    has_been_up_ = true;
}

void UpstreamNotices::unreachable(const std::string& why, unsigned status) {
    const std::lock_guard lock(mutex_);
    if (unreachable_since_) return;
    unreachable_since_ = steady_clock::now();
    spdlog::warn("the model server at {} cannot be reached ({}); calls get {} until it can", url_,
                 why, status);
}

void UpstreamNotices::reached() {
    const std::lock_guard lock(mutex_);
    if (!unreachable_since_ || *unreachable_since_ + kTroubleMin > steady_clock::now()) return;
    unreachable_since_.reset();
    spdlog::info("the model server at {} can be reached again", url_);
}

bool UpstreamNotices::is_unreachable() const {
    const std::lock_guard lock(mutex_);
    return unreachable_since_.has_value();
}

}  // namespace millrace::api::gate
