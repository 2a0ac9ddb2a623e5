#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>

namespace millrace::ledger {

/// What this process has acknowledged and not posted yet. Here meet the shards, which add to it,
/// whoever posts it, and those who need the ledger up to date. From any thread.
class Backlog {
public:
    using Clock = std::chrono::steady_clock;

    /// Payments that end at this number are acknowledged: told in the order of commits.
    void acknowledged(std::int64_t last, std::size_t payments);
    /// Waits until all that is acknowledged by now is posted, without delay. False when it is not
    /// within `patience`, and at once when the last attempt to post failed.
    bool wait_until_posted(std::chrono::milliseconds patience);
    /// Nothing up to this number waits.
    bool is_posted(std::int64_t last) const;
    /// Waits while there is more than should be lost sight of. False as above.
    bool wait_for_room(std::chrono::milliseconds patience);

    /// For whoever posts: waits until the oldest has waited for `within`, or there is much, or
    /// somebody waits for it. False when `close` was called and nothing is left.
    bool wait_for_work(std::chrono::milliseconds within);
    /// Everything up to this number is posted.
    void posted(std::int64_t last);
    /// Nothing can be posted for now.
    void failed();
    /// From now on all is posted without delay.
    void close();
    /// True as soon as `close` was called, false after `patience`.
    bool wait_for_close(std::chrono::milliseconds patience);

    std::size_t payments() const;

private:
    struct Part {
        std::int64_t last;
        std::size_t payments;
        Clock::time_point since;
    };
    bool is_urgent() const;
    bool waits(std::int64_t last) const { return !parts_.empty() && parts_.front().last <= last; }

    mutable std::mutex mutex_;
    std::condition_variable added_;
    std::condition_variable posted_;
    std::deque<Part> parts_;
    std::size_t payments_ = 0;
    /// What is posted may be told before it is told to be acknowledged.
    std::int64_t posted_until_ = 0;
    /// Up to here somebody waits.
    std::int64_t wanted_ = 0;
    bool failed_ = false;
    bool closing_ = false;
};

}  // namespace millrace::ledger
