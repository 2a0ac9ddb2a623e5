#include "channel/curve/limbs.hpp"

namespace millrace::channel::curve {

Limbs limbs_from(const std::uint8_t* bytes) {
    Limbs limbs{};
    for (std::size_t at = 0; at < 32; ++at) {
        auto& limb = limbs[3 - at / 8];
        limb = limb << 8 | bytes[at];
    }
    return limbs;
}

}  // namespace millrace::channel::curve
