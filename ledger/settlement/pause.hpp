#pragma once

#include <algorithm>
#include <chrono>

namespace millrace::ledger {

/// After so many failures: `first` after one, doubled with each further one, at most `longest`.
inline std::chrono::seconds pause_after(unsigned failures, std::chrono::seconds first,
                                        std::chrono::seconds longest) {
    // More would not fit, and is beyond any `longest`.
    constexpr unsigned kDoublingsMax = 16;
    const auto doublings = std::min(std::max(failures, 1u) - 1, kDoublingsMax);
    return std::min(first * (1 << doublings), longest);
}

}  // namespace millrace::ledger
