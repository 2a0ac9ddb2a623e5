#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace millrace::api::bench {

/// All latencies of a run in microseconds, kept one by one: exact percentiles at 4 bytes each.
class Latencies {
public:
    void add(std::uint32_t microseconds) { all_.push_back(microseconds); }
    void add(const Latencies& more) { all_.insert(all_.end(), more.all_.begin(), more.all_.end()); }
    std::size_t count() const { return all_.size(); }
    void clear() { all_.clear(); }

    /// `per_mille` 500 is the median; 0 when there are none.
    std::uint32_t percentile(unsigned per_mille) {
        if (all_.empty()) return 0;
        const auto at = std::min(all_.size() - 1, all_.size() * per_mille / 1000);
        std::nth_element(all_.begin(), all_.begin() + static_cast<std::ptrdiff_t>(at), all_.end());
        return all_[at];
    }

private:
    std::vector<std::uint32_t> all_;
};

}  // namespace millrace::api::bench
