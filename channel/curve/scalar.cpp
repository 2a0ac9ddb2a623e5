#include "channel/curve/scalar.hpp"

#include "channel/curve/power.hpp"

#include <algorithm>

namespace millrace::channel::curve {
namespace {

/// 2^256 modulo n.
constexpr Limbs kFold{0x402da1732fc9bebf, 0x4551231950b75fc4, 1, 0};

}  // namespace

Scalar scalar_from(const Limbs& limbs) {
    return {is_below(limbs, kOrder) ? limbs : subtract(limbs, kOrder)};
}

/// Replaces 2^256 by what it leaves modulo n until nothing is left above it: each time there are
/// 127 bits less.
Scalar operator*(const Scalar& a, const Scalar& b) {
    auto wide = multiply(a.limbs, b.limbs);
    for (;;) {
        const Limbs above{wide[4], wide[5], wide[6], wide[7]};
        if (above == Limbs{}) break;
        auto next = multiply(above, kFold);
        std::uint64_t carry = 0;
        for (std::size_t at = 0; at < next.size(); ++at)
            next[at] = add_carry(next[at], at < 4 ? wide[at] : 0, carry);
        wide = next;
    }
    return scalar_from({wide[0], wide[1], wide[2], wide[3]});
}

Scalar operator-(const Scalar& a) {
    return a == Scalar{} ? a : Scalar{subtract(kOrder, a.limbs)};
}

/// By Fermat: a^(n − 2).
Scalar inverse(const Scalar& a) {
    constexpr Limbs kExponent{kOrder[0] - 2, kOrder[1], kOrder[2], kOrder[3]};
    return power(a, kExponent, Scalar{{1}});
}

}  // namespace millrace::channel::curve
