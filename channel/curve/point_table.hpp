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
    /// `bits`, at most 16: with 5 it is 52 KiB, and 52 points in a sum at most; with 12 2.8 MiB,
    /// and 22 points.
    PointTable(const Point& point, unsigned bits);

    /// Puts the points whose sum is factor · point behind `terms`.
    void add_terms(const Scalar& factor, std::vector<Point>& terms) const;

private:
    unsigned bits_;
    std::size_t per_digit_;
    std::vector<Point> multiples_;
};

}  // namespace millrace::channel::curve
