#include "api/keys/keystore.hpp"

#include "channel/hex.hpp"
#include "channel/keccak.hpp"

#include <cryptopp/scrypt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <boost/json.hpp>

#include <bit>
#include <memory>

namespace millrace::api {
namespace {

namespace json = boost::json;

constexpr std::size_t kDerivedBytes = 32;
constexpr std::size_t kCipherKeyBytes = 16;
constexpr std::uint64_t kScryptBytesMax = 1024ull * 1024 * 1024;
constexpr std::uint64_t kPbkdf2RoundsMax = 10'000'000;
constexpr unsigned kScryptR = 8;
constexpr unsigned kScryptP = 1;

/// Wiped when it goes.
template <std::size_t N>
struct Secret {
    std::array<std::uint8_t, N> bytes{};
    Secret() = default;
    Secret(const Secret&) = delete;
    Secret& operator=(const Secret&) = delete;
    ~Secret() { OPENSSL_cleanse(bytes.data(), bytes.size()); }
};
using Derived = Secret<kDerivedBytes>;

std::string bare_hex(channel::BytesView bytes) {
    return channel::to_hex(bytes).substr(2);
}

/// By Crypto++, because OpenSSL keeps to RFC 7914's n < 2^(16 r), which the format's own example
/// (r = 1) and the wallets that follow it do not.
void scrypt(std::string_view password, channel::BytesView salt, std::uint64_t n, std::uint64_t r,
            std::uint64_t p, Derived& out) {
    // Memory is 128 r (n + p) bytes, and all p rounds go through 128 r n of it.
    const bool sane = std::has_single_bit(n) && n > 1 && n <= kScryptBytesMax && r > 0 &&
                      r <= 1024 && p > 0 && p <= 1024 && 128 * r * n <= kScryptBytesMax / p;
    if (!sane) throw KeystoreError("its scrypt parameters will not do");
    const auto* text = reinterpret_cast<const std::uint8_t*>(password.data());
    CryptoPP::Scrypt().DeriveKey(out.bytes.data(), out.bytes.size(), text, password.size(),
                                 salt.data(), salt.size(), n, r, p);
}

void pbkdf2(std::string_view password, channel::BytesView salt, std::uint64_t rounds,
            Derived& out) {
    if (rounds == 0 || rounds > kPbkdf2RoundsMax ||
        PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), salt.data(),
                          static_cast<int>(salt.size()), static_cast<int>(rounds), EVP_sha256(),
                          static_cast<int>(out.bytes.size()), out.bytes.data()) != 1)
        throw KeystoreError("its PBKDF2 parameters will not do");
}

/// AES-128-CTR both ways.
void aes_128_ctr(const Derived& derived, channel::BytesView iv, channel::BytesView in,
                 std::span<std::uint8_t> out) {
    const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(
        EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
    int size = 0;
    if (!context ||
        EVP_EncryptInit_ex(context.get(), EVP_aes_128_ctr(), nullptr, derived.bytes.data(),
                           iv.data()) != 1 ||
        EVP_EncryptUpdate(context.get(), out.data(), &size, in.data(),
                          static_cast<int>(in.size())) != 1 ||
        static_cast<std::size_t>(size) != in.size())
        throw KeystoreError("AES-128-CTR is not available");
}

channel::Digest mac_of(const Derived& derived, channel::BytesView ciphertext) {
    return channel::keccak256(
        {channel::BytesView(derived.bytes).subspan(kCipherKeyBytes), ciphertext});
}

const json::value& member(const json::value& of, std::string_view name) {
    const auto* object = of.if_object();
    if (object)
        // Some wallets write "Crypto".
        for (const auto& [key, value] : *object)
            if (key == name || (name == "crypto" && key == "Crypto")) return value;
    throw KeystoreError("it has no " + std::string(name));
}

std::string_view text(const json::value& of, std::string_view name) {
    const auto* found = member(of, name).if_string();
    if (!found) throw KeystoreError(std::string(name) + " is no text");
    return *found;
}

channel::Bytes bytes(const json::value& of, std::string_view name) {
    const auto given = text(of, name);
    const auto parsed = channel::parse_hex(given.starts_with("0x") ? std::string(given)
                                                                   : "0x" + std::string(given));
    if (!parsed) throw KeystoreError(std::string(name) + " is no hex");
    return *parsed;
}

std::uint64_t number(const json::value& of, std::string_view name) {
    const auto& found = member(of, name);
    if (const auto* value = found.if_int64(); value && *value >= 0)
        return static_cast<std::uint64_t>(*value);
    throw KeystoreError(std::string(name) + " is no number");
}

void derive(const json::value& crypto, std::string_view password, Derived& out) {
    const auto kdf = text(crypto, "kdf");
    const auto& parameters = member(crypto, "kdfparams");
    const auto salt = bytes(parameters, "salt");
    if (number(parameters, "dklen") != kDerivedBytes) throw KeystoreError("dklen is not 32");
    if (kdf == "scrypt") {
        scrypt(password, salt, number(parameters, "n"), number(parameters, "r"),
               number(parameters, "p"), out);
    } else if (kdf == "pbkdf2") {
        if (text(parameters, "prf") != "hmac-sha256") throw KeystoreError("prf is not hmac-sha256");
        pbkdf2(password, salt, number(parameters, "c"), out);
    } else {
        throw KeystoreError("kdf is neither scrypt nor pbkdf2");
    }
}

json::value parsed(std::string_view keystore) {
    boost::system::error_code error;
    auto value = json::parse(keystore, error);
    if (error) throw KeystoreError("it is not JSON");
    if (number(value, "version") != 3) throw KeystoreError("its version is not 3");
    return value;
}

/// Version 4 of RFC 4122.
std::string uuid(std::array<std::uint8_t, 16> random) {
    random[6] = static_cast<std::uint8_t>((random[6] & 0x0f) | 0x40);
    random[8] = static_cast<std::uint8_t>((random[8] & 0x3f) | 0x80);
    auto digits = bare_hex(random);
    for (const std::size_t at : {8u, 13u, 18u, 23u}) digits.insert(at, "-");
    return digits;
}

}  // namespace

std::string encrypt_key(channel::BytesView key, std::string_view password,
                        const KeystoreRandom& random, unsigned scrypt_log2_n) {
    const auto secret = channel::SecretKey::from_bytes(key);
    if (!secret) throw KeystoreError("there is no key to keep");
    const auto n = std::uint64_t{1} << scrypt_log2_n;
    Derived derived;
    scrypt(password, random.salt, n, kScryptR, kScryptP, derived);
    channel::Bytes ciphertext(key.size());
    aes_128_ctr(derived, random.iv, key, ciphertext);
    const json::object crypto{{"cipher", "aes-128-ctr"},
                              {"cipherparams", {{"iv", bare_hex(random.iv)}}},
                              {"ciphertext", bare_hex(ciphertext)},
                              {"kdf", "scrypt"},
                              {"kdfparams",
                               {{"dklen", kDerivedBytes},
                                {"n", n},
                                {"p", kScryptP},
                                {"r", kScryptR},
                                {"salt", bare_hex(random.salt)}}},
                              {"mac", bare_hex(mac_of(derived, ciphertext).view())}};
    return json::serialize(json::object{{"version", 3},
                                        {"id", uuid(random.id)},
                                        {"address", bare_hex(secret->address().view())},
                                        {"crypto", crypto}});
}

bool is_keystore(std::string_view keystore) {
    const auto first = keystore.find_first_not_of(" \t\r\n");
    return first != std::string_view::npos && keystore[first] == '{';
}

channel::SecretKey decrypt_key(std::string_view keystore, std::string_view password) {
    const auto value = parsed(keystore);
    const auto& crypto = member(value, "crypto");
    if (text(crypto, "cipher") != "aes-128-ctr") throw KeystoreError("cipher is not aes-128-ctr");
    const auto iv = bytes(member(crypto, "cipherparams"), "iv");
    const auto ciphertext = bytes(crypto, "ciphertext");
    const auto mac = bytes(crypto, "mac");
    Secret<32> plain;
    if (iv.size() != 16 || ciphertext.size() != plain.bytes.size() ||
        mac.size() != channel::Digest::size)
        throw KeystoreError("it does not hold one key");

    Derived derived;
    derive(crypto, password, derived);
    const auto wanted = mac_of(derived, ciphertext);
    if (CRYPTO_memcmp(mac.data(), wanted.bytes.data(), mac.size()) != 0)
        throw KeystoreError("the password is wrong");
    aes_128_ctr(derived, iv, ciphertext, plain.bytes);
    auto key = channel::SecretKey::from_bytes(plain.bytes);
    if (!key) throw KeystoreError("what it holds is no key");
    return std::move(*key);
}

channel::Address claimed_address(std::string_view keystore) {
    const auto value = parsed(keystore);
    if (!value.get_object().contains("address")) return {};
    const auto found = bytes(value, "address");
    channel::Address address;
    if (found.size() != address.bytes.size()) throw KeystoreError("address is none");
    std::copy(found.begin(), found.end(), address.bytes.begin());
    return address;
}

}  // namespace millrace::api
