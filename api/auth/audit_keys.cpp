#include "api/auth/audit_keys.hpp"

#include "api/auth/random.hpp"
#include "api/database.hpp"
#include "channel/hex.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>

namespace millrace::api {
namespace {

constexpr std::string_view kPrefix = "mra_";
constexpr std::size_t kIdBytes = 8;
constexpr std::size_t kSecretBytes = 32;
constexpr std::size_t kIdLength = 2 * kIdBytes;
constexpr std::size_t kLength = kPrefix.size() + kIdLength + 1 + 2 * kSecretBytes;

std::string digits(channel::BytesView bytes) {
    return channel::to_hex(bytes).substr(2);
}

bool is_hex(std::string_view text) {
    return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_fresh(ledger::Time asked_at, ledger::Time now) {
    // A clock that was set back makes nothing last longer.
    return asked_at <= now && now - asked_at < AuditKeys::kRemembered;
}

AuditKeys::Verified too_many_guesses() {
    return RefusedKey{KeyRefusal::too_many_guesses};
}

AuditKeys::Verified judge(const std::optional<ledger::AuditKey>& key,
                          const ledger::AuditKeyDigest& digest, ledger::Time now) {
    // An unknown id takes as long as a wrong secret.
    const auto expected = key ? key->digest : ledger::AuditKeyDigest{};
    const bool equal =
        CRYPTO_memcmp(expected.bytes.data(), digest.bytes.data(), digest.bytes.size()) == 0;
    if (!key || !equal) return RefusedKey{};
    const ledger::AuditCaller caller{ledger::AuditCaller::Kind::key, key->id};
    if (key->revoked_at) return RefusedKey{KeyRefusal::revoked, caller};
    if (key->expires_at <= now) return RefusedKey{KeyRefusal::expired, caller};
    return Principal{{}, Auditor{caller, key->scopes}, false, key->expires_at};
}

}  // namespace

NewAuditKey draw_audit_key() {
    std::array<std::uint8_t, kIdBytes> id{};
    std::array<std::uint8_t, kSecretBytes> secret{};
    fill_random(id);
    fill_random(secret);
    NewAuditKey key;
    key.id = digits(id);
    key.text = std::string(kPrefix) + key.id + '_' + digits(secret);
    key.digest = audit_key_digest(key.text);
    OPENSSL_cleanse(secret.data(), secret.size());
    return key;
}

std::optional<std::string> audit_key_id(std::string_view bearer) {
    if (bearer.size() != kLength || !bearer.starts_with(kPrefix)) return std::nullopt;
    bearer.remove_prefix(kPrefix.size());
    const auto id = bearer.substr(0, kIdLength);
    if (bearer[kIdLength] != '_' || !is_hex(id) || !is_hex(bearer.substr(kIdLength + 1)))
        return std::nullopt;
    return std::string(id);
}

ledger::AuditKeyDigest audit_key_digest(std::string_view bearer) {
    ledger::AuditKeyDigest digest;
    EVP_Digest(bearer.data(), bearer.size(), digest.bytes.data(), nullptr, EVP_sha256(), nullptr);
    return digest;
}

Task<AuditKeys::Verified> AuditKeys::verify(Database& database, std::string bearer,
                                            std::string remote_address, ledger::Time now) {
    const auto id = audit_key_id(bearer).value_or(std::string());
    const bool exhausted = guesses_.exhausted(remote_address, now);
    auto known = recall(id);
    const bool fresh = known && is_fresh(known->asked_at, now);
    const bool is_somebodys = known && known->key;
    if (!fresh && exhausted && !is_somebodys) co_return too_many_guesses();
    if (!fresh) {
        // Named, because GCC 12 destroys a temporary of a co_await twice.
        const auto look = [id](pqxx::connection& connection) {
            return ledger::find_audit_key(connection, id);
        };
        auto found = co_await database.run_at_once(look);
        known = Remembered{std::move(found), now};
        remember(id, *known);
    }
    auto verified = judge(known->key, audit_key_digest(bearer), now);
    if (std::holds_alternative<Principal>(verified)) co_return verified;
    if (exhausted) co_return too_many_guesses();
    guesses_.count_failure(remote_address, now);
    co_return verified;
}

std::optional<AuditKeys::Remembered> AuditKeys::recall(const std::string& id) {
    const std::lock_guard lock(mutex_);
    const auto found = remembered_.find(id);
    return found == remembered_.end() ? std::nullopt : std::optional(found->second);
}

void AuditKeys::remember(const std::string& id, Remembered one) {
    const std::lock_guard lock(mutex_);
    if (remembered_.size() >= kRememberedMax && !remembered_.contains(id)) make_room();
    remembered_.insert_or_assign(id, std::move(one));
}

/// Ids that nobody made go first: a stranger must not push out those in use.
void AuditKeys::make_room() {
    std::erase_if(remembered_, [](const auto& one) { return !one.second.key; });
    if (remembered_.size() < kRememberedMax) return;
    const auto oldest = std::min_element(remembered_.begin(), remembered_.end(),
                                         [](const auto& one, const auto& other) {
                                             return one.second.asked_at < other.second.asked_at;
                                         });
    remembered_.erase(oldest);
}

}  // namespace millrace::api
