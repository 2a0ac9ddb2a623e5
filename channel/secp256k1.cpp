#include "channel/secp256k1.hpp"

#include "channel/error.hpp"
#include "channel/hex.hpp"
#include "channel/keccak.hpp"

#include <secp256k1.h>
#include <secp256k1_recovery.h>

#include <algorithm>
#include <cstring>
#include <string>

namespace millrace::channel {
namespace {

using Scalar = std::array<std::uint8_t, 32>;

/// n, the order of the group.
constexpr Scalar kOrder{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                        0xff, 0xff, 0xff, 0xff, 0xfe, 0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48,
                        0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41};
/// n / 2, rounded down: the highest s that EIP-2 takes.
constexpr Scalar kOrderHalf{0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                            0xff, 0xff, 0xff, 0xff, 0xff, 0x5d, 0x57, 0x6e, 0x73, 0x57, 0xa4,
                            0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0};

/// Made once, never changed: any thread may use it.
const secp256k1_context* context() {
    static const secp256k1_context* const made = secp256k1_context_create(SECP256K1_CONTEXT_NONE);
    return made;
}

static_assert(sizeof(secp256k1_pubkey) == 64);

secp256k1_pubkey to_library(const std::array<std::uint8_t, 64>& opaque) {
    secp256k1_pubkey key;
    std::memcpy(key.data, opaque.data(), opaque.size());
    return key;
}

bool is_zero(const std::uint8_t* scalar) {
    return std::all_of(scalar, scalar + 32, [](std::uint8_t byte) { return byte == 0; });
}

bool in_range(const std::uint8_t* scalar) {
    return !is_zero(scalar) && std::memcmp(scalar, kOrder.data(), kOrder.size()) < 0;
}

}  // namespace

Result<SecretKey> SecretKey::from_bytes(BytesView bytes) {
    if (bytes.size() != Scalar{}.size() || !in_range(bytes.data())) return Error::not_a_secret_key;
    SecretKey key;
    std::copy(bytes.begin(), bytes.end(), key.bytes_.begin());
    return key;
}

Result<SecretKey> SecretKey::parse(std::string_view hex) {
    Scalar bytes{};
    const auto parsed = parse_hex_into(hex, bytes);
    auto key = from_bytes(bytes);
    explicit_bzero(bytes.data(), bytes.size());
    if (!parsed) return Error::not_a_secret_key;
    return key;
}

SecretKey::SecretKey(SecretKey&& other) noexcept : bytes_(other.bytes_) {
    explicit_bzero(other.bytes_.data(), other.bytes_.size());
}

SecretKey& SecretKey::operator=(SecretKey&& other) noexcept {
    if (this == &other) return *this;
    bytes_ = other.bytes_;
    explicit_bzero(other.bytes_.data(), other.bytes_.size());
    return *this;
}

SecretKey::~SecretKey() {
    explicit_bzero(bytes_.data(), bytes_.size());
}

Signature SecretKey::sign(const Digest& digest) const {
    secp256k1_ecdsa_recoverable_signature made;
    Signature signature;
    if (secp256k1_ecdsa_sign_recoverable(context(), &made, digest.bytes.data(), bytes_.data(),
                                         secp256k1_nonce_function_rfc6979, nullptr) != 1) {
        return signature;
    }
    int recovery_id = 0;
    secp256k1_ecdsa_recoverable_signature_serialize_compact(context(), signature.bytes.data(),
                                                            &recovery_id, &made);
    signature.bytes.back() = static_cast<std::uint8_t>(27 + recovery_id);
    return signature;
}

PublicKey SecretKey::public_key() const {
    secp256k1_pubkey made;
    PublicKey key;
    if (secp256k1_ec_pubkey_create(context(), &made, bytes_.data()) != 1) return key;
    std::memcpy(key.opaque_.data(), made.data, key.opaque_.size());
    return key;
}

Address SecretKey::address() const {
    return address_of(public_key());
}

Result<void> check_form(const Signature& signature) {
    const std::uint8_t* const r = signature.bytes.data();
    const std::uint8_t* const s = r + 32;
    const std::uint8_t v = signature.bytes.back();
    if (v != 27 && v != 28) return Error::signature_v;
    if (!in_range(r) || !in_range(s)) return Error::signature_invalid;
    if (std::memcmp(s, kOrderHalf.data(), kOrderHalf.size()) > 0) return Error::signature_high_s;
    return {};
}

Result<Signature> parse_signature(BytesView bytes) {
    if (bytes.size() != Signature::size) return Error::signature_length;
    Signature signature;
    std::copy(bytes.begin(), bytes.end(), signature.bytes.begin());
    if (const auto checked = check_form(signature); !checked) return checked.error();
    return signature;
}

Result<Signature> parse_signature(std::string_view hex) {
    Signature signature;
    const auto parsed = parse_hex_into(hex, signature.bytes);
    if (!parsed && parsed.error() == Error::wrong_length) return Error::signature_length;
    if (!parsed) return Error::signature_invalid;
    if (const auto checked = check_form(signature); !checked) return checked.error();
    return signature;
}

Result<PublicKey> recover(const Digest& digest, const Signature& signature) {
    const int recovery_id = signature.bytes.back() - 27;
    if (recovery_id != 0 && recovery_id != 1) return Error::signature_invalid;

    secp256k1_ecdsa_recoverable_signature parsed;
    if (secp256k1_ecdsa_recoverable_signature_parse_compact(
            context(), &parsed, signature.bytes.data(), recovery_id) != 1) {
        return Error::signature_invalid;
    }
    secp256k1_pubkey found;
    if (secp256k1_ecdsa_recover(context(), &found, &parsed, digest.bytes.data()) != 1) {
        return Error::signature_invalid;
    }
    PublicKey key;
    std::memcpy(key.opaque_.data(), found.data, key.opaque_.size());
    return key;
}

bool verify(const Digest& digest, const Signature& signature, const PublicKey& key) {
    if (key == PublicKey{}) return false;
    secp256k1_ecdsa_signature parsed;
    if (secp256k1_ecdsa_signature_parse_compact(context(), &parsed, signature.bytes.data()) != 1) {
        return false;
    }
    const secp256k1_pubkey candidate = to_library(key.opaque_);
    return secp256k1_ecdsa_verify(context(), &parsed, digest.bytes.data(), &candidate) == 1;
}

std::array<std::uint8_t, 64> coordinates(const PublicKey& key) {
    std::array<std::uint8_t, 64> found{};
    if (key == PublicKey{}) return found;
    const secp256k1_pubkey point = to_library(key.opaque_);
    std::array<std::uint8_t, 65> uncompressed{};
    std::size_t length = uncompressed.size();
    secp256k1_ec_pubkey_serialize(context(), uncompressed.data(), &length, &point,
                                  SECP256K1_EC_UNCOMPRESSED);
    std::copy(uncompressed.begin() + 1, uncompressed.end(), found.begin());
    return found;
}

Address address_of(const PublicKey& key) {
    Address address;
    if (key == PublicKey{}) return address;
    const Digest hash = keccak256(coordinates(key));
    std::copy(hash.bytes.end() - Address::size, hash.bytes.end(), address.bytes.begin());
    return address;
}

Digest personal_message_digest(std::string_view message) {
    std::string whole =
        "\x19"
        "Ethereum Signed Message:\n";
    whole += std::to_string(message.size());
    whole += message;
    return keccak256(whole);
}

}  // namespace millrace::channel
