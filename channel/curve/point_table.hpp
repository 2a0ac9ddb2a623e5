#pragma once

#include "channel/curve/point.hpp"
#include "channel/curve/scalar.hpp"
#include "channel/curve/term_sums.hpp"

#include <cstddef>
#include <vector>

namespace millrace::channel::curve {

/// Multiples of one point, so that a product with it is a sum of some of them, without doublings.
/// For each digit of `bits` bits of the scalar the odd multiples 1, 3, … 2^bits − 1 of the point
/// times the digit's weight: of an odd number all digits can be made odd, positive or negative, and
/// of a scalar and its negative one is odd.
class PointTable {
public:
    /// `bits`, 2 to 16: with 5 it is 52 KiB, and 52 points in a sum; with 12 2.8 MiB, and 22
    /// points.
    PointTable(const Point& point, unsigned bits);

    /// Points in a sum.
    std::size_t digits() const { return multiples_.size() / per_digit_; }
    /// Puts the points whose sum is factor · point behind `terms`; `factor` may not be zero. They
    /// are there for as long as the table is.
    void add_terms(const Scalar& factor, std::vector<Term>& terms) const;

private:
    unsigned bits_;
    std::size_t per_digit_;
    std::vector<Point> multiples_;
};

}  // namespace millrace::channel::curve
