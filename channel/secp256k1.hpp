#pragma once

#include "channel/bytes.hpp"
#include "channel/result.hpp"

#include <string_view>

namespace millrace::channel {

/// A parsed point of the curve, in the library's own form: cheap to check against, not to be
/// stored. That form is one per point, so equal bytes are equal keys. A default-made key is none:
/// nothing verifies against it and its address is zero.
class PublicKey {
public:
    friend bool operator==(const PublicKey&, const PublicKey&) = default;

private:
    friend Result<PublicKey> recover(const Digest&, const Signature&);
    friend bool verify(const Digest&, const Signature&, const PublicKey&);
    friend std::array<std::uint8_t, 64> coordinates(const PublicKey&);
    friend class SecretKey;
    std::array<std::uint8_t, 64> opaque_{};
};

/// A signing key. Wiped when it goes; cannot be copied, printed or compared. Once moved from, it
/// signs nothing: all its signatures are zero.
class SecretKey {
public:
    /// `not_a_secret_key` for zero and for values at or above the group order.
    static Result<SecretKey> from_bytes(BytesView bytes);
    /// "0x" and 64 digits.
    static Result<SecretKey> parse(std::string_view hex);

    SecretKey(SecretKey&& other) noexcept;
    SecretKey& operator=(SecretKey&& other) noexcept;
    SecretKey(const SecretKey&) = delete;
    SecretKey& operator=(const SecretKey&) = delete;
    ~SecretKey();

    /// Deterministic (RFC 6979), low s (EIP-2), v 27 or 28.
    Signature sign(const Digest& digest) const;
    PublicKey public_key() const;
    Address address() const;

private:
    SecretKey() = default;
    std::array<std::uint8_t, 32> bytes_{};
};

/// 65 bytes, v 27 or 28, r and s in range, s in the lower half of the order: the form that the
/// contract takes (x402-batch-settlement, EIP-712; EIP-2). `signature_length`, `signature_v`,
/// `signature_high_s`, `signature_invalid`. The 64-byte form of EIP-2098 is refused.
Result<Signature> parse_signature(BytesView bytes);
Result<Signature> parse_signature(std::string_view hex);
/// The same checks on bytes that already have the right length.
Result<void> check_form(const Signature& signature);

/// The key that made the signature, v included; `signature_invalid` when there is none. Expects
/// the form of `parse_signature`.
Result<PublicKey> recover(const Digest& digest, const Signature& signature);

/// True if `key` made r and s. Does not look at v: where v must be right as well (everything that
/// goes to the contract), compare with `recover`.
bool verify(const Digest& digest, const Signature& signature, const PublicKey& key);

/// x ‖ y, 32 bytes each, big endian; all zero for no key.
std::array<std::uint8_t, 64> coordinates(const PublicKey& key);

/// The last 20 bytes of the Keccak-256 of the coordinates; zero for no key.
Address address_of(const PublicKey& key);

/// The digest of `personal_sign` (EIP-191 version 0x45).
Digest personal_message_digest(std::string_view message);

}  // namespace millrace::channel
