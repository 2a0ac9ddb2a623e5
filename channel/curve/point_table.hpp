#pragma once

#include "channel/curve/point.hpp"
#include "channel/curve/scalar.hpp"

#include <cstddef>
#include <vector>

namespace millrace::channel::curve {

/// Multiples of one point, so that a product with it is a sum of some of them, without doublings.
/// For each digit of `bits` bits of the scalar the multiples 1 … 2^(bits − 1) of the point times
/// the digit's weight: a digit above half is taken as a negative one with a carry.
class PointTable {
public:
    /// `bits`: 4 (32 KiB, 64 points in a sum) or 8 (256 KiB, 32 points in a sum).
    PointTable(const Point& point, unsigned bits);

    /// Puts the points whose sum is factor · point behind `terms`.
    void add_terms(const Scalar& factor, std::vector<Point>& terms) const;

private:
    unsigned bits_;
    std::size_t per_digit_;
    std::vector<Point> multiples_;
};

}  // namespace millrace::channel::curve
