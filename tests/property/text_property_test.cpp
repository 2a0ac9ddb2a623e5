#include "channel/address.hpp"
#include "channel/error.hpp"
#include "channel/inference.hpp"
#include "channel/network.hpp"
#include "tests/support/print.hpp"

#include <rapidcheck.h>
#include <rapidcheck/catch.h>

#include <algorithm>

namespace millrace::channel {
namespace {

std::string upper_after_prefix(std::string text) {
    std::transform(text.begin() + 2, text.end(), text.begin() + 2, [](char c) {
        return c >= 'a' && c <= 'f' ? static_cast<char>(c - 'a' + 'A') : c;
    });
    return text;
}

TEST_CASE("hex: goes there and back", "[channel][property]") {
    rc::prop("bytes come back from either case", [](const Bytes& bytes) {
        const std::string text = to_hex(bytes);
        RC_ASSERT(text.size() == 2 + 2 * bytes.size());
        RC_ASSERT(parse_hex(text).value() == bytes);
        RC_ASSERT(parse_hex(upper_after_prefix(text)).value() == bytes);
    });
    rc::prop("of any text, only 0x and pairs of digits are taken", [](const std::string& text) {
        RC_ASSERT(parse_hex(text).error() == Error::not_hex || text.starts_with("0x"));
    });
    rc::prop("one foreign character spoils it", [](const Bytes& bytes, char foreign) {
        RC_PRE(!bytes.empty());
        RC_PRE(std::string_view("0123456789abcdefABCDEF").find(foreign) == std::string_view::npos);
        std::string text = to_hex(bytes);
        text[*rc::gen::inRange<std::size_t>(2, text.size())] = foreign;
        RC_ASSERT(parse_hex(text).error() == Error::not_hex);
    });
}

TEST_CASE("address: goes there and back in either form", "[channel][property]") {
    rc::prop("lower case and checksum form", [] {
        const auto bytes = *rc::gen::container<Bytes>(20, rc::gen::arbitrary<std::uint8_t>());
        Address address;
        std::copy(bytes.begin(), bytes.end(), address.bytes.begin());
        RC_ASSERT(parse_address(to_hex(address)).value() == address);
        RC_ASSERT(parse_address(to_checksum(address)).value() == address);
    });
}

TEST_CASE("network: goes there and back", "[channel][property]") {
    rc::prop("any chain id but zero", [] {
        const Network network{*rc::gen::nonZero<std::uint64_t>()};
        RC_ASSERT(parse_network(to_string(network)).value() == network);
    });
    rc::prop("other text does not come back as another network", [](const std::string& rest) {
        const auto parsed = parse_network("eip155:" + rest);
        if (parsed) RC_ASSERT(to_string(*parsed) == "eip155:" + rest);
    });
}

TEST_CASE("inference id: what is taken is kept as it is", "[channel][property]") {
    rc::prop("any text", [](const std::string& text) {
        const auto parsed = InferenceId::parse(text);
        if (parsed) RC_ASSERT(parsed->text() == text);
        if (!parsed) RC_ASSERT(parsed.error() == Error::not_an_inference_id);
    });
}

}  // namespace
}  // namespace millrace::channel
