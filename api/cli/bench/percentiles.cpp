#include "api/cli/bench/percentiles.hpp"

#include <algorithm>
#include <bit>
#include <limits>

namespace millrace::api::bench {
namespace {

/// A bucket holds values that have these leading bits, and any below them, in common.
constexpr unsigned kLeadingBits = 8;
constexpr std::uint32_t kHalf = 1u << (kLeadingBits - 1);
constexpr std::size_t kBuckets = (32 - kLeadingBits + 2) * std::size_t{kHalf};

unsigned dropped_bits(std::uint32_t value) {
    const auto width = static_cast<unsigned>(std::bit_width(value));
    return width > kLeadingBits ? width - kLeadingBits : 0;
}

std::size_t bucket_of(std::uint32_t value) {
    const auto dropped = dropped_bits(value);
    return dropped * std::size_t{kHalf} + (value >> dropped);
}

/// The inverse: the middle of what falls into a bucket.
std::uint32_t middle_of(std::size_t bucket) {
    if (bucket < 2 * kHalf) return static_cast<std::uint32_t>(bucket);
    const auto dropped = bucket / kHalf - 1;
    const auto leading = kHalf + bucket % kHalf;
    return static_cast<std::uint32_t>((leading << dropped) + (std::size_t{1} << dropped) / 2);
}

}  // namespace

Latencies::Latencies() : buckets_(kBuckets) {}

void Latencies::add(std::uint32_t microseconds) {
    ++buckets_[bucket_of(microseconds)];
    ++count_;
    max_ = std::max(max_, microseconds);
}

void Latencies::add(std::chrono::steady_clock::duration time) {
    const auto exact = std::chrono::duration_cast<std::chrono::microseconds>(time).count();
    add(static_cast<std::uint32_t>(
        std::clamp<std::int64_t>(exact, 0, std::numeric_limits<std::uint32_t>::max())));
}

void Latencies::add(const Latencies& more) {
    for (std::size_t at = 0; at < kBuckets; ++at) buckets_[at] += more.buckets_[at];
    count_ += more.count_;
    max_ = std::max(max_, more.max_);
}

std::uint32_t Latencies::percentile(unsigned per_mille) const {
    if (count_ == 0) return 0;
    // Without a product that overflows, and the last one for 1000.
    const auto whole = count_ / 1000 * per_mille + count_ % 1000 * per_mille / 1000;
    auto before = std::min(count_ - 1, whole);
    for (std::size_t at = 0; at < kBuckets; ++at) {
        if (before < buckets_[at]) return std::min(middle_of(at), max_);
        before -= buckets_[at];
    }
    return max_;
}

}  // namespace millrace::api::bench
