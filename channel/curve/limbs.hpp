#pragma once

#ifdef __x86_64__
#include <immintrin.h>
#endif

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

/// a + b + carry, where carry is 0 or 1; `carry` becomes what does not fit.
[[gnu::always_inline]] inline std::uint64_t add_carry(std::uint64_t a, std::uint64_t b,
                                                      std::uint64_t& carry) {
#ifdef __x86_64__
    // Compilers keep the carry in its flag for this, and for nothing else.
    unsigned long long sum = 0;
    carry = _addcarry_u64(static_cast<unsigned char>(carry), a, b, &sum);
    return sum;
#else
    const auto sum = static_cast<DoubleLimb>(a) + b + carry;
    carry = high(sum);
    return low(sum);
#endif
}

/// a − b − borrow, where borrow is 0 or 1; `borrow` becomes 1 when that is below zero.
[[gnu::always_inline]] inline std::uint64_t subtract_borrow(std::uint64_t a, std::uint64_t b,
                                                            std::uint64_t& borrow) {
#ifdef __x86_64__
    unsigned long long difference = 0;
    borrow = _subborrow_u64(static_cast<unsigned char>(borrow), a, b, &difference);
    return difference;
#else
    const auto difference = static_cast<DoubleLimb>(a) - b - borrow;
    borrow = high(difference) & 1;
    return low(difference);
#endif
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

/// The number that a · b leaves 1 of, modulo a prime; zero where a leaves zero.
Limbs inverse_modulo(const Limbs& a, const Limbs& prime);

/// 32 bytes, big endian.
Limbs limbs_from(const std::uint8_t* bytes);
std::array<std::uint8_t, 32> bytes_of(const Limbs& limbs);

}  // namespace millrace::channel::curve
