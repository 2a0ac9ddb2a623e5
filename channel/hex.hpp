#pragma once

#include "channel/bytes.hpp"
#include "channel/error.hpp"
#include "channel/result.hpp"

#include <algorithm>
#include <string>
#include <string_view>

namespace millrace::channel {

/// "0x" and lower-case digits.
std::string to_hex(BytesView bytes);
template <class Tag, std::size_t N>
std::string to_hex(const FixedBytes<Tag, N>& value) {
    return to_hex(value.view());
}

/// Appends without allocating a string of its own.
void append_hex(std::string& out, BytesView bytes);

/// "0x" and an even number of digits of any case; `not_hex` otherwise.
Result<Bytes> parse_hex(std::string_view text);

/// As `parse_hex` into exactly `out.size()` bytes: `not_hex`, or `wrong_length`.
Result<void> parse_hex_into(std::string_view text, std::span<std::uint8_t> out);

/// `parse_fixed<ChannelId>("0x…")`.
template <class Fixed>
Result<Fixed> parse_fixed(std::string_view text) {
    Fixed value;
    if (const auto parsed = parse_hex_into(text, value.bytes); !parsed) return parsed.error();
    return value;
}

}  // namespace millrace::channel
