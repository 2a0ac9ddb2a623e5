#include "api/cli/bench/percentiles.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <chrono>
#include <limits>
#include <random>

using millrace::api::bench::Latencies;
using namespace std::chrono_literals;

namespace {

std::uint32_t exact(const std::vector<std::uint32_t>& sorted, unsigned per_mille) {
    return sorted[std::min(sorted.size() - 1, sorted.size() * per_mille / 1000)];
}

/// From a microsecond to an hour, each order of magnitude as often as any other.
std::vector<std::uint32_t> latencies(std::size_t count, std::uint32_t seed) {
    std::mt19937 random(seed);
    std::uniform_real_distribution<double> exponent(0, 9.5);
    std::vector<std::uint32_t> made(count);
    for (auto& one : made) one = static_cast<std::uint32_t>(std::pow(10, exponent(random)));
    return made;
}

}  // namespace

TEST_CASE("bench: percentiles of short latencies are exact", "[bench]") {
    Latencies all;
    CHECK(all.count() == 0);
    CHECK(all.percentile(500) == 0);
    for (std::uint32_t value = 200; value > 0; --value) all.add(value);
    CHECK(all.count() == 200);
    CHECK(all.percentile(0) == 1);
    CHECK(all.percentile(500) == 101);
    CHECK(all.percentile(990) == 199);
    CHECK(all.percentile(999) == 200);
    CHECK(all.percentile(1000) == 200);
    CHECK(all.max() == 200);
}

TEST_CASE("bench: percentiles of any latencies are within half a per cent of the exact ones",
          "[bench]") {
    for (std::uint32_t seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        auto values = latencies(10'000, seed);
        Latencies all;
        for (const auto value : values) all.add(value);
        std::sort(values.begin(), values.end());
        CHECK(all.count() == values.size());
        CHECK(all.max() == values.back());
        for (const auto per_mille : {0u, 1u, 100u, 500u, 900u, 990u, 999u, 1000u}) {
            CAPTURE(per_mille);
            const double wanted = exact(values, per_mille);
            CHECK(std::abs(all.percentile(per_mille) - wanted) <= wanted / 200);
        }
    }
}

TEST_CASE("bench: every single latency is told within half a per cent, and never above the longest",
          "[bench]") {
    const auto told = [](std::uint32_t value) {
        Latencies one;
        one.add(value);
        return one.percentile(500);
    };
    for (unsigned bits = 0; bits < 32; ++bits) {
        for (const std::uint32_t value : {(1u << bits) - 1, 1u << bits, (1u << bits) + 1}) {
            CAPTURE(value);
            CHECK(told(value) <= value);
            CHECK(value - told(value) <= value / 200);
        }
    }
    const auto most = std::numeric_limits<std::uint32_t>::max();
    CHECK(most - told(most) <= most / 200);
}

TEST_CASE("bench: latencies of several generators add up to those of one", "[bench]") {
    const auto values = latencies(5000, 7);
    Latencies whole;
    Latencies even;
    Latencies odd;
    for (std::size_t at = 0; at < values.size(); ++at) {
        whole.add(values[at]);
        (at % 2 == 0 ? even : odd).add(values[at]);
    }
    even.add(odd);
    CHECK(even.count() == whole.count());
    CHECK(even.max() == whole.max());
    for (unsigned per_mille = 0; per_mille <= 1000; ++per_mille)
        CHECK(even.percentile(per_mille) == whole.percentile(per_mille));
}

TEST_CASE("bench: a duration beyond what is kept is the most that is kept", "[bench]") {
    Latencies all;
    all.add(1500us);
    CHECK(all.max() == 1500);
    all.add(-3us);
    CHECK(all.percentile(0) == 0);
    all.add(100h);
    CHECK(all.max() == std::numeric_limits<std::uint32_t>::max());
}
