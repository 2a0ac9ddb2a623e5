#include "ledger/backlog.hpp"

#include "ledger/poster.hpp"

#include <algorithm>

namespace millrace::ledger {
namespace {

/// More are not held back: repeats of them are told from memory.
constexpr std::size_t kMost = 100'000;
using namespace std::chrono_literals;

}  // namespace

void Backlog::acknowledged(std::int64_t last, std::size_t payments) {
    const std::lock_guard lock(mutex_);
    if (last <= posted_until_) return;
    const bool was_empty = parts_.empty();
    parts_.push_back({last, payments, Clock::now()});
    payments_ += payments;
    if (draining()) wanted_ = last;
    if (was_empty || is_urgent()) added_.notify_one();
}

bool Backlog::wait_until_posted(std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    if (parts_.empty()) return true;
    const auto last = parts_.back().last;
    want_all();
    posted_.wait_for(lock, patience, [&] { return failed_ || !waits(last); });
    return !waits(last);
}

void Backlog::want_all() {
    wanted_ = parts_.back().last;
    added_.notify_one();
}

bool Backlog::drain() {
    const std::lock_guard lock(mutex_);
    return go_on_draining();
}

bool Backlog::go_on_draining() {
    if (failed_ || has_few()) {
        drained_since_.reset();
        return true;
    }
    want_all();
    if (const auto time = draining()) return *time >= kDrainedWithin;
    drained_since_ = Clock::now();
    return false;
}

std::optional<Backlog::Clock::duration> Backlog::draining() const {
    if (!drained_since_) return std::nullopt;
    const auto time = Clock::now() - *drained_since_;
    // Whoever asked has had the time to be done, or has given up.
    if (time >= kDrainedWithin + kPatience) return std::nullopt;
    return time;
}

void Backlog::wait_until_drained() {
    std::unique_lock lock(mutex_);
    // Asked anew after each posting, for what has come meanwhile.
    posted_.wait_for(lock, kDrainedWithin, [this] { return go_on_draining(); });
}

bool Backlog::is_short() const {
    const std::lock_guard lock(mutex_);
    return has_few();
}

std::size_t Backlog::room() const {
    const auto time = draining();
    if (!time) return kMost;
    const auto left = std::max(kDrainedWithin - *time, Clock::duration{}) / 1ms;
    const auto most =
        kMost * static_cast<std::size_t>(left) / static_cast<std::size_t>(kDrainedWithin.count());
    return std::max(kFew, most);
}

bool Backlog::is_posted(std::int64_t last) const {
    const std::lock_guard lock(mutex_);
    return !waits(last);
}

bool Backlog::wait_for_room(std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    posted_.wait_for(lock, patience, [this] { return failed_ || payments_ < room(); });
    return payments_ < room();
}

bool Backlog::is_waited_for() const {
    return closing_ || (!parts_.empty() && parts_.front().last <= wanted_);
}

bool Backlog::is_urgent() const {
    return !parts_.empty() && (payments_ >= Poster::kPaymentsMax || is_waited_for());
}

bool Backlog::is_much() const {
    const std::lock_guard lock(mutex_);
    return has_much();
}

bool Backlog::has_much() const {
    return payments_ >= kMost / 2;
}

bool Backlog::rest(Clock::duration time) {
    std::unique_lock lock(mutex_);
    return !added_.wait_for(lock, time, [this] { return has_much() || is_waited_for(); });
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
        drained_since_.reset();
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
