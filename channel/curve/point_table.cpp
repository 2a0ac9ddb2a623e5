#include "channel/curve/point_table.hpp"

namespace millrace::channel::curve {
namespace {

/// The 64 bits of the number from `bit` on, or what there is of them.
std::uint64_t bits_from(const Limbs& limbs, std::size_t bit) {
    const auto at = bit / 64;
    const auto shift = bit % 64;
    const auto first = limbs[at] >> shift;
    return shift == 0 || at + 1 == limbs.size() ? first : first | limbs[at + 1] << (64 - shift);
}

}  // namespace

PointTable::PointTable(const Point& point, unsigned bits)
    : bits_(bits), per_digit_(std::size_t{1} << (bits - 1)) {
    const std::size_t digits = (255 + bits) / bits;
    const auto bases = doubled_on(point, bits, digits);
    multiples_.resize(digits * per_digit_);
    for (std::size_t digit = 0; digit < digits; ++digit)
        multiples_[digit * per_digit_] = bases[digit];
    PointAdder adder;
    std::vector<Addition> additions(digits);
    for (std::size_t factor = 1; factor < per_digit_; ++factor) {
        for (std::size_t digit = 0; digit < digits; ++digit) {
            auto& next = multiples_[digit * per_digit_ + factor];
            next = multiples_[digit * per_digit_ + factor - 1];
            additions[digit] = {&next, &bases[digit]};
        }
        adder.add(additions);
    }
}

void PointTable::add_terms(const Scalar& factor, std::vector<Point>& terms) const {
    // Of the factor and its negative, the one without the top bit: then the last digit has no
    // carry.
    const bool is_high = factor.limbs[3] >> 63 != 0;
    const auto limbs = is_high ? (-factor).limbs : factor.limbs;
    const std::uint64_t mask = (std::uint64_t{1} << bits_) - 1;
    const std::uint64_t half = per_digit_;
    std::uint64_t carry = 0;
    for (std::size_t bit = 0, digit = 0; bit < 256; bit += bits_, ++digit) {
        auto value = (bits_from(limbs, bit) & mask) + carry;
        carry = value > half ? 1 : 0;
        const bool is_negative = carry != 0;
        if (is_negative) value = mask + 1 - value;
        if (value == 0) continue;
        const auto& multiple = multiples_[digit * per_digit_ + value - 1];
        terms.push_back(is_negative != is_high ? -multiple : multiple);
    }
}

}  // namespace millrace::channel::curve
