#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <vector>

namespace millrace::channel {

using Bytes = std::vector<std::uint8_t>;
using BytesView = std::span<const std::uint8_t>;

/// N bytes with a meaning: each `Tag` makes a type of its own, so that a channel id cannot be
/// passed where a digest is due.
template <class Tag, std::size_t N>
struct FixedBytes {
    static constexpr std::size_t size = N;
    std::array<std::uint8_t, N> bytes{};

    friend auto operator<=>(const FixedBytes&, const FixedBytes&) = default;
    BytesView view() const { return {bytes.data(), N}; }
    bool is_zero() const { return *this == FixedBytes{}; }
};

/// 20 bytes; compared as bytes, never as text (x402-batch-settlement, HTTP transport).
using Address = FixedBytes<struct AddressTag, 20>;
/// keccak256 of something that is signed.
using Digest = FixedBytes<struct DigestTag, 32>;
/// The EIP-712 digest of the channel's configuration (x402-batch-settlement, EIP-712).
using ChannelId = FixedBytes<struct ChannelIdTag, 32>;
/// Free 32 bytes that tell otherwise equal channels apart.
using Salt = FixedBytes<struct SaltTag, 32>;
/// A 256-bit word, big endian, as the EVM has it.
using Word = FixedBytes<struct WordTag, 32>;
using TransactionHash = FixedBytes<struct TransactionHashTag, 32>;
using BlockHash = FixedBytes<struct BlockHashTag, 32>;
/// r ‖ s ‖ v, v 27 or 28. Form is checked by `parse_signature`, truth by `recover`.
using Signature = FixedBytes<struct SignatureTag, 65>;

}  // namespace millrace::channel

/// For hashed containers. All such values are hashes or addresses already, but a channel id can be
/// ground by its payer, so all bytes count.
template <class Tag, std::size_t N>
struct std::hash<millrace::channel::FixedBytes<Tag, N>> {
    std::size_t operator()(const millrace::channel::FixedBytes<Tag, N>& value) const noexcept {
        std::uint64_t mixed = 0x9e3779b97f4a7c15ull;
        for (std::size_t at = 0; at < N; at += 8) {
            std::uint64_t word = 0;
            std::memcpy(&word, value.bytes.data() + at, N - at < 8 ? N - at : 8);
            mixed = (mixed ^ word) * 0xff51afd7ed558ccdull;
            mixed ^= mixed >> 32;
        }
        return mixed;
    }
};
