#include "channel/amount.hpp"

#include "channel/error.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace millrace::channel {
namespace {

constexpr Uint128 kUnitsMax = ~Uint128{0};
constexpr std::size_t kDigitsMax = 39;
/// So many digits always fit 64 bits.
constexpr std::size_t kDigitsFast = 19;
constexpr std::uint64_t kTenToTheNineteenth = 10'000'000'000'000'000'000u;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/// Writes the digits of `value` before `end`, at least `width` of them.
char* write_backwards(char* end, std::uint64_t value, int width) {
    for (; value != 0 || width > 0; value /= 10, --width) {
        *--end = static_cast<char>('0' + value % 10);
    }
    return end;
}

}  // namespace

Result<Amount> add(Amount a, Amount b) {
    if (a.units() > kUnitsMax - b.units()) return Error::amount_out_of_range;
    return Amount{a.units() + b.units()};
}

Result<Amount> subtract(Amount a, Amount b) {
    if (b > a) return Error::amount_out_of_range;
    return Amount{a.units() - b.units()};
}

Result<Amount> parse_amount(std::string_view text) {
    if (text.empty() || !std::all_of(text.begin(), text.end(), is_digit)) return Error::not_decimal;
    if (text.front() == '0' && text.size() > 1) return Error::not_decimal;
    if (text.size() > kDigitsMax) return Error::amount_out_of_range;

    std::uint64_t head = 0;
    for (const char c : text.substr(0, kDigitsFast)) head = head * 10 + (c - '0');
    if (text.size() <= kDigitsFast) return Amount{head};

    Uint128 units = head;
    for (const char c : text.substr(kDigitsFast)) {
        const auto digit = static_cast<Uint128>(c - '0');
        if (units > (kUnitsMax - digit) / 10) return Error::amount_out_of_range;
        units = units * 10 + digit;
    }
    return Amount{units};
}

std::string to_string(Amount amount) {
    std::array<char, kDigitsMax> digits;
    char* const end = digits.data() + digits.size();
    char* begin = end;
    Uint128 rest = amount.units();
    while (rest > UINT64_MAX) {
        begin = write_backwards(begin, static_cast<std::uint64_t>(rest % kTenToTheNineteenth), 19);
        rest /= kTenToTheNineteenth;
    }
    begin = write_backwards(begin, static_cast<std::uint64_t>(rest), begin == end ? 1 : 0);
    return {begin, end};
}

Word to_word(Amount amount) {
    Word word;
    Uint128 rest = amount.units();
    for (std::size_t at = Word::size; at > Word::size / 2; rest >>= 8) {
        word.bytes[--at] = static_cast<std::uint8_t>(rest);
    }
    return word;
}

Result<Amount> amount_from_word(const Word& word) {
    const auto* const middle = word.bytes.data() + Word::size / 2;
    if (std::any_of(word.bytes.data(), middle, [](std::uint8_t byte) { return byte != 0; })) {
        return Error::amount_out_of_range;
    }
    Uint128 units = 0;
    for (const auto* byte = middle; byte != middle + Word::size / 2; ++byte) {
        units = units << 8 | *byte;
    }
    return Amount{units};
}

}  // namespace millrace::channel
