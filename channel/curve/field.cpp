#include "channel/curve/field.hpp"

namespace millrace::channel::curve {

namespace {

/// The same number below 2^256: 2^256 is replaced by what it leaves modulo p, twice.
[[gnu::always_inline]] inline Field folded(const WideLimbs& wide) {
    Field out;
    std::uint64_t carry = 0;
#pragma GCC unroll 4
    for (std::size_t at = 0; at < 4; ++at)
        out.limbs[at] = multiply_add(wide[at + 4], kFieldFold, wide[at], carry);
    std::uint64_t beyond = 0;
    out.limbs[0] = multiply_add(carry, kFieldFold, out.limbs[0], beyond);
    std::uint64_t again = 0;
    out.limbs[1] = add_carry(out.limbs[1], beyond, again);
    out.limbs[2] = add_carry(out.limbs[2], 0, again);
    out.limbs[3] = add_carry(out.limbs[3], 0, again);
    // Wrapped once more, the number is below 2^67: this cannot carry further.
    std::uint64_t last = 0;
    out.limbs[0] = add_carry(out.limbs[0], again * kFieldFold, last);
    out.limbs[1] += last;
    return out;
}

}  // namespace

Field operator*(const Field& a, const Field& b) {
    return folded(multiply(a.limbs, b.limbs));
}

Field square(const Field& a) {
    return folded(multiply(a.limbs, a.limbs));
}

Field reduced(const Field& a) {
    return is_below(a.limbs, kFieldPrime) ? a : Field{subtract(a.limbs, kFieldPrime)};
}

bool operator==(const Field& a, const Field& b) {
    return reduced(a).limbs == reduced(b).limbs;
}

Field inverse(const Field& a) {
    return {inverse_modulo(a.limbs, kFieldPrime)};
}

}  // namespace millrace::channel::curve
