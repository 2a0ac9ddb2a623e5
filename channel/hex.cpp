#include "channel/hex.hpp"

#include <cstddef>

namespace millrace::channel {
namespace {

constexpr std::string_view kDigits = "0123456789abcdef";

int digit_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

bool is_hex(std::string_view text) {
    if (!text.starts_with("0x") || text.size() % 2 != 0) return false;
    return std::all_of(text.begin() + 2, text.end(), [](char c) { return digit_value(c) >= 0; });
}

/// Expects `is_hex(text)` and room for all of it.
void decode(std::string_view text, std::uint8_t* out) {
    for (std::size_t at = 2; at < text.size(); at += 2) {
        *out++ = static_cast<std::uint8_t>(digit_value(text[at]) << 4 | digit_value(text[at + 1]));
    }
}

}  // namespace

void append_hex(std::string& out, BytesView bytes) {
    const std::size_t start = out.size();
    out.resize(start + 2 + 2 * bytes.size());
    char* to = out.data() + start;
    *to++ = '0';
    *to++ = 'x';
    for (const std::uint8_t byte : bytes) {
        *to++ = kDigits[byte >> 4];
        *to++ = kDigits[byte & 15];
    }
}

std::string to_hex(BytesView bytes) {
    std::string out;
    append_hex(out, bytes);
    return out;
}

Result<Bytes> parse_hex(std::string_view text) {
    if (!is_hex(text)) return Error::not_hex;
    Bytes bytes(text.size() / 2 - 1);
    decode(text, bytes.data());
    return bytes;
}

Result<void> parse_hex_into(std::string_view text, std::span<std::uint8_t> out) {
    if (!is_hex(text)) return Error::not_hex;
    if (text.size() / 2 - 1 != out.size()) return Error::wrong_length;
    decode(text, out.data());
    return {};
}

}  // namespace millrace::channel
