#include "channel/address.hpp"

#include "channel/error.hpp"
#include "tests/support/parsed.hpp"
#include "tests/support/print.hpp"
#include "tests/support/vectors.hpp"

#include <algorithm>
#include <unordered_set>

namespace millrace::channel {
namespace {

using support::Vector;

std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return text;
}

TEST_CASE("address: any case is read, lower case is written", "[channel][address]") {
    const std::string mixed = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
    const std::string wrong_checksum = "0xF39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
    const std::string upper = "0xF39FD6E51AAD88F6F4CE6AB8827279CFFFB92266";
    for (const auto& text : {mixed, wrong_checksum, upper, lower(mixed)}) {
        CAPTURE(text);
        const auto parsed = parse_address(text);
        REQUIRE(parsed.has_value());
        CHECK(to_hex(*parsed) == lower(mixed));
    }
}

TEST_CASE("address: other text is refused", "[channel][address]") {
    const std::string digits(40, '1');
    for (const std::string& text :
         {std::string{}, std::string("0x"), digits, "0X" + digits, "0x" + digits + "1",
          "0x" + digits + "11", "0x" + digits.substr(1), "0x" + digits.substr(2),
          "0x" + digits.substr(1) + "g", " 0x" + digits, "0x" + digits + " ",
          "0x" + digits + digits, std::string("vitalik.eth")}) {
        CAPTURE(text);
        CHECK(parse_address(text).error() == Error::not_an_address);
    }
}

TEST_CASE("address: the checksum form is that of EIP-55", "[channel][address]") {
    // The examples of EIP-55 itself: all upper, all lower, mixed.
    for (const std::string text : {"0x52908400098527886E0F7030069857D2E4169EE7",
                                   "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
                                   "0xde709f2102306220921060314715629080e2fb77",
                                   "0x27b1fdb04752bbc536007a920d24acb045561c26",
                                   "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
                                   "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
                                   "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
                                   "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb"}) {
        CHECK(to_checksum(support::address(lower(text))) == text);
    }
}

TEST_CASE("address: the checksum form agrees with every address of the vectors",
          "[channel][address][vectors]") {
    for (const auto& key : Vector::load("evm-primitives.json")["keys"].items()) {
        const std::string text = key["address"].text();
        CHECK(to_checksum(support::address(lower(text))) == text);
    }
    const Vector protocols = Vector::load("payment-protocols.json");
    for (const auto& [text, key] : protocols["keys"].members()) {
        CHECK(to_checksum(support::address(lower(text))) == text);
    }
    for (const auto& [name, contract] : protocols["x402_batch_settlement"]["contracts"].members()) {
        CHECK(to_checksum(support::address(lower(contract.text()))) == contract.text());
    }
}

TEST_CASE("address: equal bytes are one key of a hashed container, every byte counts",
          "[channel][address]") {
    std::unordered_set<Address> seen;
    for (std::size_t at = 0; at < Address::size; ++at) {
        Address address;
        address.bytes[at] = 1;
        CHECK(seen.insert(address).second);
        CHECK_FALSE(seen.insert(address).second);
    }
    CHECK(seen.size() == Address::size);
    CHECK(Address{}.is_zero());
    CHECK_FALSE(seen.contains(Address{}));
}

}  // namespace
}  // namespace millrace::channel
