#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace millrace::channel::curve {

/// A number below 2^256, least significant first.
using Limbs = std::array<std::uint64_t, 4>;
/// A product of two of them.
using WideLimbs = std::array<std::uint64_t, 8>;

__extension__ using DoubleLimb = unsigned __int128;

inline std::uint64_t low(DoubleLimb value) {
    return static_cast<std::uint64_t>(value);
}
inline std::uint64_t high(DoubleLimb value) {
    return static_cast<std::uint64_t>(value >> 64);
}

/// a + b + carry; `carry` becomes what does not fit.
inline std::uint64_t add_carry(std::uint64_t a, std::uint64_t b, std::uint64_t& carry) {
    const auto sum = static_cast<DoubleLimb>(a) + b + carry;
    carry = high(sum);
    return low(sum);
}

/// a − b − borrow; `borrow` becomes 1 when that is below zero.
inline std::uint64_t subtract_borrow(std::uint64_t a, std::uint64_t b, std::uint64_t& borrow) {
    const auto difference = static_cast<DoubleLimb>(a) - b - borrow;
    borrow = high(difference) & 1;
    return low(difference);
}

/// a · b + c + carry, which always fits; `carry` becomes its upper half.
inline std::uint64_t multiply_add(std::uint64_t a, std::uint64_t b, std::uint64_t c,
                                  std::uint64_t& carry) {
    const auto sum = static_cast<DoubleLimb>(a) * b + c + carry;
    carry = high(sum);
    return low(sum);
}

inline bool is_below(const Limbs& a, const Limbs& b) {
    std::uint64_t borrow = 0;
#pragma GCC unroll 4
    for (std::size_t at = 0; at < a.size(); ++at) subtract_borrow(a[at], b[at], borrow);
    return borrow != 0;
}

inline Limbs subtract(const Limbs& a, const Limbs& b) {
    Limbs difference{};
    std::uint64_t borrow = 0;
#pragma GCC unroll 4
    for (std::size_t at = 0; at < a.size(); ++at)
        difference[at] = subtract_borrow(a[at], b[at], borrow);
    return difference;
}

[[gnu::always_inline]] inline WideLimbs multiply(const Limbs& a, const Limbs& b) {
    WideLimbs product{};
#pragma GCC unroll 4
    for (std::size_t row = 0; row < a.size(); ++row) {
        std::uint64_t carry = 0;
#pragma GCC unroll 4
        for (std::size_t at = 0; at < b.size(); ++at)
            product[row + at] = multiply_add(a[row], b[at], product[row + at], carry);
        product[row + b.size()] = carry;
    }
    return product;
}

/// 32 bytes, big endian.
Limbs limbs_from(const std::uint8_t* bytes);

}  // namespace millrace::channel::curve
