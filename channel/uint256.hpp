#pragma once

#include "channel/bytes.hpp"
#include "channel/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::channel {

/// A `uint256` of the chain as exact decimal text, and back. Same form as `parse_amount`.
Result<Word> parse_uint256(std::string_view text);
std::string to_decimal(const Word& word);

Word word_from(std::uint64_t value);
/// `amount_out_of_range` above 2^64 − 1.
Result<std::uint64_t> uint64_from(const Word& word);
/// Left-padded with zeros, as the ABI encodes an address.
Word word_from(const Address& address);

}  // namespace millrace::channel
