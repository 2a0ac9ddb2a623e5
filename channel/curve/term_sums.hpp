#pragma once

#include "channel/curve/point.hpp"
#include "channel/curve/scalar.hpp"

#include <optional>
#include <span>
#include <vector>

namespace millrace::channel::curve {

/// A point of a table, or its negative.
struct Term {
    const Point* point = nullptr;
    bool is_negative = false;
};

/// factor · point.
struct Product {
    Point point;
    Scalar factor;
};

/// Sums of terms. Where the processor has AVX-512 with IFMA, eight at once, one in each lane of its
/// registers; elsewhere, and where two terms meet, in affine coordinates that share their
/// inversions.
class TermSums {
public:
    /// Of `terms` the first `each`, the next `each`, and so on. No sum where it is the point at
    /// infinity, or may have passed through it.
    std::span<const std::optional<Point>> add_up(std::span<const Term> terms, std::size_t each);

    /// The same, and to each sum its product, of a factor that is not zero. Only where the
    /// processor has lanes; no sum either where two terms meet.
    std::span<const std::optional<Point>> add_up(std::span<const Term> terms, std::size_t each,
                                                 std::span<const Product> products);

    /// The same as the first without lanes.
    std::span<const std::optional<Point>> add_up_one_by_one(std::span<const Term> terms,
                                                            std::size_t each);

private:
    void take_from_lanes();
    void add_up_pairwise(std::span<const Term> terms, std::size_t each);

    std::vector<std::optional<Point>> sums_;
    /// Of the sums that are not found yet, their places.
    std::vector<std::size_t> open_;
    std::vector<Point> points_;
    std::vector<Addition> additions_;
    std::vector<std::size_t> owners_;
    std::vector<JacobianPoint> in_lanes_;
    PointAdder adder_;
};

}  // namespace millrace::channel::curve
