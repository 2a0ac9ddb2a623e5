#include "channel/curve/point.hpp"

#include "channel/curve/invert_all.hpp"

namespace millrace::channel::curve {
namespace {

Field twice(const Field& a) {
    return a + a;
}

/// For a curve without a term in x; no point of this curve has y = 0.
JacobianPoint doubled(const JacobianPoint& point) {
    const auto y_squared = square(point.y);
    const auto s = twice(twice(point.x * y_squared));
    const auto x_squared = square(point.x);
    const auto m = twice(x_squared) + x_squared;
    JacobianPoint out;
    out.x = square(m) - twice(s);
    const auto y_fourth_eightfold = twice(twice(twice(square(y_squared))));
    out.y = m * (s - out.x) - y_fourth_eightfold;
    out.z = twice(point.y * point.z);
    return out;
}

}  // namespace

bool is_on_curve(const Point& point) {
    return square(point.y) == square(point.x) * point.x + Field{{7}};
}

Point operator-(const Point& point) {
    return {point.x, Field{} - point.y};
}

void PointAdder::add(std::span<Addition> additions) {
    slopes_.clear();
    Field product{{1}};
    for (auto& addition : additions) {
        const auto& a = *addition.sum;
        const auto& b = *addition.other;
        Slope slope{b.y - a.y, b.x - a.x, product};
        if (is_zero(slope.denominator)) {
            // The same point, or its negative.
            addition.is_infinite = !is_zero(slope.numerator);
            const auto x_squared = square(a.x);
            slope.numerator = twice(x_squared) + x_squared;
            slope.denominator = addition.is_infinite ? Field{{1}} : twice(a.y);
        }
        product = product * slope.denominator;
        slopes_.push_back(slope);
    }
    auto inverse_so_far = inverse(product);
    for (std::size_t at = additions.size(); at-- > 0;) {
        const auto& slope = slopes_[at];
        const auto inverted = inverse_so_far * slope.product_before;
        inverse_so_far = inverse_so_far * slope.denominator;
        if (additions[at].is_infinite) continue;
        auto& sum = *additions[at].sum;
        const auto lambda = slope.numerator * inverted;
        const auto x = square(lambda) - sum.x - additions[at].other->x;
        sum = {x, lambda * (sum.x - x) - sum.y};
    }
}

std::vector<std::optional<Point>> affine(std::span<const JacobianPoint> points) {
    std::vector<Field> inverses;
    for (const auto& point : points)
        if (!is_zero(point.z)) inverses.push_back(point.z);
    invert_all<Field>(inverses, Field{{1}});
    std::vector<std::optional<Point>> found;
    auto inverted = inverses.begin();
    for (const auto& point : points) {
        if (is_zero(point.z)) {
            found.emplace_back();
            continue;
        }
        const auto squared = square(*inverted);
        found.push_back(Point{point.x * squared, point.y * squared * *inverted++});
    }
    return found;
}

std::vector<Point> doubled_on(const Point& point, unsigned bits, std::size_t count) {
    std::vector<JacobianPoint> found{{point.x, point.y, Field{{1}}}};
    while (found.size() < count) {
        auto next = found.back();
        for (unsigned bit = 0; bit < bits; ++bit) next = doubled(next);
        found.push_back(next);
    }
    std::vector<Point> points;
    for (const auto& one : affine(found)) points.push_back(*one);
    return points;
}

}  // namespace millrace::channel::curve
