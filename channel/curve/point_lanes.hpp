#pragma once

#include "channel/curve/field_lanes.hpp"

#ifdef __x86_64__

#include "channel/curve/term_sums.hpp"

namespace millrace::channel::curve {

struct PointLanes {
    FieldLanes x;
    FieldLanes y;
};

struct JacobianLanes {
    FieldLanes x;
    FieldLanes y;
    FieldLanes z;
};

/// The points of eight terms; what stands in a row is turned to stand in a lane.
MILLRACE_WITHIN_LANES PointLanes points_of(const Term* (&terms)[kLanes]) {
    LaneLimbs row[kLanes];
#pragma GCC unroll 8
    for (std::size_t lane = 0; lane < kLanes; ++lane)
        __builtin_memcpy(&row[lane], terms[lane]->point, sizeof row[lane]);
    LaneLimbs pair[kLanes];
#pragma GCC unroll 4
    for (std::size_t at = 0; at < kLanes; at += 2) {
        pair[at] = __builtin_shufflevector(row[at], row[at + 1], 0, 8, 2, 10, 4, 12, 6, 14);
        pair[at + 1] = __builtin_shufflevector(row[at], row[at + 1], 1, 9, 3, 11, 5, 13, 7, 15);
    }
    // Limbs 0 and 4, 1 and 5, 2 and 6, 3 and 7 of four rows.
    LaneLimbs four[kLanes];
#pragma GCC unroll 2
    for (std::size_t half = 0; half < kLanes; half += 4)
#pragma GCC unroll 2
        for (std::size_t at = half; at < half + 2; ++at) {
            four[at] = __builtin_shufflevector(pair[at], pair[at + 2], 0, 1, 4, 5, 8, 9, 12, 13);
            four[at + 2] =
                __builtin_shufflevector(pair[at], pair[at + 2], 2, 3, 6, 7, 10, 11, 14, 15);
        }
    LaneLimbs limb[kLanes];
#pragma GCC unroll 4
    for (std::size_t at = 0; at < 4; ++at) {
        limb[at] = __builtin_shufflevector(four[at], four[at + 4], 0, 1, 4, 5, 8, 9, 12, 13);
        limb[at + 4] = __builtin_shufflevector(four[at], four[at + 4], 2, 3, 6, 7, 10, 11, 14, 15);
    }
    return {field_lanes(limb[0], limb[1], limb[2], limb[3]),
            field_lanes(limb[4], limb[5], limb[6], limb[7])};
}

/// x and y of the third point of a chord with `slope` from (x, y), over the distance `h`, to be
/// divided by h² and h³.
MILLRACE_WITHIN_LANES JacobianLanes chord(const FieldLanes& x, const FieldLanes& y,
                                          const FieldLanes& h, const FieldLanes& slope) {
    const auto h_squared = square(h);
    const auto h_cubed = h_squared * h;
    const auto v = x * h_squared;
    JacobianLanes out;
    out.x = minus_and_twice(square(slope), h_cubed, v);
    out.y = slope * (v - out.x) - y * h_cubed;
    return out;
}

/// sum + point, or sum − point in the lanes of `negative`; z grows by the factor `h`. Where x is
/// the same, z becomes zero, and is so from then on.
MILLRACE_WITHIN_LANES JacobianLanes added(const JacobianLanes& sum, const PointLanes& point,
                                          LaneLimbs negative, FieldLanes& h) {
    const auto z_squared = square(sum.z);
    h = point.x * z_squared - sum.x;
    const auto y = negated_where(negative, point.y * (z_squared * sum.z));
    const auto slope = y - sum.y;
    auto out = chord(sum.x, sum.y, h, slope);
    out.z = sum.z * h;
    return out;
}

MILLRACE_WITHIN_LANES JacobianLanes added(const JacobianLanes& sum, const PointLanes& point,
                                          LaneLimbs negative) {
    FieldLanes h;
    return added(sum, point, negative, h);
}

/// The same of two sums.
MILLRACE_WITHIN_LANES JacobianLanes added(const JacobianLanes& a, const JacobianLanes& b) {
    const auto a_squared = square(a.z);
    const auto b_squared = square(b.z);
    const auto x = a.x * b_squared;
    const auto y = a.y * (b_squared * b.z);
    const auto h = b.x * a_squared - x;
    const auto slope = b.y * (a_squared * a.z) - y;
    auto out = chord(x, y, h, slope);
    out.z = a.z * b.z * h;
    return out;
}

MILLRACE_WITHIN_LANES JacobianLanes doubled(const JacobianLanes& point) {
    const auto y_squared = square(point.y);
    const auto quarter = point.x * y_squared;
    const auto s = (quarter + quarter) + (quarter + quarter);
    const auto x_squared = square(point.x);
    const auto slope = x_squared + x_squared + x_squared;
    const auto twice = y_squared + y_squared;
    JacobianLanes out;
    out.x = minus_twice(square(slope), s);
    const auto half = square(twice);
    out.y = minus_twice(slope * (s - out.x), half);
    const auto y_by_z = point.y * point.z;
    out.z = y_by_z + y_by_z;
    return out;
}

}  // namespace millrace::channel::curve

#endif
