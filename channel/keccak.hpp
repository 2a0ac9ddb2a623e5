#pragma once

#include "channel/bytes.hpp"

#include <initializer_list>
#include <string_view>

namespace millrace::channel {

/// Keccak-256 as Ethereum uses it (not SHA-3).
Digest keccak256(BytesView bytes);
/// Of the concatenation.
Digest keccak256(std::initializer_list<BytesView> parts);
Digest keccak256(std::string_view text);

}  // namespace millrace::channel
