#include "channel/curve/limbs.hpp"

#include <cryptopp/integer.h>

namespace millrace::channel::curve {
namespace {

CryptoPP::Integer integer_of(const Limbs& limbs) {
    const auto bytes = bytes_of(limbs);
    return {bytes.data(), bytes.size()};
}

}  // namespace

Limbs inverse_modulo(const Limbs& a, const Limbs& prime) {
    const auto inverted = integer_of(a).InverseMod(integer_of(prime));
    std::array<std::uint8_t, 32> bytes{};
    inverted.Encode(bytes.data(), bytes.size());
    return limbs_from(bytes.data());
}

Limbs limbs_from(const std::uint8_t* bytes) {
    Limbs limbs{};
    for (std::size_t at = 0; at < 32; ++at) {
        auto& limb = limbs[3 - at / 8];
        limb = limb << 8 | bytes[at];
    }
    return limbs;
}

std::array<std::uint8_t, 32> bytes_of(const Limbs& limbs) {
    std::array<std::uint8_t, 32> bytes{};
    for (std::size_t at = 0; at < bytes.size(); ++at)
        bytes[31 - at] = static_cast<std::uint8_t>(limbs[at / 8] >> at % 8 * 8);
    return bytes;
}

}  // namespace millrace::channel::curve
