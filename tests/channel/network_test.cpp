#include "channel/network.hpp"

#include "channel/error.hpp"

#include <catch2/catch.hpp>

namespace millrace::channel {
namespace {

TEST_CASE("network: an eip155 chain id is read and written back", "[channel][network]") {
    for (const std::string text : {"eip155:1", "eip155:8453", "eip155:31337", "eip155:84532",
                                   "eip155:18446744073709551615"}) {
        CAPTURE(text);
        const auto parsed = parse_network(text);
        REQUIRE(parsed.has_value());
        CHECK(to_string(*parsed) == text);
    }
    CHECK(parse_network("eip155:31337").value() == Network{31337});
}

TEST_CASE("network: other text is refused", "[channel][network]") {
    for (const std::string_view text : {"",
                                        "eip155",
                                        "eip155:",
                                        "31337",
                                        ":31337",
                                        "eip155:0",
                                        "eip155:01",
                                        "eip155:031337",
                                        "eip155:+1",
                                        "eip155:-1",
                                        "eip155: 1",
                                        "eip155:1 ",
                                        " eip155:1",
                                        "eip155:1:2",
                                        "eip155:0x1",
                                        "eip155:1e3",
                                        "EIP155:1",
                                        "Eip155:1",
                                        "eip155-1",
                                        "solana:1",
                                        "base",
                                        "base-sepolia",
                                        "eip155:18446744073709551616",
                                        "eip155:99999999999999999999999999999999"}) {
        CAPTURE(text);
        CHECK(parse_network(text).error() == Error::not_a_network);
    }
}

}  // namespace
}  // namespace millrace::channel
