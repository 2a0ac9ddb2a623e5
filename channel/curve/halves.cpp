#include "channel/curve/halves.hpp"

namespace millrace::channel::curve {
namespace {

/// A basis of the pairs (a, b) with a + b·λ = 0 modulo n: (kA1, −kB1) and (kA2, kA1).
constexpr Limbs kA1{0xe86c90e49284eb15, 0x3086d221a7d46bcd, 0, 0};
constexpr Limbs kB1{0x6f547fa90abfe4c3, 0xe4437ed6010e8828, 0, 0};
constexpr Limbs kA2{0x57c1108d9d44cfd8, 0x14ca50f7a8e2f3f6, 1, 0};
/// 2^384·kA1 / n and 2^384·kB1 / n, rounded.
constexpr Limbs kA1OfOrder{0xe893209a45dbb031, 0x3daa8a1471e8ca7f, 0xe86c90e49284eb15,
                           0x3086d221a7d46bcd};
constexpr Limbs kB1OfOrder{0x1571b4ae8ac47f71, 0x221208ac9df506c6, 0x6f547fa90abfe4c4,
                           0xe4437ed6010e8828};

Limbs sum(const Limbs& a, const Limbs& b) {
    Limbs out{};
    std::uint64_t carry = 0;
    for (std::size_t at = 0; at < a.size(); ++at) out[at] = add_carry(a[at], b[at], carry);
    return out;
}

/// Modulo 2^256, in which what is negative counts from the top.
Limbs product(const Limbs& a, const Limbs& b) {
    const auto wide = multiply(a, b);
    return {wide[0], wide[1], wide[2], wide[3]};
}

/// a · b / 2^384, rounded.
Limbs scaled(const Limbs& a, const Limbs& b) {
    const auto wide = multiply(a, b);
    return sum({wide[6], wide[7], 0, 0}, {wide[5] >> 63, 0, 0, 0});
}

bool is_negative(const Limbs& number) {
    return number[3] >> 63 != 0;
}

bool is_even(const Limbs& number) {
    return (number[0] & 1) == 0;
}

Half half_of(const Limbs& number) {
    const auto negative = is_negative(number);
    return {negative ? subtract({}, number) : number, negative};
}

}  // namespace

std::array<Half, 2> halves_of(const Scalar& factor) {
    const auto first = scaled(factor.limbs, kA1OfOrder);
    const auto second = scaled(factor.limbs, kB1OfOrder);
    auto a = subtract(subtract(factor.limbs, product(first, kA1)), product(second, kA2));
    auto b = subtract(product(first, kB1), product(second, kA1));
    // One vector of the basis is odd in both places, the other in the second alone.
    if (is_even(a)) {
        const auto up = is_negative(a);
        a = up ? sum(a, kA1) : subtract(a, kA1);
        b = up ? subtract(b, kB1) : sum(b, kB1);
    }
    if (is_even(b)) {
        const auto up = is_negative(b);
        a = up ? sum(a, kA2) : subtract(a, kA2);
        b = up ? sum(b, kA1) : subtract(b, kA1);
    }
    return {half_of(a), half_of(b)};
}

}  // namespace millrace::channel::curve
