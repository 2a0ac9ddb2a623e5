#pragma once

#include "channel/curve/scalar.hpp"

#include <array>

namespace millrace::channel::curve {

/// λ·(x, y) = (β·x, y) for every point, λ³ = 1 modulo n and β³ = 1 modulo p.
inline constexpr Limbs kLambda{0xdf02967c1b23bd72, 0x122e22ea20816678, 0xa5261c028812645a,
                               0x5363ad4cc05c30e0};
inline constexpr Limbs kBeta{0xc1396c28719501ee, 0x9cf0497512f58995, 0x6e64479eac3434e9,
                             0x7ae96a2b657c0710};

/// A number and its sign.
struct Half {
    Limbs size{};
    bool is_negative = false;
};

/// a and b with factor = a + b·λ, both odd and less than 2^129 in size: half as many doublings
/// (Gallant, Lambert, Vanstone, "Faster Point Multiplication on Elliptic Curves with Efficient
/// Endomorphisms", section 4).
std::array<Half, 2> halves_of(const Scalar& factor);

}  // namespace millrace::channel::curve
