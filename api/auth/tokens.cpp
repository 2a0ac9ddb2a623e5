#include "api/auth/tokens.hpp"

#include "api/auth/random.hpp"
#include "channel/hex.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>

namespace millrace::api {
namespace {

using Sha256 = std::array<std::uint8_t, 32>;

constexpr std::size_t kSecretBytesMin = 32;
constexpr std::size_t kAddressBytes = channel::Address::size;
constexpr std::size_t kExpiryBytes = 8;
constexpr std::size_t kRandomBytes = 12;
constexpr std::size_t kPayloadBytes = kAddressBytes + kExpiryBytes + kRandomBytes;
constexpr std::size_t kMacBytes = std::tuple_size_v<Sha256>;
/// Of a configured token's SHA-256, in the record of what was asked with it.
constexpr std::size_t kDigestBytesShown = 8;
/// Longer text is no token of anybody and is not even hashed.
constexpr std::size_t kBearerLengthMax = 1024;

channel::Bytes from_hex(std::string_view text, const char* key) {
    const auto bytes =
        channel::parse_hex(text.starts_with("0x") ? std::string(text) : "0x" + std::string(text));
    if (!bytes) throw ConfigError(std::string(key) + ": expected hexadecimal digits");
    return *bytes;
}

std::vector<Sha256> digests(const std::vector<std::string>& texts, const char* key) {
    std::vector<Sha256> all;
    for (const auto& text : texts) {
        const auto bytes = from_hex(text, key);
        if (bytes.size() != std::tuple_size_v<Sha256>)
            throw ConfigError(std::string(key) + ": expected the 64 digits of a SHA-256");
        std::copy(bytes.begin(), bytes.end(), all.emplace_back().begin());
    }
    return all;
}

Sha256 sha256(std::string_view text) {
    Sha256 digest{};
    EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
    return digest;
}

bool contains(const std::vector<Sha256>& known, const Sha256& digest) {
    bool found = false;
    for (const auto& one : known)
        found |= CRYPTO_memcmp(one.data(), digest.data(), digest.size()) == 0;
    return found;
}

Auditor configured_auditor(const Sha256& digest) {
    const auto name = channel::to_hex(channel::BytesView(digest).first(kDigestBytesShown));
    return {{ledger::AuditCaller::Kind::token, name.substr(2)},
            {std::begin(ledger::kAuditScopes), std::end(ledger::kAuditScopes)}};
}

}  // namespace

Tokens::Tokens(const AuthConfig& config)
    : ttl_(config.token_ttl),
      secret_(from_hex(config.token_secret, "auth.token_secret")),
      auditors_(digests(config.auditor_token_sha256, "auth.auditor_token_sha256")),
      operators_(digests(config.operator_token_sha256, "auth.operator_token_sha256")) {
    if (secret_.empty()) {
        secret_.resize(kSecretBytesMin);
        fill_random(secret_);
    }
    if (secret_.size() < kSecretBytesMin)
        throw ConfigError("auth.token_secret: expected at least 64 digits, 32 bytes");
}

Tokens::Sha256 Tokens::mac(channel::BytesView payload) const {
    Sha256 digest{};
    unsigned length = 0;
    HMAC(EVP_sha256(), secret_.data(), static_cast<int>(secret_.size()), payload.data(),
         payload.size(), digest.data(), &length);
    return digest;
}

std::pair<std::string, ledger::Time> Tokens::issue(const channel::Address& address,
                                                   ledger::Time now) const {
    return issue(SessionOwner{address}, now);
}

std::pair<std::string, ledger::Time> Tokens::issue(const SessionOwner& owner,
                                                   ledger::Time now) const {
    const ledger::Time expires_at =
        std::chrono::floor<std::chrono::seconds>(std::min(now + ttl_, owner.ends_by));
    channel::Bytes token(kPayloadBytes);
    std::copy(owner.address.bytes.begin(), owner.address.bytes.end(), token.begin());
    auto seconds = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::seconds>(expires_at.time_since_epoch()).count());
    for (std::size_t at = kExpiryBytes; at-- > 0; seconds >>= 8)
        token[kAddressBytes + at] = static_cast<std::uint8_t>(seconds & 0xff);
    fill_random(std::span(token).subspan(kAddressBytes + kExpiryBytes, kRandomBytes));
    if (owner.delegate)
        token.insert(token.end(), owner.delegate->bytes.begin(), owner.delegate->bytes.end());
    const auto tag = mac(token);
    token.insert(token.end(), tag.begin(), tag.end());
    return {channel::to_hex(channel::BytesView(token)).substr(2), expires_at};
}

std::optional<Principal> Tokens::verify(std::string_view bearer, ledger::Time now) const {
    if (bearer.empty() || bearer.size() > kBearerLengthMax) return std::nullopt;
    Principal principal;
    const auto digest = sha256(bearer);
    if (contains(auditors_, digest)) principal.auditor = configured_auditor(digest);
    principal.operator_ = contains(operators_, digest);
    if (principal.auditor || principal.operator_) return principal;

    const auto token = channel::parse_hex("0x" + std::string(bearer));
    if (!token || token->size() < kMacBytes) return std::nullopt;
    const auto payload = channel::BytesView(*token).first(token->size() - kMacBytes);
    const bool is_delegated = payload.size() == kPayloadBytes + kAddressBytes;
    if (payload.size() != kPayloadBytes && !is_delegated) return std::nullopt;
    const auto tag = mac(payload);
    if (CRYPTO_memcmp(tag.data(), token->data() + payload.size(), tag.size()) != 0)
        return std::nullopt;
    std::uint64_t seconds = 0;
    for (std::size_t at = 0; at < kExpiryBytes; ++at)
        seconds = seconds << 8 | payload[kAddressBytes + at];
    principal.expires_at = ledger::Time(std::chrono::seconds(seconds));
    if (principal.expires_at <= now) return std::nullopt;
    principal.address.emplace();
    std::copy_n(payload.begin(), kAddressBytes, principal.address->bytes.begin());
    if (!is_delegated) return principal;
    principal.delegate.emplace();
    std::copy_n(payload.begin() + kPayloadBytes, kAddressBytes, principal.delegate->bytes.begin());
    return principal;
}

std::string_view bearer_token(std::string_view authorization) {
    constexpr std::string_view kScheme = "bearer ";
    if (authorization.size() <= kScheme.size()) return {};
    const auto scheme = authorization.substr(0, kScheme.size());
    const bool is_bearer =
        std::equal(scheme.begin(), scheme.end(), kScheme.begin(), [](char given, char wanted) {
            return (given >= 'A' && given <= 'Z' ? given - 'A' + 'a' : given) == wanted;
        });
    if (!is_bearer) return {};
    auto token = authorization.substr(kScheme.size());
    while (token.starts_with(' ')) token.remove_prefix(1);
    while (token.ends_with(' ')) token.remove_suffix(1);
    return token;
}

}  // namespace millrace::api
