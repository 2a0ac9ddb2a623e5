#include "ledger/audit/audit_key.hpp"

#include "ledger/bytea.hpp"

#include <stdexcept>

namespace millrace::ledger {
namespace {

constexpr const char* kAdd = R"sql(
    insert into audit_key (key_id, name, digest, created_at, expires_at)
    values ($1, $2, $3::bytea, $4::timestamptz, $5::timestamptz))sql";
constexpr const char* kAddScope = "insert into audit_key_scope (key_id, scope) values ($1, $2)";
constexpr const char* kFind = R"sql(
    select k.key_id, k.name, k.digest,
           floor(extract(epoch from k.created_at) * 1000000)::bigint as created_at,
           floor(extract(epoch from k.expires_at) * 1000000)::bigint as expires_at,
           floor(extract(epoch from k.revoked_at) * 1000000)::bigint as revoked_at,
           s.scope
    from audit_key k join audit_key_scope s on s.key_id = k.key_id
    where k.key_id = $1
    order by s.scope)sql";
constexpr const char* kList = R"sql(
    select k.key_id, k.name, k.digest,
           floor(extract(epoch from k.created_at) * 1000000)::bigint as created_at,
           floor(extract(epoch from k.expires_at) * 1000000)::bigint as expires_at,
           floor(extract(epoch from k.revoked_at) * 1000000)::bigint as revoked_at,
           s.scope,
           (select floor(extract(epoch from max(q.at)) * 1000000)::bigint
            from audit_query q where q.caller = k.key_id) as used_at
    from audit_key k join audit_key_scope s on s.key_id = k.key_id
    order by k.created_at, k.key_id, s.scope)sql";
constexpr const char* kRevoke = R"sql(
    update audit_key set revoked_at = $2::timestamptz
    where key_id = $1 and revoked_at is null)sql";

std::optional<Time> time_column(const pqxx::field& field) {
    if (field.is_null()) return std::nullopt;
    return Time{std::chrono::microseconds{field.as<std::int64_t>()}};
}

AuditKey key_from(const pqxx::row& row) {
    return {row["key_id"].c_str(),
            row["name"].c_str(),
            from_bytea<AuditKeyDigest>(row["digest"]),
            {},
            time_column(row["created_at"]).value(),
            time_column(row["expires_at"]).value(),
            time_column(row["revoked_at"])};
}

AuditScope scope_column(const pqxx::field& field) {
    const auto scope = parse_audit_scope(field.c_str());
    if (!scope) throw std::runtime_error("malformed value in column scope");
    return *scope;
}

std::optional<AuditKey> find(pqxx::transaction_base& transaction, const std::string& id) {
    std::optional<AuditKey> key;
    for (const auto& row : transaction.exec_params(kFind, id)) {
        if (!key) key = key_from(row);
        key->scopes.insert(scope_column(row["scope"]));
    }
    return key;
}

}  // namespace

std::string_view to_string(AuditScope scope) {
    switch (scope) {
        case AuditScope::ledger:
            return "ledger";
        case AuditScope::channels:
            return "channels";
        case AuditScope::export_:
            return "export";
    }
    return {};
}

std::optional<AuditScope> parse_audit_scope(std::string_view text) {
    for (const auto scope : kAuditScopes)
        if (to_string(scope) == text) return scope;
    return std::nullopt;
}

void add_audit_key(pqxx::connection& connection, const AuditKey& key) {
    pqxx::work transaction(connection);
    transaction.exec_params0(kAdd, key.id, key.name, to_bytea(key.digest),
                             to_rfc3339(key.created_at), to_rfc3339(key.expires_at));
    for (const auto scope : key.scopes)
        transaction.exec_params0(kAddScope, key.id, std::string(to_string(scope)));
    transaction.commit();
}

std::optional<AuditKey> find_audit_key(pqxx::connection& connection, const std::string& id) {
    pqxx::read_transaction transaction(connection);
    return find(transaction, id);
}

std::vector<ListedAuditKey> list_audit_keys(pqxx::connection& connection) {
    pqxx::read_transaction transaction(connection);
    std::vector<ListedAuditKey> keys;
    for (const auto& row : transaction.exec(kList)) {
        if (keys.empty() || keys.back().key.id != row["key_id"].c_str())
            keys.push_back({key_from(row), time_column(row["used_at"])});
        keys.back().key.scopes.insert(scope_column(row["scope"]));
    }
    return keys;
}

std::optional<AuditKey> revoke_audit_key(pqxx::connection& connection, const std::string& id,
                                         Time now) {
    pqxx::work transaction(connection);
    transaction.exec_params0(kRevoke, id, to_rfc3339(now));
    auto key = find(transaction, id);
    transaction.commit();
    return key;
}

}  // namespace millrace::ledger
