#include "ledger/migrate.hpp"

#include "channel/hex.hpp"
#include "channel/keccak.hpp"
#include "ledger/migrations_embedded.hpp"

#include <map>
#include <stdexcept>

namespace millrace::ledger {
namespace {

constexpr const char* kCreateTable = R"sql(
    create table if not exists schema_migration (
        name       text        not null,
        digest     text        not null,
        applied_at timestamptz not null,
        constraint schema_migration_pkey primary key (name)
    ))sql";

std::string digest_of(std::string_view sql) {
    return channel::to_hex(channel::keccak256(sql));
}

std::map<std::string, std::string> applied(pqxx::transaction_base& transaction) {
    std::map<std::string, std::string> names;
    const auto there = transaction.exec1("select to_regclass('schema_migration') is not null");
    if (!there[0].as<bool>()) return names;
    for (const auto& row : transaction.exec("select name, digest from schema_migration"))
        names.emplace(row[0].as<std::string>(), row[1].as<std::string>());
    return names;
}

void check_history(const std::map<std::string, std::string>& names) {
    std::map<std::string, std::string> known;
    for (const auto& migration : kMigrations)
        known.emplace(migration.name, digest_of(migration.sql));
    for (const auto& [name, digest] : names) {
        const auto found = known.find(name);
        if (found == known.end())
            throw std::runtime_error("the database has migration " + name +
                                     ", which this program does not know: use a newer program");
        if (found->second != digest)
            throw std::runtime_error("migration " + name +
                                     " was applied with another text than this program has");
    }
}

/// Once the tables have an owner, migrations run as that role, whoever its members are.
void become_owner(pqxx::transaction_base& transaction) {
    const auto rows = transaction.exec(
        "select pg_get_userbyid(relowner) from pg_class "
        "where oid = to_regclass('schema_migration') and "
        "pg_get_userbyid(relowner) <> current_user");
    if (!rows.empty())
        transaction.exec("set local role " + transaction.quote_name(rows[0][0].as<std::string>()));
}

/// False when another program has applied it meanwhile.
bool apply(pqxx::connection& connection, const std::string& name, std::string_view sql, Time now) {
    pqxx::work transaction(connection);
    transaction.exec("set local client_min_messages = warning");
    become_owner(transaction);
    transaction.exec(kCreateTable);
    // Two programs that start at once apply each migration once.
    transaction.exec("lock table schema_migration in exclusive mode");
    const auto names = applied(transaction);
    check_history(names);
    if (names.contains(name)) return false;
    transaction.exec(std::string(sql));
    become_owner(transaction);
    transaction.exec_params("insert into schema_migration values ($1, $2, $3)", name,
                            digest_of(sql), to_rfc3339(now));
    transaction.commit();
    return true;
}

}  // namespace

std::vector<std::string> pending_migrations(pqxx::connection& connection) {
    pqxx::work transaction(connection);
    const auto names = applied(transaction);
    check_history(names);
    std::vector<std::string> pending;
    for (const auto& migration : kMigrations) {
        const std::string name(migration.name);
        if (!names.contains(name)) pending.push_back(name);
    }
    return pending;
}

std::vector<std::string> migrate(pqxx::connection& connection, Time now) {
    std::vector<std::string> done;
    // A role that may only read what was applied gets by when nothing is missing.
    const auto pending = pending_migrations(connection);
    for (const auto& migration : kMigrations) {
        const std::string name(migration.name);
        if (std::find(pending.begin(), pending.end(), name) == pending.end()) continue;
        try {
            if (apply(connection, name, migration.sql, now)) done.push_back(name);
        } catch (const pqxx::insufficient_privilege& error) {
            throw std::runtime_error(
                "migration " + name +
                " is missing, and this login may not apply it: " + error.what() +
                "Run `millrace migrate --postgres URL` with a login that "
                "may: a member of millrace_owner, or a superuser.");
        }
    }
    return done;
}

}  // namespace millrace::ledger
