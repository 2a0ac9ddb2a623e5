#include "channel/hex.hpp"

#include <array>
#include <cstddef>

namespace millrace::channel {
namespace {

constexpr std::string_view kDigits = "0123456789abcdef";

constexpr std::uint8_t kNoDigit = 0xff;

/// The value of every character as a digit: ids and signatures are most of what a payment says.
constexpr auto kValues = [] {
    std::array<std::uint8_t, 256> values{};
    values.fill(kNoDigit);
    for (std::uint8_t digit = 0; digit < 10; ++digit) values['0' + digit] = digit;
    for (std::uint8_t digit = 10; digit < 16; ++digit) {
        values['a' + digit - 10] = digit;
        values['A' + digit - 10] = digit;
    }
    return values;
}();

bool has_form(std::string_view text) {
    return text.starts_with("0x") && text.size() % 2 == 0;
}

/// Expects `has_form(text)` and room for all of it; false when a character is no digit.
bool decode(std::string_view text, std::uint8_t* out) {
    std::uint8_t seen = 0;
    for (std::size_t at = 2; at < text.size(); at += 2) {
        const auto high = kValues[static_cast<std::uint8_t>(text[at])];
        const auto low = kValues[static_cast<std::uint8_t>(text[at + 1])];
        seen |= high | low;
        *out++ = static_cast<std::uint8_t>(high << 4 | low);
    }
    return seen < 16;
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
    if (!has_form(text)) return Error::not_hex;
    Bytes bytes(text.size() / 2 - 1);
    if (!decode(text, bytes.data())) return Error::not_hex;
    return bytes;
}

Result<void> parse_hex_into(std::string_view text, std::span<std::uint8_t> out) {
    // Decoded aside, so that a refusal leaves `out` alone; ids and signatures fit without a heap.
    std::array<std::uint8_t, 80> aside;
    const auto size = text.size() / 2 - 1;
    if (!has_form(text) || size > aside.size() || out.size() > aside.size()) {
        const auto bytes = parse_hex(text);
        if (!bytes) return bytes.error();
        if (bytes->size() != out.size()) return Error::wrong_length;
        std::copy(bytes->begin(), bytes->end(), out.begin());
        return {};
    }
    if (!decode(text, aside.data())) return Error::not_hex;
    if (size != out.size()) return Error::wrong_length;
    std::copy_n(aside.begin(), size, out.begin());
    return {};
}

}  // namespace millrace::channel
