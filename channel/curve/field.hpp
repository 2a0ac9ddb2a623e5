#pragma once

#include "channel/curve/limbs.hpp"

namespace millrace::channel::curve {

/// A number modulo p = 2^256 − 2^32 − 977 (SEC 2, section 2.4.1), held as any number below 2^256
/// that is equal to it; `reduced` gives the one below p.
struct Field {
    Limbs limbs{};
};

/// 2^256 modulo p.
inline constexpr std::uint64_t kFieldFold = 0x1000003d1;
inline constexpr Limbs kFieldPrime{0xfffffffefffffc2f, 0xffffffffffffffff, 0xffffffffffffffff,
                                   0xffffffffffffffff};

[[gnu::always_inline]] inline Field operator+(const Field& a, const Field& b) {
    Field sum;
    std::uint64_t carry = 0;
#pragma GCC unroll 4
    for (std::size_t at = 0; at < 4; ++at)
        sum.limbs[at] = add_carry(a.limbs[at], b.limbs[at], carry);
    std::uint64_t again = 0;
    sum.limbs[0] = add_carry(sum.limbs[0], carry * kFieldFold, again);
#pragma GCC unroll 4
    for (std::size_t at = 1; at < 4; ++at) sum.limbs[at] = add_carry(sum.limbs[at], 0, again);
    // Wrapped twice, the number is small: this cannot carry.
    sum.limbs[0] += again * kFieldFold;
    return sum;
}

[[gnu::always_inline]] inline Field operator-(const Field& a, const Field& b) {
    Field difference;
    std::uint64_t borrow = 0;
#pragma GCC unroll 4
    for (std::size_t at = 0; at < 4; ++at)
        difference.limbs[at] = subtract_borrow(a.limbs[at], b.limbs[at], borrow);
    std::uint64_t again = 0;
    difference.limbs[0] = subtract_borrow(difference.limbs[0], borrow * kFieldFold, again);
#pragma GCC unroll 4
    for (std::size_t at = 1; at < 4; ++at)
        difference.limbs[at] = subtract_borrow(difference.limbs[at], 0, again);
    // Wrapped twice, the number is close to 2^256: this cannot borrow.
    difference.limbs[0] -= again * kFieldFold;
    return difference;
}

Field operator*(const Field& a, const Field& b);
Field square(const Field& a);

/// The one below p.
Field reduced(const Field& a);
bool operator==(const Field& a, const Field& b);
/// 1 / a; zero has none and gives zero.
Field inverse(const Field& a);

inline bool is_zero(const Field& a) {
    // All but zero and p itself are told apart by one limb.
    return (a.limbs[3] == 0 || a.limbs[3] == kFieldPrime[3]) && a == Field{};
}

}  // namespace millrace::channel::curve
