#include "channel/curve/invert_all.hpp"
#include "channel/curve/point_table.hpp"
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

/// Of a small factor; by libsecp256k1.
Point multiple(std::uint64_t factor) {
    std::array<std::uint8_t, 32> bytes{};
    for (std::size_t at = 0; at < 8; ++at)
        bytes[31 - at] = static_cast<std::uint8_t>(factor >> 8 * at);
    const auto xy = coordinates(SecretKey::from_bytes(bytes).value().public_key());
    return {{limbs_from(xy.data())}, {limbs_from(xy.data() + 32)}};
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

TEST_CASE("curve: the terms of a table add up to the product", "[channel][curve]") {
    const auto bits = GENERATE(4u, 5u, 8u, 12u);
    const PointTable table(kGenerator, bits);
    PointAdder adder;
    std::size_t compared = 0;
    for (const auto& limbs : numbers()) {
        const auto factor = scalar_from(limbs);
        std::vector<Point> terms;
        table.add_terms(factor, terms);
        CHECK(terms.size() <= (255 + bits) / bits);
        if (factor == Scalar{}) {
            CHECK(terms.empty());
            continue;
        }
        bool is_whole = true;
        for (std::size_t at = 1; at < terms.size(); ++at) {
            Addition one{terms.data(), &terms[at]};
            adder.add({&one, 1});
            is_whole = is_whole && !one.is_infinite;
        }
        // The only way through infinity: the last term takes away what the ones before made.
        if (!is_whole) continue;
        Bytes bytes;
        for (auto limb = factor.limbs.rbegin(); limb != factor.limbs.rend(); ++limb)
            for (int shift = 56; shift >= 0; shift -= 8)
                bytes.push_back(static_cast<std::uint8_t>(*limb >> shift));
        const auto xy = coordinates(SecretKey::from_bytes(bytes).value().public_key());
        CHECK((terms[0].x == Field{limbs_from(xy.data())} &&
               terms[0].y == Field{limbs_from(xy.data() + 32)}));
        ++compared;
    }
    CHECK(compared > 120);
}

}  // namespace
}  // namespace millrace::channel::curve
