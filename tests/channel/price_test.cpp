#include "channel/price.hpp"

#include <rapidcheck.h>
#include <catch2/catch.hpp>

#include <cstdint>

using namespace millrace::channel;

namespace {

Amount units(std::uint64_t count) {
    return Amount{count};
}

Price any_price() {
    const auto any = [] { return units(*rc::gen::inRange<std::uint64_t>(0, 1'000'000'000'000)); };
    return {any(), any(), any()};
}

TokenCounts any_tokens() {
    const auto any = [] { return *rc::gen::inRange<std::uint64_t>(0, 1'000'000'000); };
    return {any(), any()};
}

}  // namespace

TEST_CASE("price: tokens are summed and rounded up once", "[channel][price]") {
    const Price price{units(10), units(500), units(2000)};
    CHECK(cost(price, {}).value() == units(10));
    CHECK(cost(price, {1, 0}).value() == units(11));
    CHECK(cost(price, {2, 0}).value() == units(11));
    CHECK(cost(price, {3, 0}).value() == units(12));
    // 0.5 and 2.0: one base unit less than each rounded up by itself.
    CHECK(cost(price, {1, 1}).value() == units(13));
    CHECK(cost(price, {3, 1}).value() == units(14));
    CHECK(cost(price, {1000, 1000}).value() == units(2510));
}

TEST_CASE("price: what does not fit is refused", "[channel][price]") {
    const Price price{{}, Amount::max(), {}};
    CHECK(cost(price, {1, 0}).has_value());
    CHECK(cost(price, {2, 0}).error() == Error::amount_out_of_range);
    CHECK(cost({Amount::max(), units(1), {}}, {1, 0}).error() == Error::amount_out_of_range);
    CHECK(cost({{}, Amount::max(), units(1)}, {1, 1}).error() == Error::amount_out_of_range);
}

TEST_CASE("price: is fixed where tokens do not count", "[channel][price]") {
    CHECK(is_fixed({units(5), {}, {}}));
    CHECK_FALSE(is_fixed({units(5), units(1), {}}));
    CHECK_FALSE(is_fixed({units(5), {}, units(1)}));
}

TEST_CASE("price: never falls with the tokens, and is within one unit of exact",
          "[channel][price]") {
    rc::check([] {
        const auto price = any_price();
        const auto less = any_tokens();
        const auto more = any_tokens();
        const TokenCounts both{less.input + more.input, less.output + more.output};
        const auto low = cost(price, less).value();
        RC_ASSERT(low <= cost(price, both).value());
        RC_ASSERT(low >= price.request);
        const auto thousandths =
            price.input_per_1k.units() * less.input + price.output_per_1k.units() * less.output;
        const auto rounded = (low.units() - price.request.units()) * 1000;
        RC_ASSERT(rounded >= thousandths);
        RC_ASSERT(rounded < thousandths + 1000);
    });
}
