#include "api/auth/challenges.hpp"

#include "api/auth/random.hpp"
#include "channel/address.hpp"
#include "channel/hex.hpp"
#include "channel/secp256k1.hpp"

#include <fmt/format.h>

#include <array>

namespace millrace::api {
namespace {

/// 128 bits; ERC-4361 asks for at least 8 alphanumeric characters.
constexpr std::size_t kNonceBytes = 16;
/// For so long after its end a challenge is answered as expired, and then as unknown.
constexpr std::chrono::minutes kExpiredKept{5};

const LoginRefusal kUnknown{
    "message", "This message was not issued here, or was used before; ask for a new challenge."};
const LoginRefusal kExpired{"message", "The challenge has expired; ask for a new one."};
const LoginRefusal kNoSignature{
    "signature", "Not a signature: expected 65 bytes, r, s and v 27 or 28, s in the lower half."};
const LoginRefusal kOtherSigner{"signature",
                                "The message is not signed by the address that it names."};

std::string nonce() {
    std::array<std::uint8_t, kNonceBytes> bytes{};
    fill_random(bytes);
    return channel::to_hex(channel::BytesView(bytes)).substr(2);
}

}  // namespace

Challenges::Challenges(const Config& config)
    : domain_(config.server.domain),
      uri_(config.server.uri),
      ttl_(config.auth.challenge_ttl),
      pending_max_(config.limits.logins_pending_max) {
    if (!config.networks.empty()) chain_id_ = config.networks.front().network.chain_id;
}

std::variant<Challenge, channel::Refusal> Challenges::issue(const channel::Address& address,
                                                            ledger::Time now) {
    const auto issued_at = std::chrono::floor<std::chrono::seconds>(now);
    const ledger::Time expires_at = issued_at + ttl_;
    Challenge challenge{
        fmt::format("{} wants you to sign in with your Ethereum account:\n{}\n\n"
                    "Log in to stream payments. This costs nothing and sends no transaction.\n\n"
                    "URI: {}\nVersion: 1\nChain ID: {}\nNonce: {}\nIssued At: {}\n"
                    "Expiration Time: {}",
                    domain_, channel::to_checksum(address), uri_, chain_id_, nonce(),
                    ledger::to_rfc3339(issued_at), ledger::to_rfc3339(expires_at)),
        expires_at};
    const auto digest = channel::personal_message_digest(challenge.message);
    const std::lock_guard lock(mutex_);
    evict(now - kExpiredKept);
    if (pending_.size() >= pending_max_) evict(now);
    if (pending_.size() >= pending_max_)
        return channel::Refusal{channel::Error::rate_limited, channel::Amount{pending_max_}};
    pending_.emplace(digest, Pending{address, by_expiry_.emplace(expires_at, digest)});
    return challenge;
}

Challenges::Redeemed Challenges::redeem(std::string_view message, std::string_view signature,
                                        ledger::Time now) {
    const auto digest = channel::personal_message_digest(message);
    channel::Address address;
    {
        const std::lock_guard lock(mutex_);
        const auto found = pending_.find(digest);
        if (found == pending_.end()) return kUnknown;
        const auto expiry = found->second.expiry;
        // An expired one stays, to be told from an unknown one; eviction takes it.
        if (expiry->first <= now) return kExpired;
        address = found->second.address;
        by_expiry_.erase(expiry);
        pending_.erase(found);
    }
    const auto bytes = channel::parse_hex(signature);
    if (!bytes) return kNoSignature;
    const auto given = channel::VoucherSignature::from_bytes(*bytes);
    if (!given) return kNoSignature;
    const auto parsed = channel::parse_signature(*bytes);
    if (!parsed) return WalletLogin{address, digest, *given, kNoSignature};
    const auto signer = channel::recover(digest, *parsed);
    if (signer && channel::address_of(*signer) == address) return address;
    return WalletLogin{address, digest, *given, kOtherSigner};
}

void Challenges::evict(ledger::Time ended_before) {
    const auto end = by_expiry_.upper_bound(ended_before);
    for (auto it = by_expiry_.begin(); it != end; ++it) pending_.erase(it->second);
    by_expiry_.erase(by_expiry_.begin(), end);
}

std::size_t Challenges::pending() const {
    const std::lock_guard lock(mutex_);
    return pending_.size();
}

}  // namespace millrace::api
