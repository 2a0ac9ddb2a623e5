#pragma once

#include "channel/address.hpp"
#include "channel/amount.hpp"
#include "channel/hex.hpp"
#include "channel/inference.hpp"
#include "channel/secp256k1.hpp"
#include "channel/uint256.hpp"

#include <string_view>

/// Values written as text in tests. Text that does not parse is a mistake of the test and throws.
namespace support {

inline millrace::channel::Address address(std::string_view text) {
    return millrace::channel::parse_address(text).value();
}

inline millrace::channel::Amount amount(std::string_view text) {
    return millrace::channel::parse_amount(text).value();
}

inline millrace::channel::Word word(std::string_view decimal) {
    return millrace::channel::parse_uint256(decimal).value();
}

inline millrace::channel::InferenceId inference(std::string_view text) {
    return millrace::channel::InferenceId::parse(text).value();
}

inline millrace::channel::SecretKey secret_key(std::string_view hex) {
    return millrace::channel::SecretKey::parse(hex).value();
}

/// `fixed<ChannelId>("0x…")`.
template <class Fixed>
Fixed fixed(std::string_view hex) {
    return millrace::channel::parse_fixed<Fixed>(hex).value();
}

}  // namespace support
