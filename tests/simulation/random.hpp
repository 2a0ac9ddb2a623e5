#pragma once

#include "channel/amount.hpp"

#include <cstdint>
#include <random>

namespace simulation {

/// The only source of chance of a history: the same seed makes the same history.
class Random {
public:
    explicit Random(std::uint64_t seed) : engine_(seed) {}

    std::uint64_t below(std::uint64_t bound) { return engine_() % bound; }
    bool one_in(std::uint64_t n) { return below(n) == 0; }

    /// From 0 to `most`, small ones as likely as large ones.
    millrace::channel::Amount up_to(millrace::channel::Amount most) {
        using millrace::channel::Amount;
        using millrace::channel::Uint128;
        const auto bits = static_cast<Uint128>(engine_()) << 64 | engine_();
        const Uint128 drawn = bits >> below(128);
        if (most == Amount::max()) return Amount{drawn};
        return Amount{drawn % (most.units() + 1)};
    }

private:
    std::mt19937_64 engine_;
};

}  // namespace simulation
