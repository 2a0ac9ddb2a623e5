#include "api/waiting_requests.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace millrace::api {
namespace {

/// What one transaction should hold.
class FillingBatch {
public:
    /// Moves it in, if there is room for it.
    bool take(ledger::Request& request) {
        /// More than this in one transaction gains nothing and makes the first of them wait.
        constexpr std::size_t kMost = 8000;
        /// Each channel costs a signature check. With more of them in a batch, the cores that
        /// commit and answer have nothing to do for too long, and then too much at once.
        constexpr std::size_t kChannelsMost = 192;
        if (requests_.size() == kMost) return false;
        if (const auto* id = channel_of(request); id && !channels_.contains(*id)) {
            if (channels_.size() == kChannelsMost) return false;
            channels_.insert(*id);
        }
        requests_.push_back(std::move(request));
        return true;
    }
    std::vector<ledger::Request> requests() { return std::move(requests_); }

private:
    std::unordered_set<channel::ChannelId> channels_;
    std::vector<ledger::Request> requests_;
};

}  // namespace

void WaitingRequests::add(std::vector<ledger::Request>& arrived) {
    std::move(arrived.begin(), arrived.end(), std::back_inserter(next_));
    arrived.clear();
}

bool WaitingRequests::goes_aside(const ledger::Request& request, const Test& must_wait) const {
    const auto* id = channel_of(request);
    return (id && aside_channels_.contains(*id)) || must_wait(request);
}

std::vector<ledger::Request> WaitingRequests::take_next(const Test& must_wait) {
    FillingBatch batch;
    for (; !next_.empty(); next_.pop_front()) {
        auto& oldest = next_.front();
        if (goes_aside(oldest, must_wait)) {
            if (const auto* id = channel_of(oldest)) aside_channels_.insert(*id);
            aside_.push_back(std::move(oldest));
        } else if (!batch.take(oldest)) {
            break;
        }
        if (looked_at_ > 0) --looked_at_;
    }
    return batch.requests();
}

std::vector<ledger::Request> WaitingRequests::take_aside() {
    FillingBatch batch;
    while (!aside_.empty() && batch.take(aside_.front())) aside_.pop_front();
    if (aside_.empty()) aside_channels_.clear();
    return batch.requests();
}

std::vector<ledger::Request*> WaitingRequests::look_ahead(std::size_t least, std::size_t most) {
    std::vector<ledger::Request*> ahead;
    const auto until = std::min(looked_at_ + most, next_.size());
    if (until - looked_at_ < least) return ahead;
    for (; looked_at_ < until; ++looked_at_) ahead.push_back(&next_[looked_at_]);
    return ahead;
}

}  // namespace millrace::api
