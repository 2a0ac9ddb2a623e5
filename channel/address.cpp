#include "channel/address.hpp"

#include "channel/error.hpp"
#include "channel/hex.hpp"
#include "channel/keccak.hpp"

#include <cstddef>

namespace millrace::channel {

Result<Address> parse_address(std::string_view text) {
    const auto address = parse_fixed<Address>(text);
    if (!address) return Error::not_an_address;
    return *address;
}

std::string to_checksum(const Address& address) {
    std::string text = to_hex(address);
    const Digest hash = keccak256(std::string_view(text).substr(2));
    for (std::size_t at = 0; at < 2 * Address::size; ++at) {
        const unsigned nibble = at % 2 == 0 ? hash.bytes[at / 2] >> 4 : hash.bytes[at / 2] & 15u;
        char& digit = text[at + 2];
        if (nibble >= 8 && digit >= 'a') digit = static_cast<char>(digit - 'a' + 'A');
    }
    return text;
}

}  // namespace millrace::channel
