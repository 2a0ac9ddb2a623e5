#include "ledger/backlog.hpp"

#include "ledger/poster.hpp"

#include <algorithm>

namespace millrace::ledger {
namespace {

/// More are not held back: repeats of them are told from memory.
constexpr std::size_t kMost = 100'000;

}  // namespace

void Backlog::acknowledged(std::int64_t last, std::size_t payments) {
    const std::lock_guard lock(mutex_);
    if (last <= posted_until_) return;
    const bool was_empty = parts_.empty();
    parts_.push_back({last, payments, Clock::now()});
    payments_ += payments;
    if (was_empty || is_urgent()) added_.notify_one();
}

bool Backlog::wait_until_posted(std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    if (parts_.empty()) return true;
    const auto last = parts_.back().last;
    wanted_ = std::max(wanted_, last);
    added_.notify_one();
    posted_.wait_for(lock, patience, [&] { return failed_ || !waits(last); });
    return !waits(last);
}

bool Backlog::is_posted(std::int64_t last) const {
    const std::lock_guard lock(mutex_);
    return !waits(last);
}

bool Backlog::wait_for_room(std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    posted_.wait_for(lock, patience, [&] { return failed_ || payments_ < kMost; });
    return payments_ < kMost;
}

bool Backlog::is_urgent() const {
    return !parts_.empty() &&
           (closing_ || payments_ >= Poster::kPaymentsMax || parts_.front().last <= wanted_);
}

bool Backlog::wait_for_work(std::chrono::milliseconds within) {
    std::unique_lock lock(mutex_);
    added_.wait(lock, [this] { return closing_ || !parts_.empty(); });
    if (parts_.empty()) return false;
    added_.wait_until(lock, parts_.front().since + within, [this] { return is_urgent(); });
    return true;
}

void Backlog::posted(std::int64_t last) {
    {
        const std::lock_guard lock(mutex_);
        posted_until_ = std::max(posted_until_, last);
        failed_ = false;
        while (!parts_.empty() && parts_.front().last <= last) {
            payments_ -= parts_.front().payments;
            parts_.pop_front();
        }
    }
    posted_.notify_all();
}

void Backlog::failed() {
    {
        const std::lock_guard lock(mutex_);
        failed_ = true;
    }
    posted_.notify_all();
}

void Backlog::close() {
    {
        const std::lock_guard lock(mutex_);
        closing_ = true;
    }
    added_.notify_all();
}

bool Backlog::wait_for_close(std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    return added_.wait_for(lock, patience, [this] { return closing_; });
}

std::size_t Backlog::payments() const {
    const std::lock_guard lock(mutex_);
    return payments_;
}

}  // namespace millrace::ledger
