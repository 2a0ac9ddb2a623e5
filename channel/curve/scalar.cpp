#include "channel/curve/scalar.hpp"

#include <algorithm>

namespace millrace::channel::curve {
namespace {

/// 2^256 modulo n, less 2^128.
constexpr std::array<std::uint64_t, 2> kFold{0x402da1732fc9bebf, 0x4551231950b75fc4};

/// above · 2^256 modulo n, but not yet below n.
WideLimbs folded(const Limbs& above) {
    WideLimbs product{0, 0, above[0], above[1], above[2], above[3]};
#pragma GCC unroll 2
    for (std::size_t row = 0; row < kFold.size(); ++row) {
        std::uint64_t carry = 0;
#pragma GCC unroll 4
        for (std::size_t at = 0; at < above.size(); ++at)
            product[row + at] = multiply_add(kFold[row], above[at], product[row + at], carry);
        for (std::size_t at = row + above.size(); carry != 0; ++at) {
            std::uint64_t next = 0;
            product[at] = add_carry(product[at], carry, next);
            carry = next;
        }
    }
    return product;
}

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
        auto next = folded(above);
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

Scalar inverse(const Scalar& a) {
    return {inverse_modulo(a.limbs, kOrder)};
}

}  // namespace millrace::channel::curve
