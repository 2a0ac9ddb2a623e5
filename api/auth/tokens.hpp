#pragma once

#include "api/config.hpp"
#include "channel/bytes.hpp"
#include "ledger/audit/audit_key.hpp"
#include "ledger/audit/audit_query.hpp"
#include "ledger/time.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::api {

/// Somebody who reads the books: what its key opens, and under which name its queries are recorded.
struct Auditor {
    ledger::AuditCaller caller;
    ledger::AuditScopes scopes;

    friend bool operator==(const Auditor&, const Auditor&) = default;
};

/// Who a bearer token speaks for: a party with an address, or an auditor or operator, who has none.
struct Principal {
    std::optional<channel::Address> address;
    std::optional<Auditor> auditor;
    bool operator_ = false;
    /// When the session token or the key ends; the configured tokens do not.
    ledger::Time expires_at = ledger::Time::max();
    /// The key that acts for the address, which has delegated a provider's work to it and no more.
    std::optional<channel::Address> delegate{};

    friend bool operator==(const Principal&, const Principal&) = default;
};

/// Whose session a login begins.
struct SessionOwner {
    channel::Address address;
    std::optional<channel::Address> delegate{};
    /// The session ends by then.
    ledger::Time ends_by = ledger::Time::max();
};

/// Bearer tokens. A session token is HMAC-SHA256 over address, expiry, a random part and, where
/// there is one, the delegate, so that nothing is stored and any process with the same secret takes
/// it. Auditors' and operators' tokens are known by their SHA-256 alone. Safe to use from several
/// threads.
class Tokens {
public:
    /// A secret is drawn at random when the configuration names none: tokens then end with the
    /// process. Throws ConfigError for a secret below 32 bytes or a digest that is none.
    explicit Tokens(const AuthConfig& config);

    /// A token for the owner of `address`, and when it ends: auth.token_ttl after `now`.
    std::pair<std::string, ledger::Time> issue(const channel::Address& address,
                                               ledger::Time now) const;
    /// The same for any session; it ends no later than its owner's right to it.
    std::pair<std::string, ledger::Time> issue(const SessionOwner& owner, ledger::Time now) const;

    /// Nothing for text that is no token, for another secret's and for an expired one. The time
    /// taken says nothing about how much of a token was right. A configured auditor has every
    /// scope; the keys that operators make are not known here, but to `AuditKeys`.
    std::optional<Principal> verify(std::string_view bearer, ledger::Time now) const;

private:
    using Sha256 = std::array<std::uint8_t, 32>;
    Sha256 mac(channel::BytesView payload) const;

    std::chrono::seconds ttl_;
    channel::Bytes secret_;
    std::vector<Sha256> auditors_;
    std::vector<Sha256> operators_;
};

/// The token of an "Authorization: Bearer …" header; empty when it is another scheme or none.
std::string_view bearer_token(std::string_view authorization);

}  // namespace millrace::api
