#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>

namespace millrace::ledger {

/// What this process has acknowledged and not posted yet. Here meet the shards, which add to it,
/// whoever posts it, and those who need the ledger up to date. From any thread.
class Backlog {
public:
    using Clock = std::chrono::steady_clock;
    /// So few are posted in some hundredths of a second, for which others may be kept waiting.
    static constexpr std::size_t kFew = 1024;
    /// So long those whom others wait for wait for it: shorter than a lease lasts.
    static constexpr std::chrono::milliseconds kPatience{2000};
    /// So long after somebody has asked, there is room for a few only.
    static constexpr std::chrono::milliseconds kDrainedWithin{5000};

    /// Payments that end at this number are acknowledged: told in the order of commits.
    void acknowledged(std::int64_t last, std::size_t payments);
    /// Waits until all that is acknowledged by now is posted, without delay. False when it is not
    /// within `patience`, and at once when the last attempt to post failed.
    bool wait_until_posted(std::chrono::milliseconds patience);
    /// There are only a few.
    bool is_short() const;
    /// Has all that is acknowledged posted without delay, and says whether to wait for it now: only
    /// a few are left, or hardly more because others have been asking for `kDrainedWithin`, or
    /// nothing can be posted. Until then there is less and less room.
    bool drain();
    /// Waits until `drain` says so.
    void wait_until_drained();
    /// Nothing up to this number waits.
    bool is_posted(std::int64_t last) const;
    /// Waits while there is more than should be lost sight of. False as above.
    bool wait_for_room(std::chrono::milliseconds patience);

    /// For whoever posts: waits until the oldest has waited for `within`, or there is much, or
    /// somebody waits for it. False when `close` was called and nothing is left.
    bool wait_for_work(std::chrono::milliseconds within);
    /// So much that what is posted at once should be acknowledged again soon.
    bool is_much() const;
    /// For whoever is posting: waits so long. False, and not so long, when somebody waits for it or
    /// there is much.
    bool rest(Clock::duration time);
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
    bool has_few() const { return payments_ <= kFew; }
    bool has_much() const;
    bool is_waited_for() const;
    bool is_urgent() const;
    bool go_on_draining();
    void want_all();
    /// How long it has been draining, if it is.
    std::optional<Clock::duration> draining() const;
    std::size_t room() const;
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
    /// When somebody asked first.
    std::optional<Clock::time_point> drained_since_;
    bool failed_ = false;
    bool closing_ = false;
};

}  // namespace millrace::ledger
