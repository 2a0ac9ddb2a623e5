#pragma once

#include "channel/curve/limbs.hpp"

namespace millrace::channel::curve {

/// A number modulo n, the order of the group (SEC 2, section 2.4.1); always below n.
struct Scalar {
    Limbs limbs{};

    friend bool operator==(const Scalar&, const Scalar&) = default;
};

inline constexpr Limbs kOrder{0xbfd25e8cd0364141, 0xbaaedce6af48a03b, 0xfffffffffffffffe,
                              0xffffffffffffffff};

/// Of any number below 2^256.
Scalar scalar_from(const Limbs& limbs);
Scalar operator*(const Scalar& a, const Scalar& b);
/// n − a.
Scalar operator-(const Scalar& a);
/// 1 / a; zero has none and gives zero.
Scalar inverse(const Scalar& a);

}  // namespace millrace::channel::curve
