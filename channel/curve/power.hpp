#pragma once

#include "channel/curve/limbs.hpp"

#include <array>

namespace millrace::channel::curve {

/// base ^ exponent, four bits at a time.
template <class Element>
Element power(const Element& base, const Limbs& exponent, const Element& one) {
    std::array<Element, 16> powers{one};
    for (std::size_t at = 1; at < powers.size(); ++at) powers[at] = powers[at - 1] * base;
    auto result = one;
    for (std::size_t digit = 64; digit-- > 0;) {
        for (int doubling = 0; doubling < 4; ++doubling) result = result * result;
        result = result * powers[exponent[digit / 16] >> (digit % 16 * 4) & 15];
    }
    return result;
}

}  // namespace millrace::channel::curve
