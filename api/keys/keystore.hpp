#pragma once

#include "channel/bytes.hpp"
#include "channel/secp256k1.hpp"

#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace millrace::api {

/// Why a keystore does not open: not of this format, or the wrong password.
struct KeystoreError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Random bytes for one keystore, never used twice.
struct KeystoreRandom {
    std::array<std::uint8_t, 32> salt{};
    std::array<std::uint8_t, 16> iv{};
    std::array<std::uint8_t, 16> id{};
};

/// log2 of scrypt's n, with r = 8 and p = 1: 2^18 takes 256 MiB and about a second.
inline constexpr unsigned kScryptLog2N = 18;

/// A key as a JSON text of Web3 Secret Storage, version 3: scrypt, AES-128-CTR, Keccak-256 MAC. The
/// address stands in it in the clear.
std::string encrypt_key(channel::BytesView key, std::string_view password,
                        const KeystoreRandom& random, unsigned scrypt_log2_n = kScryptLog2N);

/// Whether the text looks like a keystore rather than a bare key.
bool is_keystore(std::string_view text);

/// Key derivation by scrypt or PBKDF2-HMAC-SHA-256. Takes as long as the text wants, within 1 GiB
/// of scrypt's mixing or 10,000,000 rounds. Throws KeystoreError.
channel::SecretKey decrypt_key(std::string_view text, std::string_view password);

/// The address that the keystore says it is of, which nothing proves without the password; zero
/// when it says none. Throws KeystoreError.
channel::Address claimed_address(std::string_view text);

}  // namespace millrace::api
