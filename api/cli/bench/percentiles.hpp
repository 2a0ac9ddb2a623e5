#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace millrace::api::bench {

/// Latencies in microseconds, in buckets whose width grows with what is in them: percentiles are
/// exact below 256 µs and within half a per cent above, at 26 KiB for any number of them. Count and
/// maximum are exact.
class Latencies {
public:
    Latencies();

    void add(std::uint32_t microseconds);
    /// Of more than 71 minutes it is 71 minutes, of less than none it is none.
    void add(std::chrono::steady_clock::duration time);
    void add(const Latencies& more);
    std::uint64_t count() const { return count_; }
    std::uint32_t max() const { return max_; }

    /// `per_mille` 500 is the median; 0 when there are none.
    std::uint32_t percentile(unsigned per_mille) const;

private:
    std::vector<std::uint64_t> buckets_;
    std::uint64_t count_ = 0;
    std::uint32_t max_ = 0;
};

}  // namespace millrace::api::bench
