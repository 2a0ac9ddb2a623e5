#pragma once

#include "channel/bytes.hpp"
#include "channel/result.hpp"

#include <string>
#include <string_view>

namespace millrace::channel {

/// "0x" and 40 digits of any case; mixed case is taken without looking at the EIP-55 checksum
/// (stream-protocol: any case on input). `not_an_address` otherwise.
Result<Address> parse_address(std::string_view text);

/// EIP-55 mixed-case checksum form, for people and for ERC-4361 messages.
std::string to_checksum(const Address& address);

}  // namespace millrace::channel
