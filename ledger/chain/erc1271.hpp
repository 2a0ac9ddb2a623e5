#pragma once

#include "channel/bytes.hpp"

#include <cstdint>

namespace millrace::ledger::chain {

/// What asking a smart wallet may cost. Its claim pays for the same once more: a wallet that needs
/// more would crowd out other payers' rows.
inline constexpr std::uint64_t kErc1271GasMax = 400'000;

/// ERC-1271 `isValidSignature(bytes32 hash, bytes signature)`.
channel::Bytes is_valid_signature_call(const channel::Digest& digest, channel::BytesView signature);

/// True for the one answer that means yes, and for no other: an account without code answers
/// nothing at all.
bool says_valid(channel::BytesView answer);

}  // namespace millrace::ledger::chain
