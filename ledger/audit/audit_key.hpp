#pragma once

#include "channel/bytes.hpp"
#include "ledger/time.hpp"

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <pqxx/pqxx>

namespace millrace::ledger {

/// What a key opens. `ledger`: accounts, statements, entries, trial balance, reconciliation;
/// `channels`: channels and their payments; `export_`: whole copies of the books.
enum class AuditScope { ledger, channels, export_ };
using AuditScopes = std::set<AuditScope>;
inline constexpr AuditScope kAuditScopes[] = {AuditScope::ledger, AuditScope::channels,
                                              AuditScope::export_};
/// As the table and the command line have it: "export" for `export_`.
std::string_view to_string(AuditScope scope);
std::optional<AuditScope> parse_audit_scope(std::string_view text);

/// SHA-256 of a key's whole text.
using AuditKeyDigest = channel::FixedBytes<struct AuditKeyDigestTag, 32>;

/// A key as it is kept: not what has to be shown to use it.
struct AuditKey {
    std::string id;
    /// For people: whose it is.
    std::string name;
    AuditKeyDigest digest;
    AuditScopes scopes;
    Time created_at;
    /// The first moment at which it is no longer good.
    Time expires_at;
    std::optional<Time> revoked_at{};
};

/// A key and when it was last used, successfully or not.
struct ListedAuditKey {
    AuditKey key;
    std::optional<Time> used_at;
};

// Blocking; all throw pqxx::failure.

/// `key.id` must be new (else pqxx::unique_violation), `key.scopes` not empty.
void add_audit_key(pqxx::connection& connection, const AuditKey& key);
/// Nothing when there is none of this id.
std::optional<AuditKey> find_audit_key(pqxx::connection& connection, const std::string& id);
/// All there ever were, the oldest first.
std::vector<ListedAuditKey> list_audit_keys(pqxx::connection& connection);
/// The key as it is from now on; one that was revoked already stays as it was. Nothing when there
/// is none of this id.
std::optional<AuditKey> revoke_audit_key(pqxx::connection& connection, const std::string& id,
                                         Time now);

}  // namespace millrace::ledger
