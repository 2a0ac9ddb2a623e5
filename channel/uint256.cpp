#include "channel/uint256.hpp"

#include "channel/error.hpp"

#include <algorithm>
#include <cstddef>

namespace millrace::channel {
namespace {

constexpr std::size_t kDigitsMax = 78;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/// word = word × 10 + digit; false when that passes 2^256 − 1.
bool append_digit(Word& word, unsigned digit) {
    unsigned carry = digit;
    for (std::size_t at = Word::size; at-- > 0;) {
        const unsigned product = word.bytes[at] * 10u + carry;
        word.bytes[at] = static_cast<std::uint8_t>(product);
        carry = product >> 8;
    }
    return carry == 0;
}

/// word = word / 10; the remainder is returned.
unsigned take_digit(Word& word) {
    unsigned remainder = 0;
    for (auto& byte : word.bytes) {
        const unsigned part = remainder << 8 | byte;
        byte = static_cast<std::uint8_t>(part / 10);
        remainder = part % 10;
    }
    return remainder;
}

}  // namespace

Result<Word> parse_uint256(std::string_view text) {
    if (text.empty() || !std::all_of(text.begin(), text.end(), is_digit)) return Error::not_decimal;
    if (text.front() == '0' && text.size() > 1) return Error::not_decimal;
    if (text.size() > kDigitsMax) return Error::amount_out_of_range;

    Word word;
    for (const char c : text) {
        if (!append_digit(word, static_cast<unsigned>(c - '0'))) return Error::amount_out_of_range;
    }
    return word;
}

std::string to_decimal(const Word& word) {
    std::string digits;
    Word rest = word;
    do {
        digits.push_back(static_cast<char>('0' + take_digit(rest)));
    } while (!rest.is_zero());
    std::reverse(digits.begin(), digits.end());
    return digits;
}

Word word_from(std::uint64_t value) {
    Word word;
    for (std::size_t at = Word::size; value != 0; value >>= 8) {
        word.bytes[--at] = static_cast<std::uint8_t>(value);
    }
    return word;
}

Result<std::uint64_t> uint64_from(const Word& word) {
    const auto low = word.bytes.end() - sizeof(std::uint64_t);
    if (std::any_of(word.bytes.begin(), low, [](std::uint8_t byte) { return byte != 0; })) {
        return Error::amount_out_of_range;
    }
    std::uint64_t value = 0;
    for (auto byte = low; byte != word.bytes.end(); ++byte) value = value << 8 | *byte;
    return value;
}

Word word_from(const Address& address) {
    Word word;
    std::copy(address.bytes.begin(), address.bytes.end(), word.bytes.end() - Address::size);
    return word;
}

}  // namespace millrace::channel
