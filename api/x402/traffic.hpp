#pragma once

#include "api/auth/guesses.hpp"
#include "api/connections.hpp"

#include <algorithm>
#include <cstddef>

namespace millrace::api::x402 {

/// What strangers ask of the facilitator, counted so that it can be limited.
struct Traffic {
    /// Of the settlements that may be worked on at once, one address has so small a part: each may
    /// wait for its transaction for as long as x402.wait.
    static constexpr std::size_t kAddressesAtLeast = 8;

    explicit Traffic(std::size_t in_flight_max)
        : verifying(in_flight_max, in_flight_max),
          settling_of_address_max(std::max<std::size_t>(1, in_flight_max / kAddressesAtLeast)),
          settling(in_flight_max, settling_of_address_max) {}

    /// Requests by where they come from.
    Guesses verifies{};
    Guesses settles{};
    /// Requests that are being worked on; those that wait leave room for those that do not.
    Connections verifying;
    std::size_t settling_of_address_max;
    Connections settling;
};

}  // namespace millrace::api::x402
