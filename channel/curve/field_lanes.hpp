#pragma once

#ifdef __x86_64__

#include "channel/curve/field.hpp"

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

/// What is called only where the processor has AVX-512 with IFMA: it is compiled for that, while
/// the rest is for any processor.
#define MILLRACE_IN_LANES [[gnu::target("avx512f,avx512ifma")]]
/// The same for what is to be a part of its caller.
#define MILLRACE_WITHIN_LANES [[gnu::target("avx512f,avx512ifma"), gnu::always_inline]] inline

namespace millrace::channel::curve {

inline constexpr std::size_t kLanes = 8;

/// One limb of eight numbers.
using LaneLimbs = std::uint64_t __attribute__((vector_size(8 * kLanes)));

/// Eight numbers modulo p at once, one in each lane: five limbs of 52 bits, which is what the
/// processor's multiplication takes. Each limb but the last is below 2^52, the last not far above
/// 2^48, so that the number is below 2^256 + 2^213; what is taken and what is given, everywhere.
struct FieldLanes {
    LaneLimbs limb[5];
};

namespace lanes {

constexpr unsigned kBits = 52;
constexpr std::uint64_t kMask = (std::uint64_t{1} << kBits) - 1;
constexpr std::uint64_t kTopMask = (std::uint64_t{1} << 48) - 1;

MILLRACE_WITHIN_LANES LaneLimbs all(std::uint64_t value) {
    return LaneLimbs{} + value;
}

/// What is below 2^52 of a · b, which takes both modulo 2^52, added to `sum`.
MILLRACE_WITHIN_LANES LaneLimbs add_low(LaneLimbs sum, LaneLimbs a, LaneLimbs b) {
    return reinterpret_cast<LaneLimbs>(_mm512_madd52lo_epu64(reinterpret_cast<__m512i>(sum),
                                                             reinterpret_cast<__m512i>(a),
                                                             reinterpret_cast<__m512i>(b)));
}

/// What is above it.
MILLRACE_WITHIN_LANES LaneLimbs add_high(LaneLimbs sum, LaneLimbs a, LaneLimbs b) {
    return reinterpret_cast<LaneLimbs>(_mm512_madd52hi_epu64(reinterpret_cast<__m512i>(sum),
                                                             reinterpret_cast<__m512i>(a),
                                                             reinterpret_cast<__m512i>(b)));
}

/// Carries from each limb into the next; the last keeps what it gets.
MILLRACE_WITHIN_LANES FieldLanes carried(FieldLanes a) {
#pragma GCC unroll 4
    for (std::size_t at = 0; at < 4; ++at) {
        a.limb[at + 1] += a.limb[at] >> kBits;
        a.limb[at] &= kMask;
    }
    return a;
}

/// Of limbs that may be some bits longer: what is above 2^256 is replaced by what it leaves.
MILLRACE_WITHIN_LANES FieldLanes folded(FieldLanes a) {
    const auto above = a.limb[4] >> 48;
    a.limb[4] &= kTopMask;
    a.limb[0] = add_low(a.limb[0], above, all(kFieldFold));
    return carried(a);
}

/// A multiple of p, 16·p, with limbs from which those of three numbers can be taken.
MILLRACE_WITHIN_LANES FieldLanes much() {
    constexpr std::uint64_t kLend = std::uint64_t{4} << kBits;
    constexpr std::uint64_t kFirst = kMask + 1 - 16 * kFieldFold;
    // 16·p = 2^260 − 16·kFieldFold, limb by limb; each limb but the last borrows four of the next.
    return {all(kFirst + kLend), all(kMask + kLend - 4), all(kMask + kLend - 4),
            all(kMask + kLend - 4), all(kMask - 4)};
}

/// a · b, of which the lower bits belong to limb `at`.
MILLRACE_WITHIN_LANES void add_product(LaneLimbs (&wide)[10], std::size_t at, LaneLimbs a,
                                       LaneLimbs b) {
    wide[at] = add_low(wide[at], a, b);
    wide[at + 1] = add_high(wide[at + 1], a, b);
}

/// The product's ten limbs, of any length, modulo p.
MILLRACE_WITHIN_LANES FieldLanes reduced(LaneLimbs (&wide)[10]) {
#pragma GCC unroll 4
    for (std::size_t at = 5; at < 9; ++at) {
        wide[at + 1] += wide[at] >> kBits;
        wide[at] &= kMask;
    }
    // 2^260 leaves sixteen times what 2^256 does.
    const auto fold = all(16 * kFieldFold);
    LaneLimbs above{};
#pragma GCC unroll 5
    for (std::size_t at = 0; at < 5; ++at) {
        auto& next = at == 4 ? above : wide[at + 1];
        wide[at] = add_low(wide[at], wide[at + 5], fold);
        next = add_high(next, wide[at + 5], fold);
    }
#pragma GCC unroll 5
    for (std::size_t at = 0; at < 5; ++at) {
        auto& next = at == 4 ? above : wide[at + 1];
        next += wide[at] >> kBits;
        wide[at] &= kMask;
    }
    // From 2^256 on, which is less than 2^33.
    above = (above << 4) | (wide[4] >> 48);
    wide[4] &= kTopMask;
    wide[0] = add_low(wide[0], above, all(kFieldFold));
    wide[1] = add_high(wide[1], above, all(kFieldFold));
    return carried({wide[0], wide[1], wide[2], wide[3], wide[4]});
}

}  // namespace lanes

MILLRACE_WITHIN_LANES FieldLanes operator+(const FieldLanes& a, const FieldLanes& b) {
    FieldLanes sum;
#pragma GCC unroll 5
    for (std::size_t at = 0; at < 5; ++at) sum.limb[at] = a.limb[at] + b.limb[at];
    return lanes::folded(sum);
}

MILLRACE_WITHIN_LANES FieldLanes operator-(const FieldLanes& a, const FieldLanes& b) {
    auto difference = lanes::much();
#pragma GCC unroll 5
    for (std::size_t at = 0; at < 5; ++at) difference.limb[at] += a.limb[at] - b.limb[at];
    return lanes::folded(difference);
}

/// a − b − c − c.
MILLRACE_WITHIN_LANES FieldLanes minus_and_twice(const FieldLanes& a, const FieldLanes& b,
                                                 const FieldLanes& c) {
    auto difference = lanes::much();
#pragma GCC unroll 5
    for (std::size_t at = 0; at < 5; ++at) {
        const auto from = difference.limb[at] + a.limb[at];
        const auto twice = c.limb[at] + c.limb[at];
        difference.limb[at] = (from - b.limb[at]) - twice;
    }
    return lanes::folded(difference);
}

/// a − b − b.
MILLRACE_WITHIN_LANES FieldLanes minus_twice(const FieldLanes& a, const FieldLanes& b) {
    auto difference = lanes::much();
#pragma GCC unroll 5
    for (std::size_t at = 0; at < 5; ++at)
        difference.limb[at] += a.limb[at] - (b.limb[at] + b.limb[at]);
    return lanes::folded(difference);
}

MILLRACE_WITHIN_LANES FieldLanes one_in_lanes() {
    return {lanes::all(1), LaneLimbs{}, LaneLimbs{}, LaneLimbs{}, LaneLimbs{}};
}

/// −a in the lanes where all bits of `negative` are set, a where none is.
MILLRACE_WITHIN_LANES FieldLanes negated_where(LaneLimbs negative, const FieldLanes& a) {
    const auto much = lanes::much();
    FieldLanes out;
#pragma GCC unroll 5
    for (std::size_t at = 0; at < 5; ++at)
        out.limb[at] = negative ? much.limb[at] - a.limb[at] : a.limb[at];
    return lanes::folded(out);
}

MILLRACE_WITHIN_LANES FieldLanes operator*(const FieldLanes& a, const FieldLanes& b) {
    LaneLimbs wide[10]{};
#pragma GCC unroll 5
    for (std::size_t i = 0; i < 5; ++i)
#pragma GCC unroll 5
        for (std::size_t j = 0; j < 5; ++j) lanes::add_product(wide, i + j, a.limb[i], b.limb[j]);
    return lanes::reduced(wide);
}

MILLRACE_WITHIN_LANES FieldLanes square(const FieldLanes& a) {
    LaneLimbs wide[10]{};
#pragma GCC unroll 5
    for (std::size_t i = 0; i < 5; ++i)
#pragma GCC unroll 5
        for (std::size_t j = i + 1; j < 5; ++j)
            lanes::add_product(wide, i + j, a.limb[i], a.limb[j]);
#pragma GCC unroll 10
    for (auto& limb : wide) limb = limb + limb;
#pragma GCC unroll 5
    for (std::size_t i = 0; i < 5; ++i) lanes::add_product(wide, 2 * i, a.limb[i], a.limb[i]);
    return lanes::reduced(wide);
}

/// Of limbs of 64 bits, one number to a lane.
MILLRACE_WITHIN_LANES FieldLanes field_lanes(LaneLimbs limb0, LaneLimbs limb1, LaneLimbs limb2,
                                             LaneLimbs limb3) {
    return {(limb0 & lanes::kMask), (((limb0 >> 52) | (limb1 << 12)) & lanes::kMask),
            (((limb1 >> 40) | (limb2 << 24)) & lanes::kMask),
            (((limb2 >> 28) | (limb3 << 36)) & lanes::kMask), (limb3 >> 16)};
}

/// One number of each lane.
MILLRACE_WITHIN_LANES void store(const FieldLanes& from, Field (&to)[kLanes]) {
    alignas(64) std::uint64_t limbs[5][kLanes];
    for (std::size_t at = 0; at < 5; ++at)
        __builtin_memcpy(limbs[at], &from.limb[at], sizeof limbs[at]);
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
        const auto limb = [&](std::size_t at) { return limbs[at][lane]; };
        const auto above = limb(4) >> 48;
        to[lane] = Field{{limb(0) | limb(1) << 52, limb(1) >> 12 | limb(2) << 40,
                          limb(2) >> 24 | limb(3) << 28, limb(3) >> 36 | limb(4) << 16}} +
                   Field{{above * kFieldFold}};
    }
}

}  // namespace millrace::channel::curve

#endif
