#include "channel/curve/field_lanes.hpp"
#include "channel/curve/halves.hpp"
#include "channel/curve/invert_all.hpp"
#include "channel/curve/point_table.hpp"
#include "channel/curve/term_lanes.hpp"
#include "channel/secp256k1.hpp"
#include "tests/support/print.hpp"

#include <boost/multiprecision/cpp_int.hpp>

#include <random>

namespace millrace::channel::curve {
namespace {

using Integer = boost::multiprecision::cpp_int;

Integer integer(const Limbs& limbs) {
    Integer value = 0;
    for (auto at = limbs.rbegin(); at != limbs.rend(); ++at) value = (value << 64) + *at;
    return value;
}

/// Numbers at the edges of limbs and of both moduli, and random ones.
std::vector<Limbs> numbers() {
    constexpr std::uint64_t kMost = ~std::uint64_t{0};
    std::vector<Limbs> found{{},
                             {1},
                             {2},
                             {0, 1},
                             {kMost, kMost, kMost, kMost},
                             {0, 0, 0, kMost},
                             {kMost, kMost, kMost, 0},
                             {kMost - 0x1000003d1 + 1, kMost, kMost, kMost},
                             {0, 0, 0, std::uint64_t{1} << 63},
                             {kMost, kMost, kMost, kMost >> 1}};
    for (const auto& modulus : {kFieldPrime, kOrder})
        for (std::uint64_t apart = 0; apart < 3; ++apart) {
            found.push_back(subtract(modulus, {apart}));
            found.push_back({modulus[0] + apart, modulus[1], modulus[2], modulus[3]});
        }
    std::mt19937_64 random(20'000);
    for (int n = 0; n < 60; ++n) found.push_back({random(), random(), random(), random()});
    // With long runs of ones and zeros, which carry far.
    for (int n = 0; n < 60; ++n) {
        Limbs limbs{};
        for (auto& limb : limbs) limb = (random() & 1) != 0 ? kMost << random() % 64 : random() % 3;
        found.push_back(limbs);
    }
    return found;
}

/// Of the generator; by libsecp256k1.
Point multiple(const Scalar& factor) {
    const auto secret = SecretKey::from_bytes(bytes_of(factor.limbs)).value();
    const auto xy = coordinates(secret.public_key());
    return {{limbs_from(xy.data())}, {limbs_from(xy.data() + 32)}};
}

Point multiple(std::uint64_t factor) {
    return multiple(Scalar{{factor}});
}

TEST_CASE("curve: arithmetic modulo p is that of big integers", "[channel][curve]") {
    const auto p = integer(kFieldPrime);
    CHECK(p == (Integer(1) << 256) - (Integer(1) << 32) - 977);
    const auto all = numbers();
    std::size_t wrong = 0;
    const auto differs = [&](const Field& found, const Integer& expected) {
        const auto below = reduced(found);
        if (integer(below.limbs) != expected % p || !is_below(below.limbs, kFieldPrime)) ++wrong;
    };
    for (const auto& a : all) {
        const Field left{a};
        const auto x = integer(a);
        if (is_zero(left) != (x % p == 0)) ++wrong;
        const auto inverted = inverse(left);
        differs(left * inverted, x % p == 0 ? 0 : 1);
        for (const auto& b : all) {
            const Field right{b};
            const auto y = integer(b);
            differs(left + right, x + y);
            differs(left - right, x + 2 * p - y);
            differs(left * right, x * y);
            if ((left == right) != (x % p == y % p)) ++wrong;
        }
    }
    CHECK(wrong == 0);
}

TEST_CASE("curve: arithmetic modulo n is that of big integers", "[channel][curve]") {
    const auto n = integer(kOrder);
    const auto all = numbers();
    std::size_t wrong = 0;
    for (const auto& a : all) {
        const auto left = scalar_from(a);
        const auto x = integer(a) % n;
        if (integer(left.limbs) != x) ++wrong;
        if (integer((-left).limbs) != (n - x) % n) ++wrong;
        if (integer((left * inverse(left)).limbs) != (x == 0 ? 0 : 1)) ++wrong;
        for (const auto& b : all)
            if (integer((left * scalar_from(b)).limbs) != x * (integer(b) % n) % n) ++wrong;
    }
    CHECK(wrong == 0);
}

TEST_CASE("curve: many are inverted as each is", "[channel][curve]") {
    std::vector<Field> fields;
    for (const auto& limbs : numbers())
        if (!is_zero(Field{limbs})) fields.push_back({limbs});
    const auto before = fields;
    invert_all<Field>(fields, Field{{1}});
    for (std::size_t at = 0; at < fields.size(); ++at) CHECK(fields[at] == inverse(before[at]));
    std::vector<Field> none;
    invert_all<Field>(none, Field{{1}});
}

TEST_CASE("curve: points are added as libsecp256k1 does", "[channel][curve]") {
    CHECK(multiple(1).x == kGenerator.x);
    CHECK(multiple(1).y == kGenerator.y);
    std::vector<Point> sums;
    std::vector<Point> others;
    std::vector<std::uint64_t> expected;
    for (std::uint64_t a = 1; a <= 20; ++a)
        for (std::uint64_t b = 1; b <= 20; ++b) {
            sums.push_back(multiple(a));
            others.push_back(multiple(b));
            expected.push_back(a + b);
        }
    std::vector<Addition> additions;
    for (std::size_t at = 0; at < sums.size(); ++at) additions.push_back({&sums[at], &others[at]});
    // And one that has no sum, in the midst of them.
    auto kept = multiple(7);
    const auto negative = -multiple(7);
    additions.insert(additions.begin() + 100, {&kept, &negative});
    PointAdder adder;
    adder.add(additions);
    for (std::size_t at = 0; at < sums.size(); ++at) {
        const auto right = multiple(expected[at]);
        CHECK((sums[at].x == right.x && sums[at].y == right.y && is_on_curve(sums[at])));
    }
    CHECK(additions[100].is_infinite);
    CHECK((kept.x == multiple(7).x && kept.y == multiple(7).y));
    CHECK(std::count_if(additions.begin(), additions.end(),
                        [](const Addition& one) { return one.is_infinite; }) == 1);
}

bool same(const Point& a, const Point& b) {
    return a.x == b.x && a.y == b.y;
}

TEST_CASE("curve: the terms of a table add up to the product", "[channel][curve]") {
    const auto bits = GENERATE(4u, 5u, 8u, 12u);
    const PointTable table(kGenerator, bits);
    std::vector<Term> terms;
    std::vector<Scalar> factors;
    for (const auto& limbs : numbers()) {
        const auto factor = scalar_from(limbs);
        if (factor == Scalar{}) continue;
        factors.push_back(factor);
        table.add_terms(factor, terms);
        CHECK(terms.size() == factors.size() * table.digits());
    }
    CHECK(table.digits() == (255 + bits) / bits);
    TermSums adder;
    const auto check = [&](std::span<const std::optional<Point>> sums) {
        REQUIRE(sums.size() == factors.size());
        std::size_t compared = 0;
        for (std::size_t at = 0; at < sums.size(); ++at) {
            // The only way through infinity: the last term takes away what the ones before made.
            if (!sums[at]) continue;
            CHECK(same(*sums[at], multiple(factors[at])));
            ++compared;
        }
        CHECK(compared > 120);
    };
    check(adder.add_up(terms, table.digits()));
    check(adder.add_up_one_by_one(terms, table.digits()));
}

TEST_CASE("curve: sums whose terms meet are found, but for those through infinity",
          "[channel][curve]") {
    std::vector<Point> points;
    for (std::uint64_t n = 1; n <= 8; ++n) points.push_back(multiple(n));
    // Of the numbers 1 to 8, and what they add up to.
    struct Case {
        std::vector<int> terms;
        int sum;
    };
    const std::vector<Case> cases{
        {{1, 2, 3, 4}, 10},   {{5, 5, 5, 5}, 20},      {{3, 3, -4, 8}, 10}, {{1, 2, 3, 3}, 9},
        {{8, -7, 1, -4}, -2}, {{1, 2, 3, -4}, 2},      {{2, -2, 3, 5}, 0},  {{-6, -6, -6, 1}, -17},
        {{1, 2, -3, 5}, 5},   {{-1, -2, -3, -4}, -10}, {{4, 4, -4, -4}, 0}};
    std::vector<Term> terms;
    for (const auto& one : cases)
        for (const auto number : one.terms)
            terms.push_back({&points[static_cast<std::size_t>(std::abs(number)) - 1], number < 0});
    TermSums adder;
    for (const bool in_lanes : {true, false}) {
        const auto sums = in_lanes ? adder.add_up(terms, 4) : adder.add_up_one_by_one(terms, 4);
        REQUIRE(sums.size() == cases.size());
        for (std::size_t at = 0; at < cases.size(); ++at) {
            INFO(at);
            const auto sum = cases[at].sum;
            // Two that are each other's negative, next to one another, are left open.
            CHECK(sums[at].has_value() == (sum != 0));
            if (!sums[at]) continue;
            const auto right = multiple(static_cast<std::uint64_t>(std::abs(sum)));
            CHECK(same(*sums[at], sum < 0 ? -right : right));
        }
    }
}

TEST_CASE("curve: halves make up their number", "[channel][curve]") {
    const auto n = integer(kOrder);
    const auto signed_of = [](const Half& half) {
        return half.is_negative ? -integer(half.size) : integer(half.size);
    };
    const auto lambda = integer(kLambda);
    CHECK(lambda * lambda * lambda % n == 1);
    const Field beta{kBeta};
    CHECK(same(multiple(Scalar{kLambda}), {kGenerator.x * beta, kGenerator.y}));
    auto all = numbers();
    std::mt19937_64 random(1);
    for (int more = 0; more < 2000; ++more) all.push_back({random(), random(), random(), random()});
    std::size_t wrong = 0;
    for (const auto& limbs : all) {
        const auto factor = scalar_from(limbs);
        const auto [a, b] = halves_of(factor);
        const auto sum = (signed_of(a) + signed_of(b) * lambda) % n;
        const bool are_short = integer(a.size) >> 129 == 0 && integer(b.size) >> 129 == 0;
        const bool are_odd = (a.size[0] & b.size[0] & 1) != 0;
        if ((sum + n) % n != integer(factor.limbs) || !are_short || !are_odd) ++wrong;
    }
    CHECK(wrong == 0);
}

TEST_CASE("curve: products beside the terms of a sum", "[channel][curve]") {
    if (!has_lanes()) {
        WARN("this processor has no AVX-512 with IFMA: not tested");
        return;
    }
    const PointTable table(kGenerator, 8);
    std::vector<Term> terms;
    std::vector<Product> products;
    std::vector<Scalar> expected;
    std::mt19937_64 random(2);
    for (const auto& limbs : numbers()) {
        const auto factor = scalar_from(limbs);
        const auto of = scalar_from({random(), random(), random(), random()});
        const auto other = scalar_from({random(), random(), random(), random()});
        if (factor == Scalar{}) continue;
        table.add_terms(other, terms);
        products.push_back({multiple(of), factor});
        const auto whole = (integer((factor * of).limbs) + integer(other.limbs)) % integer(kOrder);
        Scalar sum;
        for (std::size_t at = 0; at < 4; ++at)
            sum.limbs[at] = static_cast<std::uint64_t>((whole >> 64 * at) & ~std::uint64_t{0});
        expected.push_back(sum);
    }
    TermSums adder;
    const auto sums = adder.add_up(terms, table.digits(), products);
    REQUIRE(sums.size() == expected.size());
    for (std::size_t at = 0; at < sums.size(); ++at) {
        INFO(at);
        REQUIRE(sums[at]);
        CHECK(same(*sums[at], multiple(expected[at])));
    }
}

TEST_CASE("curve: a product that meets its terms is left open, and harms no other",
          "[channel][curve]") {
    if (!has_lanes()) {
        WARN("this processor has no AVX-512 with IFMA: not tested");
        return;
    }
    const PointTable table(kGenerator, 5);
    for (const std::uint64_t factor : {1, 2, 3, 31, 32, 1000}) {
        std::vector<Term> terms;
        std::vector<Product> products;
        const Scalar seven{{7}};
        const Scalar of{{factor}};
        // 7·f and ±7·f: of the same two points no sum is known, of opposite ones there is none.
        for (const auto& other : {seven, seven * of, -(seven * of)}) {
            table.add_terms(other, terms);
            products.push_back({multiple(7), of});
        }
        table.add_terms(of, terms);
        products.push_back({multiple(1), seven});
        TermSums adder;
        const auto sums = adder.add_up(terms, table.digits(), products);
        REQUIRE(sums.size() == 4);
        if (factor > 1) CHECK((sums[0] && same(*sums[0], multiple(7 + 7 * factor))));
        CHECK_FALSE(sums[1]);
        CHECK_FALSE(sums[2]);
        if (factor != 7) CHECK((sums[3] && same(*sums[3], multiple(factor + 7))));
    }
}

#ifdef __x86_64__

struct LaneResults {
    Field sum[kLanes];
    Field difference[kLanes];
    Field product[kLanes];
    Field square[kLanes];
    Field negated[kLanes];
    Field minus_and_twice[kLanes];
    Field minus_twice[kLanes];
};

MILLRACE_IN_LANES FieldLanes loaded(const Field (&from)[kLanes]) {
    LaneLimbs limbs[4];
    for (std::size_t at = 0; at < 4; ++at)
        for (std::size_t lane = 0; lane < kLanes; ++lane) limbs[at][lane] = from[lane].limbs[at];
    return field_lanes(limbs[0], limbs[1], limbs[2], limbs[3]);
}

MILLRACE_IN_LANES void calculate(const Field (&left)[kLanes], const Field (&right)[kLanes],
                                 LaneResults& results) {
    const auto a = loaded(left);
    const auto b = loaded(right);
    store(a + b, results.sum);
    store(a - b, results.difference);
    store(a * b, results.product);
    store(square(a), results.square);
    const LaneLimbs even{~std::uint64_t{0}, 0, ~std::uint64_t{0}, 0,
                         ~std::uint64_t{0}, 0, ~std::uint64_t{0}, 0};
    store(negated_where(even, a), results.negated);
    // From results as they come, whose last limb may be longer.
    store(minus_and_twice(a + a, b - a, b + b), results.minus_and_twice);
    store(minus_twice(a - b, b * b), results.minus_twice);
}

/// The longest limbs that any operation leaves, all of them at once.
MILLRACE_IN_LANES void calculate_longest(LaneResults& results) {
    const LaneLimbs most = LaneLimbs{} + lanes::kMask;
    const FieldLanes longest{
        {most, most, most, most, LaneLimbs{} + ((std::uint64_t{1} << 48) + 7)}};
    const FieldLanes zero{};
    store(longest + longest, results.sum);
    store(zero - longest, results.difference);
    store(longest * longest, results.product);
    store(square(longest), results.square);
    store(minus_and_twice(zero, longest, longest), results.minus_and_twice);
    store(minus_twice(longest, longest), results.minus_twice);
}

TEST_CASE("curve: arithmetic in lanes bears the longest limbs", "[channel][curve]") {
    if (!has_lanes()) {
        WARN("this processor has no AVX-512 with IFMA: not tested");
        return;
    }
    LaneResults found;
    calculate_longest(found);
    const auto p = integer(kFieldPrime);
    const auto longest = ((((Integer(1) << 48) + 7) << 208) + (Integer(1) << 208) - 1) % p;
    const auto check = [&](const Field& field, const Integer& expected) {
        CHECK(integer(reduced(field).limbs) == (expected % p + p) % p);
    };
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
        check(found.sum[lane], 2 * longest);
        check(found.difference[lane], -longest);
        check(found.product[lane], longest * longest);
        check(found.square[lane], longest * longest);
        check(found.minus_and_twice[lane], -3 * longest);
        check(found.minus_twice[lane], -longest);
    }
}

TEST_CASE("curve: arithmetic in lanes is that of one by one", "[channel][curve]") {
    if (!has_lanes()) {
        WARN("this processor has no AVX-512 with IFMA: not tested");
        return;
    }
    const auto all = numbers();
    std::size_t wrong = 0;
    for (std::size_t first = 0; first < all.size(); ++first)
        for (std::size_t second = 0; second < all.size(); ++second) {
            Field left[kLanes];
            Field right[kLanes];
            for (std::size_t lane = 0; lane < kLanes; ++lane) {
                left[lane] = {all[(first + lane * 7) % all.size()]};
                right[lane] = {all[(second + lane * 11) % all.size()]};
            }
            LaneResults found;
            calculate(left, right, found);
            for (std::size_t lane = 0; lane < kLanes; ++lane) {
                const auto& a = left[lane];
                const auto& b = right[lane];
                const auto is_right =
                    found.sum[lane] == a + b && found.difference[lane] == a - b &&
                    found.product[lane] == a * b && found.square[lane] == a * a &&
                    found.negated[lane] == (lane % 2 == 0 ? Field{} - a : a) &&
                    found.minus_and_twice[lane] == (a + a) - (b - a) - (b + b) - (b + b) &&
                    found.minus_twice[lane] == (a - b) - b * b - b * b;
                if (!is_right) ++wrong;
            }
        }
    CHECK(wrong == 0);
}

#endif

}  // namespace
}  // namespace millrace::channel::curve
