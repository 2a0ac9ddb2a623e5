#pragma once

#include "api/auth/guesses.hpp"

#include <atomic>
#include <cstddef>

namespace millrace::api::x402 {

/// What strangers ask of the facilitator, counted so that it can be limited.
struct Traffic {
    /// Requests by where they come from.
    Guesses verifies{};
    Guesses settles{};
    /// Requests that are being worked on.
    std::atomic<std::size_t> in_flight{0};
};

}  // namespace millrace::api::x402
