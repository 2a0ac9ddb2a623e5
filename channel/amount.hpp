#pragma once

#include "channel/bytes.hpp"
#include "channel/result.hpp"

#include <compare>
#include <string>
#include <string_view>

namespace millrace::channel {

// NOLINTNEXTLINE(modernize-use-using): only a typedef takes __extension__.
__extension__ typedef unsigned __int128 Uint128;

/// Token base units: an unsigned 128-bit integer, as the escrow contract's `uint128`. Arithmetic
/// is checked and refuses; there is no conversion from or to floating point.
class Amount {
public:
    constexpr Amount() = default;
    constexpr explicit Amount(Uint128 units) : units_(units) {}

    constexpr Uint128 units() const { return units_; }
    constexpr bool is_zero() const { return units_ == 0; }
    static constexpr Amount max() { return Amount{~Uint128{0}}; }

    friend constexpr auto operator<=>(Amount, Amount) = default;

private:
    Uint128 units_ = 0;
};

/// Refuses with `amount_out_of_range` above 2^128 − 1.
Result<Amount> add(Amount a, Amount b);
/// Refuses with `amount_out_of_range` below zero.
Result<Amount> subtract(Amount a, Amount b);

/// Exact decimal: digits only, no sign, no leading zero save "0" itself. `not_decimal` for other
/// text, `amount_out_of_range` above 2^128 − 1.
Result<Amount> parse_amount(std::string_view text);
std::string to_string(Amount amount);

/// As a 256-bit word of the EVM, and back (`amount_out_of_range` when the upper half is not zero).
Word to_word(Amount amount);
Result<Amount> amount_from_word(const Word& word);

}  // namespace millrace::channel
