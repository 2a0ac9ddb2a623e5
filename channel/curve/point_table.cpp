#include "channel/curve/point_table.hpp"

#include "channel/curve/odd_digits.hpp"

namespace millrace::channel::curve {
PointTable::PointTable(const Point& point, unsigned bits)
    : bits_(bits), per_digit_(std::size_t{1} << (bits - 1)) {
    const std::size_t digits = (255 + bits) / bits;
    const auto bases = doubled_on(point, bits, digits);
    multiples_.resize(digits * per_digit_);
    for (std::size_t digit = 0; digit < digits; ++digit)
        multiples_[digit * per_digit_] = bases[digit];
    PointAdder adder;
    std::vector<Addition> additions(digits);
    // To each base itself, which leaves its double.
    auto doubles = bases;
    for (std::size_t digit = 0; digit < digits; ++digit)
        additions[digit] = {&doubles[digit], &bases[digit]};
    adder.add(additions);
    for (std::size_t at = 1; at < per_digit_; ++at) {
        for (std::size_t digit = 0; digit < digits; ++digit) {
            auto& next = multiples_[digit * per_digit_ + at];
            next = multiples_[digit * per_digit_ + at - 1];
            additions[digit] = {&next, &doubles[digit]};
        }
        adder.add(additions);
    }
}

void PointTable::add_terms(const Scalar& factor, std::vector<Term>& terms) const {
    const bool is_even = (factor.limbs[0] & 1) == 0;
    const auto limbs = is_even ? (-factor).limbs : factor.limbs;
    for_odd_digits(
        limbs, bits_, digits(), [&](std::size_t place, std::uint64_t size, bool negative) {
            terms.push_back({&multiples_[place * per_digit_ + size / 2], negative != is_even});
        });
}

}  // namespace millrace::channel::curve
