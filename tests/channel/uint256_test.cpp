#include "channel/uint256.hpp"

#include "channel/error.hpp"
#include "tests/support/parsed.hpp"
#include "tests/support/print.hpp"

namespace millrace::channel {
namespace {

constexpr std::string_view kMax =
    "115792089237316195423570985008687907853269984665640564039457584007913129639935";

TEST_CASE("uint256: a plain decimal number is read and written back", "[channel][uint256]") {
    for (const std::string text :
         {"0", "1", "255", "256", "65535", "18446744073709551616",
          "340282366920938463463374607431768211456",
          "57896044618658097711785492504343953926634992332820282019728792003956564819973",
          "115792089237316195423570985008687907853269984665640564039457584007913129639935"}) {
        CAPTURE(text);
        const auto parsed = parse_uint256(text);
        REQUIRE(parsed.has_value());
        CHECK(to_decimal(*parsed) == text);
    }
    CHECK(to_hex(support::word("256")) ==
          "0x0000000000000000000000000000000000000000000000000000000000000100");
    CHECK(to_hex(support::word(kMax)) ==
          "0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff");
}

TEST_CASE("uint256: other text is refused as for amounts", "[channel][uint256]") {
    for (const std::string_view text :
         {"", "+1", "-1", "01", "00", "1e3", " 1", "1 ", "1.0", "0x1"}) {
        CAPTURE(text);
        CHECK(parse_uint256(text).error() == Error::not_decimal);
    }
    CHECK(parse_uint256(std::string(100'000, '9') + "x").error() == Error::not_decimal);
}

TEST_CASE("uint256: 2^256 - 1 is the last one that is taken", "[channel][uint256]") {
    for (const std::string_view text :
         {"115792089237316195423570985008687907853269984665640564039457584007913129639936",
          "115792089237316195423570985008687907853269984665640564039457584007913129639940",
          "999999999999999999999999999999999999999999999999999999999999999999999999999999",
          "1000000000000000000000000000000000000000000000000000000000000000000000000000000"}) {
        CAPTURE(text);
        CHECK(parse_uint256(text).error() == Error::amount_out_of_range);
    }
}

TEST_CASE("uint256: 64-bit numbers go in and come back, larger ones do not", "[channel][uint256]") {
    for (const std::uint64_t value :
         {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 63, ~std::uint64_t{0}}) {
        CAPTURE(value);
        CHECK(uint64_from(word_from(value)).value() == value);
        CHECK(to_decimal(word_from(value)) == std::to_string(value));
    }
    CHECK(uint64_from(support::word("18446744073709551616")).error() == Error::amount_out_of_range);
    CHECK(uint64_from(support::word(kMax)).error() == Error::amount_out_of_range);
}

TEST_CASE("uint256: an address is padded on the left, as in the ABI", "[channel][uint256]") {
    CHECK(to_hex(word_from(support::address("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"))) ==
          "0x000000000000000000000000f39fd6e51aad88f6f4ce6ab8827279cfffb92266");
}

}  // namespace
}  // namespace millrace::channel
