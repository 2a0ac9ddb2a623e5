#include "channel/amount.hpp"

#include "channel/error.hpp"
#include "tests/support/parsed.hpp"
#include "tests/support/print.hpp"

namespace millrace::channel {
namespace {

constexpr std::string_view kMax = "340282366920938463463374607431768211455";
constexpr Amount kOne{1};

TEST_CASE("amount: a plain decimal number is read and written back as it was",
          "[channel][amount]") {
    for (const std::string text :
         {"0", "1", "9", "10", "1000000", "9999999999999999999", "10000000000000000000",
          "18446744073709551615", "18446744073709551616", "99999999999999999999999999999999999999",
          "100000000000000000000000000000000000000", "340282366920938463463374607431768211454",
          "340282366920938463463374607431768211455"}) {
        CAPTURE(text);
        const auto parsed = parse_amount(text);
        REQUIRE(parsed.has_value());
        CHECK(to_string(*parsed) == text);
    }
}

TEST_CASE("amount: text that is not exactly a decimal number is refused", "[channel][amount]") {
    const std::string digits_beyond_any_limit(100'000, '9');
    const std::string letter_far_out = std::string(100'000, '9') + "x";
    for (const std::string_view text :
         {"",    "+1",  "-1",  "-0",  "01",  "00",  "000", "1e3",   "1E3",
          " 1",  "1 ",  "1\n", "\t1", "1.0", "1.",  ".1",  "1,000", "1_000",
          "0x1", "0b1", "ff",  "1f",  "１",  "NaN", "inf", "null",  "\"1\""}) {
        CAPTURE(text);
        CHECK(parse_amount(text).error() == Error::not_decimal);
    }
    CHECK(parse_amount(std::string_view("1\0", 2)).error() == Error::not_decimal);
    CHECK(parse_amount(std::string_view("\0", 1)).error() == Error::not_decimal);
    CHECK(parse_amount(letter_far_out).error() == Error::not_decimal);
    CHECK(parse_amount(digits_beyond_any_limit).error() == Error::amount_out_of_range);
}

TEST_CASE("amount: 2^128 - 1 is the last one that is taken", "[channel][amount]") {
    CHECK(parse_amount(kMax).value() == Amount::max());
    for (const std::string_view text :
         {"340282366920938463463374607431768211456", "340282366920938463463374607431768211460",
          "340282366920938463463374607431768211465", "349999999999999999999999999999999999999",
          "999999999999999999999999999999999999999", "1000000000000000000000000000000000000000",
          "680564733841876926926749214863536422911",
          "115792089237316195423570985008687907853269984665640564039457584007913129639935"}) {
        CAPTURE(text);
        CHECK(parse_amount(text).error() == Error::amount_out_of_range);
    }
}

TEST_CASE("amount: a sum refuses above 2^128 - 1 and never wraps", "[channel][amount]") {
    CHECK(add(Amount{2}, Amount{3}).value() == Amount{5});
    CHECK(add(Amount::max(), Amount{}).value() == Amount::max());
    CHECK(add(Amount{Amount::max().units() - 1}, kOne).value() == Amount::max());
    CHECK(add(Amount::max(), kOne).error() == Error::amount_out_of_range);
    CHECK(add(kOne, Amount::max()).error() == Error::amount_out_of_range);
    CHECK(add(Amount::max(), Amount::max()).error() == Error::amount_out_of_range);
}

TEST_CASE("amount: a difference refuses below zero and never wraps", "[channel][amount]") {
    CHECK(subtract(Amount{5}, Amount{3}).value() == Amount{2});
    CHECK(subtract(Amount{5}, Amount{5}).value() == Amount{});
    CHECK(subtract(Amount::max(), Amount::max()).value() == Amount{});
    CHECK(subtract(Amount{}, kOne).error() == Error::amount_out_of_range);
    CHECK(subtract(Amount{}, Amount::max()).error() == Error::amount_out_of_range);
}

TEST_CASE("amount: compares over all of its 128 bits", "[channel][amount]") {
    CHECK(support::amount("18446744073709551616") > support::amount("18446744073709551615"));
    CHECK(support::amount("18446744073709551616") > Amount{});
    CHECK(Amount{}.is_zero());
    CHECK_FALSE(support::amount("18446744073709551616").is_zero());
}

TEST_CASE("amount: as an EVM word it fills the lower half, big endian", "[channel][amount]") {
    CHECK(to_hex(to_word(Amount{0x0102})) ==
          "0x0000000000000000000000000000000000000000000000000000000000000102");
    CHECK(to_hex(to_word(Amount::max())) ==
          "0x00000000000000000000000000000000ffffffffffffffffffffffffffffffff");
    CHECK(amount_from_word(to_word(Amount::max())).value() == Amount::max());
    CHECK(amount_from_word(Word{}).value() == Amount{});
}

TEST_CASE("amount: an EVM word at or above 2^128 is refused", "[channel][amount]") {
    for (std::size_t at = 0; at < Word::size / 2; ++at) {
        Word word = to_word(Amount::max());
        word.bytes[at] = 1;
        CAPTURE(at);
        CHECK(amount_from_word(word).error() == Error::amount_out_of_range);
    }
}

}  // namespace
}  // namespace millrace::channel
