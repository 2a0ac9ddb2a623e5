#include "channel/curve/term_lanes.hpp"

#include "channel/curve/halves.hpp"
#include "channel/curve/odd_digits.hpp"
#include "channel/curve/point_lanes.hpp"

#include <algorithm>

namespace millrace::channel::curve {

#ifdef __x86_64__

namespace {

/// So many additions before a term is wanted, its cache line is asked for.
constexpr std::size_t kAhead = 3;

/// The next term of each lane.
struct NextTerms {
    const Term* terms[kLanes];

    MILLRACE_WITHIN_LANES PointLanes take(LaneLimbs& negative) {
        for (std::size_t lane = 0; lane < kLanes; ++lane)
            negative[lane] = terms[lane]->is_negative ? ~std::uint64_t{0} : 0;
        const auto points = points_of(terms);
        for (auto& term : terms) ++term;
        return points;
    }
};

MILLRACE_WITHIN_LANES JacobianLanes first_of(NextTerms& next) {
    LaneLimbs negative;
    const auto point = next.take(negative);
    return {point.x, negated_where(negative, point.y), one_in_lanes()};
}

MILLRACE_IN_LANES JacobianLanes sum_of_terms(const Term* (&first)[kLanes], std::size_t each) {
    NextTerms next;
    std::copy_n(first, kLanes, next.terms);
    auto sum = first_of(next);
    for (std::size_t at = 1; at < each; ++at) {
        if (at + kAhead < each)
            for (const auto* term : next.terms) __builtin_prefetch(term[kAhead].point);
        LaneLimbs negative;
        const auto point = next.take(negative);
        sum = added(sum, point, negative);
    }
    return sum;
}

constexpr unsigned kBits = 5;
constexpr std::size_t kMultiples = std::size_t{1} << (kBits - 1);
/// Halves are below 2^129.
constexpr std::size_t kDigits = 26;

/// The odd multiples of eight points on a curve of its own for each, on which they have no z; on
/// the usual curve all of one lane have the same.
struct LaneTables {
    Point multiples[kMultiples][kLanes];
    FieldLanes z;
};

MILLRACE_IN_LANES void fill(LaneTables& tables, const PointLanes& point) {
    const auto one = one_in_lanes();
    const auto twice = doubled({point.x, point.y, one});
    // Where z counts in units of twice.z, twice is (x, y) without one.
    const PointLanes step{twice.x, twice.y};
    const auto squared = square(twice.z);
    JacobianLanes multiples[kMultiples];
    FieldLanes growth[kMultiples];
    multiples[0] = {point.x * squared, point.y * (squared * twice.z), one};
    for (std::size_t at = 1; at < kMultiples; ++at)
        multiples[at] = added(multiples[at - 1], step, LaneLimbs{}, growth[at]);
    tables.z = multiples[kMultiples - 1].z * twice.z;
    auto missing = one;
    for (std::size_t at = kMultiples; at-- > 0;) {
        const auto missing_squared = square(missing);
        Field x[kLanes];
        Field y[kLanes];
        store(multiples[at].x * missing_squared, x);
        store(multiples[at].y * (missing_squared * missing), y);
        for (std::size_t lane = 0; lane < kLanes; ++lane)
            tables.multiples[at][lane] = {x[lane], y[lane]};
        if (at > 0) missing = missing * growth[at];
    }
}

MILLRACE_IN_LANES JacobianLanes products_of(const Product* (&products)[kLanes]) {
    LaneTables tables;
    // From the most significant digit on.
    Term digits[2][kLanes][kDigits];
    NextTerms next[2];
    Term points[kLanes];
    const Term* first[kLanes];
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
        points[lane] = {&products[lane]->point, false};
        first[lane] = &points[lane];
        const auto halves = halves_of(products[lane]->factor);
        for (std::size_t half = 0; half < 2; ++half) {
            auto& terms = digits[half][lane];
            next[half].terms[lane] = terms;
            for_odd_digits(halves[half].size, kBits, kDigits,
                           [&](std::size_t place, std::uint64_t size, bool is_negative) {
                               terms[kDigits - 1 - place] = {
                                   &tables.multiples[size / 2][lane],
                                   is_negative != halves[half].is_negative};
                           });
        }
    }
    fill(tables, points_of(first));
    LaneLimbs limbs[4];
    for (std::size_t at = 0; at < 4; ++at) limbs[at] = lanes::all(kBeta[at]);
    const auto beta = field_lanes(limbs[0], limbs[1], limbs[2], limbs[3]);
    auto sum = first_of(next[0]);
    for (std::size_t at = 0; at < kDigits; ++at) {
        LaneLimbs negative;
        if (at > 0) {
            for (unsigned bit = 0; bit < kBits; ++bit) sum = doubled(sum);
            const auto point = next[0].take(negative);
            sum = added(sum, point, negative);
        }
        auto point = next[1].take(negative);
        point.x = point.x * beta;
        sum = added(sum, point, negative);
    }
    sum.z = sum.z * tables.z;
    return sum;
}

/// What is not wanted of eight is that of the first, once more.
template <class Item>
void choose(const Item* (&chosen)[kLanes], const Item* first, std::size_t apart,
            std::size_t count) {
    for (std::size_t lane = 0; lane < kLanes; ++lane)
        chosen[lane] = first + (lane < count ? lane : 0) * apart;
}

MILLRACE_IN_LANES void add_up_eight(const Term* terms, std::size_t each, const Product* products,
                                    std::size_t count, JacobianPoint* sums) {
    const Term* first[kLanes];
    choose(first, terms, each, count);
    auto sum = sum_of_terms(first, each);
    if (products) {
        const Product* chosen[kLanes];
        choose(chosen, products, 1, count);
        sum = added(sum, products_of(chosen));
    }
    Field x[kLanes];
    Field y[kLanes];
    Field z[kLanes];
    store(sum.x, x);
    store(sum.y, y);
    store(sum.z, z);
    for (std::size_t lane = 0; lane < count; ++lane) sums[lane] = {x[lane], y[lane], z[lane]};
}

}  // namespace

bool has_lanes() {
    static const bool has =
        __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512ifma") != 0;
    return has;
}

void add_up_in_lanes(std::span<const Term> terms, std::size_t each,
                     std::span<const Product> products, std::vector<JacobianPoint>& sums) {
    sums.resize(products.empty() ? terms.size() / each
                                 : std::min(terms.size() / each, products.size()));
    for (std::size_t at = 0; at < sums.size(); at += kLanes)
        add_up_eight(terms.data() + at * each, each, products.empty() ? nullptr : &products[at],
                     std::min(kLanes, sums.size() - at), sums.data() + at);
}

#else

bool has_lanes() {
    return false;
}

void add_up_in_lanes(std::span<const Term>, std::size_t, std::span<const Product>,
                     std::vector<JacobianPoint>& sums) {
    sums.clear();
}

#endif

}  // namespace millrace::channel::curve
