#pragma once

#include "channel/result.hpp"

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::channel {

/// A CAIP-2 network of the `eip155` namespace, such as "eip155:31337".
struct Network {
    std::uint64_t chain_id = 0;
    friend auto operator<=>(const Network&, const Network&) = default;
};

/// `not_a_network` unless "eip155:" and a decimal chain id without leading zeros (CAIP-2, CAIP-3).
Result<Network> parse_network(std::string_view text);
std::string to_string(Network network);

}  // namespace millrace::channel
