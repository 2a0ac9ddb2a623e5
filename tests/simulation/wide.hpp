#pragma once

#include "channel/amount.hpp"

#include <boost/multiprecision/cpp_int.hpp>

#include <algorithm>
#include <cstdint>

namespace simulation {

/// Signed and twice as wide as money: sums and differences that the service must refuse are plain
/// numbers here.
using Wide = boost::multiprecision::int256_t;

inline Wide wide(millrace::channel::Amount amount) {
    return (Wide{static_cast<std::uint64_t>(amount.units() >> 64)} << 64) +
           static_cast<std::uint64_t>(amount.units());
}

inline const Wide kAmountMax = wide(millrace::channel::Amount::max());

/// The nearest amount of money.
inline millrace::channel::Amount nearest_amount(const Wide& value) {
    using millrace::channel::Amount;
    using millrace::channel::Uint128;
    const Wide bounded = std::clamp<Wide>(value, 0, kAmountMax);
    const auto high = static_cast<std::uint64_t>(bounded >> 64);
    const auto low = static_cast<std::uint64_t>(bounded & Wide{~std::uint64_t{0}});
    return Amount{static_cast<Uint128>(high) << 64 | low};
}

}  // namespace simulation
