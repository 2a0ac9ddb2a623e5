#pragma once

#include "channel/curve/field.hpp"

#include <optional>
#include <span>
#include <vector>

namespace millrace::channel::curve {

/// A point of secp256k1, y² = x³ + 7, that is not the one at infinity. In one line of the cache.
struct alignas(64) Point {
    Field x;
    Field y;
};

/// x = X / Z², y = Y / Z³: can be doubled and added to without an inversion. The point at infinity
/// has a Z of zero.
struct JacobianPoint {
    Field x;
    Field y;
    Field z;
};

/// The generator (SEC 2, section 2.4.1).
inline constexpr Point kGenerator{
    {{0x59f2815b16f81798, 0x029bfcdb2dce28d9, 0x55a06295ce870b07, 0x79be667ef9dcbbac}},
    {{0x9c47d08ffb10d4b8, 0xfd17b448a6855419, 0x5da4fbfc0e1108a8, 0x483ada7726a3c465}}};

bool is_on_curve(const Point& point);
Point operator-(const Point& point);

/// sum += other.
struct Addition {
    Point* sum = nullptr;
    const Point* other = nullptr;
    /// Set when the sum is the point at infinity, which is no `Point`; `*sum` is as it was.
    bool is_infinite = false;
};

/// Adds many pairs at the price of one inversion (Montgomery's trick), six multiplications each.
/// No `sum` may be in two of them.
class PointAdder {
public:
    void add(std::span<Addition> additions);

private:
    struct Slope {
        Field numerator;
        Field denominator;
        Field product_before;
    };
    std::vector<Slope> slopes_;
};

/// All of them at the price of one inversion; nothing for the point at infinity.
std::vector<std::optional<Point>> affine(std::span<const JacobianPoint> points);

/// 2^(bits·0)·point, 2^(bits·1)·point, … `count` of them.
std::vector<Point> doubled_on(const Point& point, unsigned bits, std::size_t count);

}  // namespace millrace::channel::curve
