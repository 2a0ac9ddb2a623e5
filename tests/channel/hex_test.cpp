#include "channel/hex.hpp"

#include "tests/support/print.hpp"

namespace millrace::channel {
namespace {

TEST_CASE("hex: is written in lower case with 0x, and read in any case", "[channel][hex]") {
    const Bytes bytes{0x00, 0x01, 0x9a, 0xbc, 0xde, 0xff};
    CHECK(to_hex(bytes) == "0x00019abcdeff");
    CHECK(parse_hex("0x00019abcdeff").value() == bytes);
    CHECK(parse_hex("0x00019ABCDEFF").value() == bytes);
    CHECK(parse_hex("0x00019aBcDeFf").value() == bytes);
    CHECK(to_hex(BytesView{}) == "0x");
    CHECK(parse_hex("0x").value().empty());
}

TEST_CASE("hex: every byte comes back", "[channel][hex]") {
    Bytes all(256);
    for (std::size_t at = 0; at < all.size(); ++at) all[at] = static_cast<std::uint8_t>(at);
    CHECK(parse_hex(to_hex(all)).value() == all);
}

TEST_CASE("hex: appending leaves what was there", "[channel][hex]") {
    std::string out = "id=";
    append_hex(out, Bytes{0xab, 0xcd});
    append_hex(out, Bytes{0xef});
    CHECK(out == "id=0xabcd0xef");
}

TEST_CASE("hex: other text is refused", "[channel][hex]") {
    for (const std::string_view text :
         {"",        "0",    "x",    "00",    "ab",    "0X00",      "0x0",  "0x000",
          "0xg0",    "0x0g", "0x 0", " 0x00", "0x00 ", "0x-1",      "0x+1", "0x0x",
          "0x00:00", "0x/0", "0x:0", "0x@0",  "0x`0",  "0x\xff\xff"}) {
        CAPTURE(text);
        CHECK(parse_hex(text).error() == Error::not_hex);
    }
    CHECK(parse_hex(std::string_view("0x\0\0", 4)).error() == Error::not_hex);
}

TEST_CASE("hex: fixed bytes take exactly their length", "[channel][hex]") {
    const std::string exact = "0x" + std::string(64, 'a');
    CHECK(to_hex(parse_fixed<ChannelId>(exact).value()) == exact);
    CHECK(parse_fixed<ChannelId>("0x").error() == Error::wrong_length);
    CHECK(parse_fixed<ChannelId>("0x" + std::string(62, 'a')).error() == Error::wrong_length);
    CHECK(parse_fixed<ChannelId>("0x" + std::string(66, 'a')).error() == Error::wrong_length);
    CHECK(parse_fixed<ChannelId>("0x" + std::string(63, 'a')).error() == Error::not_hex);
    CHECK(parse_fixed<ChannelId>(std::string(66, 'a')).error() == Error::not_hex);
    CHECK(parse_fixed<ChannelId>("0x" + std::string(63, 'a') + "g").error() == Error::not_hex);
}

TEST_CASE("hex: a refused text leaves the bytes alone", "[channel][hex]") {
    std::array<std::uint8_t, 2> out{7, 7};
    CHECK_FALSE(parse_hex_into("0x01", out).has_value());
    CHECK_FALSE(parse_hex_into("0x01zz", out).has_value());
    CHECK(out == std::array<std::uint8_t, 2>{7, 7});
}

}  // namespace
}  // namespace millrace::channel
