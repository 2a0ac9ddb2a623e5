#include "api/gate/notices.hpp"

#include <spdlog/spdlog.h>

namespace millrace::api::gate {
namespace {

/// A service that says something else each time would fill the log.
constexpr std::size_t kSaidMax = 16;

}  // namespace

void ServiceNotices::lost(const ServiceLink& link, const std::string& what) {
    const std::lock_guard lock(mutex_);
    lost_.insert(&link);
    if (said_.size() < kSaidMax && said_.insert(what).second) spdlog::warn("{}", what);
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
    if (is_unreachable_.exchange(true)) return;
    spdlog::warn("the model server at {} cannot be reached ({}); calls get {} until it can", url_,
                 why, status);
}

void UpstreamNotices::reached() {
    if (is_unreachable_.exchange(false))
        spdlog::info("the model server at {} can be reached again", url_);
}

}  // namespace millrace::api::gate
