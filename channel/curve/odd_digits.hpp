#pragma once

#include "channel/curve/limbs.hpp"

namespace millrace::channel::curve {

/// Tells take(digit's place, its size, whether it is negative) of each of `count` digits of `bits`
/// bits whose sum is `number`, which is odd and below 2^(count·bits): all of them odd and below
/// 2^bits in size, since of an odd number a digit with one bit of the next above it, less 2^bits,
/// is odd and leaves an odd rest.
template <class Take>
void for_odd_digits(const Limbs& number, unsigned bits, std::size_t count, Take take) {
    const std::uint64_t weight = std::uint64_t{1} << bits;
    for (std::size_t place = 0; place < count; ++place) {
        const auto from = place * bits;
        const auto at = from / 64;
        const auto shift = from % 64;
        const auto first = number[at] >> shift;
        const auto above =
            shift == 0 || at + 1 == number.size() ? 0 : number[at + 1] << (64 - shift);
        const auto digit = ((first | above) & (2 * weight - 1)) | 1;
        // The last has nothing above it, and is what it is.
        if (place + 1 == count)
            take(place, digit, false);
        else if (digit < weight)
            take(place, weight - digit, true);
        else
            take(place, digit - weight, false);
    }
}

}  // namespace millrace::channel::curve
