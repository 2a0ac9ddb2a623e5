// Who may do what to which table, tried out; and what nobody may do.
#include "ledger/migrate.hpp"
#include "ledger/service_login.hpp"
#include "ledger/stats_reader.hpp"
#include "tests/support/hardened_tables.hpp"
#include "tests/support/ledger_fixture.hpp"

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <sstream>

namespace {

using namespace support;

constexpr const char* kDone = "";
constexpr const char* kDenied = "42501";
constexpr const char* kAppendOnly = "23001";

/// The SQLSTATE, empty when it was done; either way nothing is left of it.
template <class Act>
std::string outcome(pqxx::connection& connection, Act act) {
    pqxx::work transaction(connection);
    try {
        act(transaction);
        return kDone;
    } catch (const pqxx::insufficient_privilege&) {
        // libpqxx 6 leaves the state of what it has a class for empty.
        return kDenied;
    } catch (const pqxx::restrict_violation&) {
        return kAppendOnly;
    } catch (const pqxx::sql_error& error) {
        return error.sqlstate() + " " + error.what();
    }
}

std::string attempt(pqxx::connection& connection, const std::string& sql) {
    return outcome(connection, [&](pqxx::work& transaction) { transaction.exec(sql); });
}

/// The roles of the service, and one that stands for any login that nobody gave a right.
constexpr const char* kStranger = "pg_signal_backend";
const std::vector<std::string> kRoles{"millrace_owner", "millrace_service", "millrace_auditor",
                                      "millrace_metrics", kStranger};

struct Table {
    std::string name;
    /// Itself, unless it is a partition.
    std::string parent;
    std::vector<std::string> columns;
    bool is_partition() const { return name != parent; }
};

std::vector<Table> tables(Books& books) {
    pqxx::connection connection(books.postgres.url());
    pqxx::work transaction(connection);
    std::map<std::string, Table> found;
    for (const auto& row : transaction.exec(R"sql(
            select c.relname, coalesce(p.relname, c.relname), a.attname
            from pg_class c
            join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
            left join pg_inherits h on h.inhrelid = c.oid
            left join pg_class p on p.oid = h.inhparent
            where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p'))sql")) {
        auto& table = found[row[0].c_str()];
        table.name = row[0].c_str();
        table.parent = row[1].c_str();
        table.columns.push_back(row[2].c_str());
    }
    std::vector<Table> all;
    for (auto& [name, table] : found) all.push_back(std::move(table));
    return all;
}

std::set<std::string> words(const std::string& text) {
    std::istringstream stream(text);
    return {std::istream_iterator<std::string>(stream), {}};
}

bool names(const std::string& listed, const std::string& column) {
    return listed == "*" || words(listed).contains(column);
}

const TableRights* rights_of(const std::string& table) {
    for (const auto& one : kTableRights)
        if (table == one.table) return &one;
    return nullptr;
}

/// Which statements each role is let through with; the matrix of the tests below. The owner is let
/// through with all: what its journals refuse even to it is a test of its own.
struct Allowed {
    bool owner() const { return role == "millrace_owner"; }
    bool service() const { return role == "millrace_service" && !table.is_partition(); }
    bool select(const std::string& column) const {
        if (owner()) return true;
        if (role == "millrace_auditor") return !names(rights.auditor_hidden, column);
        if (role == "millrace_metrics")
            return !table.is_partition() && names(rights.metrics, column);
        return service();
    }
    bool select_all() const {
        return std::all_of(table.columns.begin(), table.columns.end(),
                           [this](const auto& column) { return select(column); });
    }
    bool insert() const { return owner() || (service() && names(rights.service, "insert")); }
    bool remove() const { return owner() || (service() && names(rights.service, "delete")); }
    bool update(const std::string& column) const {
        return owner() || (service() && names(rights.updated, column));
    }
    /// To lock rows, a right to change some column of them is enough; to lock the table, one that
    /// is given for columns is not.
    bool lock_rows() const {
        return select_all() && std::any_of(table.columns.begin(), table.columns.end(),
                                           [this](const auto& column) { return update(column); });
    }
    bool lock_against_all() const {
        return owner() || remove() || (service() && std::string(rights.updated) == "*");
    }
    bool lock_against_writers() const { return lock_against_all() || insert(); }
    bool lock_against_drops() const {
        if (role == "millrace_metrics" && std::string(rights.metrics) != "*") return false;
        return select_all() || lock_against_writers();
    }

    std::string role;
    const Table& table;
    const TableRights& rights;
};

/// What only the owner does to a table.
constexpr const char* kOwnersStatements[] = {
    "truncate {}",
    "truncate {} cascade",
    "alter table {} add column more integer",
    "alter table {} rename to mine",
    "alter table {} disable trigger user",
    "alter table {} owner to current_user",
    "alter table {} enable row level security",
    "drop table {} cascade",
    "comment on table {} is 'mine'",
    "create index on {} ((1))",
    "create statistics mine on tableoid, ctid from {}",
    "create policy mine on {}",
    "create rule mine as on insert to {} do instead nothing",
    "create trigger mine before insert on {} for each row execute function refuse_change()"};

/// A grant of what one has no right to give is no error but a warning.
constexpr const char* kGrant = R"sql(do $$ begin
    grant select, insert, update, delete on {0} to public;
    if not has_table_privilege('{1}', '{0}', 'delete') then raise insufficient_privilege; end if;
end $$)sql";

/// Those statements whose outcome is not as the matrix has it. A refusal for want of rights, or
/// anything else: it was let through to the rows.
std::vector<std::string> differences(pqxx::connection& connection, const Allowed& allowed) {
    std::vector<std::string> found;
    const auto compare = [&](bool may, const std::string& what, const std::string& state) {
        if ((state != kDenied) != may)
            found.push_back(allowed.role + (may ? " may not: " : " may: ") + what);
    };
    const auto expect = [&](bool may, const std::string& sql) {
        compare(may, sql, attempt(connection, sql));
    };
    const auto& name = allowed.table.name;
    bool updates_all = true;
    for (const auto& column : allowed.table.columns) {
        const bool updates = allowed.update(column);
        updates_all = updates_all && updates;
        expect(allowed.select(column), fmt::format("select {} from {} limit 0", column, name));
        expect(updates, fmt::format("update {} set {} = default", name, column));
        expect(updates, fmt::format("merge into {} using (select 1) one on false when matched then "
                                    "update set {} = default",
                                    name, column));
    }
    expect(allowed.select_all(), fmt::format("select * from {} limit 0", name));
    expect(allowed.lock_rows(), fmt::format("select * from {} for update", name));
    expect(allowed.lock_rows(), fmt::format("select * from {} for key share", name));
    expect(allowed.insert(), fmt::format("insert into {} default values", name));
    expect(allowed.insert() && allowed.select_all(),
           fmt::format("insert into {0} select * from {0}", name));
    expect(allowed.insert(), fmt::format("merge into {} using (select 1) one on false when not "
                                         "matched then insert default values",
                                         name));
    expect(allowed.remove(), fmt::format("delete from {}", name));
    expect(
        allowed.remove(),
        fmt::format("merge into {} using (select 1) one on false when matched then delete", name));
    compare(allowed.select_all(), "copy from " + name, outcome(connection, [&](pqxx::work& work) {
                pqxx::stream_from(work, name).complete();
            }));
    compare(allowed.insert(), "copy to " + name,
            outcome(connection, [&](pqxx::work& work) { pqxx::stream_to(work, name).complete(); }));
    expect(allowed.lock_against_drops(), fmt::format("lock table {} in access share mode", name));
    expect(allowed.lock_against_writers(),
           fmt::format("lock table {} in row exclusive mode", name));
    expect(allowed.lock_against_all(), fmt::format("lock table {} in access exclusive mode", name));
    expect(allowed.owner(), fmt::format(kGrant, name, kStranger));
    for (const char* statement : kOwnersStatements)
        expect(allowed.owner(), fmt::format(fmt::runtime(statement), name));
    return found;
}

/// A function by its signature, how it is called, and by whom beside the owner.
struct Function {
    const char* signature;
    const char* call;
    const char* callers;
};

constexpr Function kFunctions[] = {
    {"audit.account_id(text,bytea,text,bytea)", "select audit.account_id('', '', '', '')",
     "millrace_auditor"},
    {"audit.hex(bytea)", "select audit.hex('')", "millrace_auditor"},
    {"make_month(regclass,date)", "select make_month('event', '2020-01-01')", ""},
    {"make_partition(regclass,text,text,text)", "select make_partition('event', 'mine', '1', '2')",
     ""},
    {"make_partitions(date,text)", "call make_partitions('2020-01-01')", "millrace_service"},
    {"protect_journal(regclass)", "select protect_journal('asset')", ""},
    {"refuse_change()", "select refuse_change()", ""},
};

const std::vector<std::string> kNothing;

}  // namespace

TEST_CASE("hardening: every role may do to every table what it needs, and is refused the rest",
          "[hardening]") {
    Books books;
    const auto all = tables(books);
    REQUIRE(all.size() > 50);
    const std::string role = GENERATE(from_range(kRoles));
    pqxx::connection connection(books.postgres.url_as(role));
    for (const auto& table : all) {
        const auto* rights = rights_of(table.parent);
        INFO("a new table: say in tests/support/hardened_tables.hpp who may do what to "
             << table.name);
        REQUIRE(rights);
        CHECK(differences(connection, {role, table, *rights}) == kNothing);
    }
}

TEST_CASE("hardening: every table that rights are told of is there", "[hardening]") {
    Books books;
    const auto all = tables(books);
    for (const auto& rights : kTableRights) {
        INFO(rights.table);
        CHECK(std::any_of(all.begin(), all.end(),
                          [&](const Table& table) { return table.name == rights.table; }));
    }
}

TEST_CASE("hardening: auditors alone read the views, and nobody writes through them",
          "[hardening]") {
    Books books;
    std::vector<std::string> views;
    std::vector<std::string> columns;
    {
        pqxx::connection connection(books.postgres.url());
        pqxx::work transaction(connection);
        for (const auto& row : transaction.exec(R"sql(
                select c.oid::regclass::text, a.attname, a.attnum = 1 from pg_class c
                join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
                where c.relkind not in ('r', 'p', 'i', 'I', 't') and c.relnamespace not in
                    ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
                order by c.oid, a.attnum)sql")) {
            if (row[2].as<bool>()) views.push_back(row[0].c_str());
            columns.push_back(std::string(row[1].c_str()) + " from " + row[0].c_str());
        }
    }
    REQUIRE(views.size() == 8);
    const std::string role = GENERATE(from_range(kRoles));
    pqxx::connection connection(books.postgres.url_as(role));
    const bool reads = role == "millrace_owner" || role == "millrace_auditor";
    const auto expect = [&](bool may, const std::string& sql) {
        INFO(role << ": " << sql);
        CHECK(attempt(connection, sql) == (may ? kDone : kDenied));
    };
    for (const auto& column : columns) expect(reads, "select " + column);
    for (const auto& view : views) {
        expect(reads, "select count(*) from " + view);
        expect(reads, "lock table " + view + " in access share mode");
        expect(role == "millrace_owner",
               "create or replace rule mine as on update to " + view + " do instead nothing");
        expect(role == "millrace_owner", "alter view " + view + " rename to mine");
        expect(role == "millrace_owner", "drop view " + view);
        expect(role == "millrace_owner", fmt::format(kGrant, view, kStranger));
        if (role == "millrace_owner") continue;
        expect(false, "lock table " + view + " in access exclusive mode");
        INFO(role << ": " << view);
        // Some cannot be written to at all, which is said first.
        for (const char* statement :
             {"insert into {} default values", "delete from {}", "select * from {} for update"})
            CHECK(attempt(connection, fmt::format(fmt::runtime(statement), view)) != kDone);
    }
    for (const auto& column : columns) {
        if (role == "millrace_owner") continue;
        const auto at = column.find(" from ");
        const auto sql = "update " + column.substr(at + 6) + " set " + column.substr(0, at) +
                         " = " + column.substr(0, at);
        INFO(role << ": " << sql);
        CHECK(attempt(connection, sql) != kDone);
    }
}

TEST_CASE("hardening: functions are called by those they are for", "[hardening]") {
    Books books;
    std::string known;
    for (const auto& function : kFunctions)
        known += (known.empty() ? "" : "\n") + std::string(function.signature);
    // A new one: say in kFunctions who may call it.
    CHECK(books.query("select p.oid::regprocedure from pg_proc p where pronamespace not in "
                      "('pg_catalog'::regnamespace, 'information_schema'::regnamespace) order by "
                      "p.oid::regprocedure::text collate \"C\"") == known);
    const std::string role = GENERATE(from_range(kRoles));
    pqxx::connection connection(books.postgres.url_as(role));
    for (const auto& function : kFunctions) {
        INFO(role << ": " << function.call);
        CHECK((attempt(connection, function.call) != kDenied) ==
              (role == "millrace_owner" || names(function.callers, role)));
    }
}

TEST_CASE("hardening: no role but the owner makes anything", "[hardening]") {
    Books books;
    const auto role = GENERATE(as<std::string>(), "millrace_service", "millrace_auditor",
                               "millrace_metrics", kStranger);
    pqxx::connection connection(books.postgres.url_as(role));
    for (const char* sql :
         {"create table mine (x integer)", "create temporary table mine (x integer)",
          "create schema mine", "create view mine as select 1",
          "create function mine() returns integer language sql return 1", "create role mine",
          "drop schema audit cascade", "alter procedure make_partitions owner to current_user",
          "drop function refuse_change", "grant millrace_owner to current_user",
          "set session_replication_role = replica"}) {
        INFO(role << ": " << sql);
        CHECK(attempt(connection, sql) == kDenied);
    }
    CHECK((attempt(connection, "call make_partitions('2020-01-01')") == kDone) ==
          (role == "millrace_service"));
}

TEST_CASE("hardening: a journal refuses even its owner and the superuser", "[hardening]") {
    Books books;
    {
        pqxx::connection connection(books.postgres.url());
        pqxx::work transaction(connection);
        for (const auto* rows : kJournalRows) transaction.exec(rows);
        transaction.commit();
    }
    const auto as_owner = GENERATE(true, false);
    pqxx::connection connection(as_owner ? books.postgres.url_as("millrace_owner")
                                         : books.postgres.url());
    // Nor where triggers are switched off for replicas.
    const std::string silenced = as_owner ? "" : "set session_replication_role = replica; ";
    for (const auto& table : tables(books)) {
        INFO(table.name);
        if (!rights_of(table.parent)->journal) continue;
        const bool has_rows = books.query("select count(*) from " + table.name) != "0";
        CHECK((has_rows || table.is_partition()));
        CHECK(attempt(connection, silenced + "truncate " + table.name) == kAppendOnly);
        CHECK(attempt(connection, silenced + "truncate " + table.name + " cascade") == kAppendOnly);
        if (!has_rows) continue;
        CHECK(attempt(connection, silenced + "delete from " + table.name) == kAppendOnly);
        CHECK(attempt(connection, fmt::format("{}merge into {} using (select 1) one on true when "
                                              "matched then delete",
                                              silenced, table.name)) == kAppendOnly);
        for (const auto& column : table.columns) {
            CHECK(attempt(connection, fmt::format("{}update {} set {} = {}", silenced, table.name,
                                                  column, column)) == kAppendOnly);
            CHECK(
                attempt(connection,
                        fmt::format("{0}merge into {1} j using (select 1) one on true when matched "
                                    "then update set {2} = j.{2}",
                                    silenced, table.name, column)) == kAppendOnly);
        }
    }
    CHECK(attempt(connection, "truncate payment_before, transfer_before") == kAppendOnly);
    CHECK(attempt(connection, silenced + "truncate asset cascade") == kAppendOnly);
}

TEST_CASE("hardening: everything belongs to the owner, which cannot log in", "[hardening]") {
    Books books;
    CHECK(books
              .query("select relname from pg_class where relnamespace in ('public'::regnamespace, "
                     "'audit'::regnamespace) and pg_get_userbyid(relowner) <> 'millrace_owner'")
              .empty());
    CHECK(books
              .query("select proname from pg_proc where pronamespace in ('public'::regnamespace, "
                     "'audit'::regnamespace) and pg_get_userbyid(proowner) <> 'millrace_owner'")
              .empty());
    CHECK(books
              .query("select rolname from pg_roles where rolname like 'millrace\\_%' and "
                     "(rolcanlogin or rolsuper or rolcreaterole or rolcreatedb)")
              .empty());
}

TEST_CASE("hardening: every constraint and index was given its name", "[hardening]") {
    Books books;
    // NOT NULL has a name of its own from PostgreSQL 18 on, which is nobody's to give.
    CHECK(books
              .query(R"sql(
        select r.relname, c.conname from pg_constraint c join pg_class r on r.oid = c.conrelid
        where c.connamespace = 'public'::regnamespace and c.contype not in ('n', 't')
            and (c.conname ~ ('_' || case c.contype when 'c' then 'check' when 'f' then 'fkey'
                     when 'u' then 'key' else 'excl' end || '[0-9]*$')
                 or not starts_with(c.conname, coalesce((select p.relname from pg_inherits h
                     join pg_class p on p.oid = h.inhparent where h.inhrelid = r.oid), r.relname))))sql")
              .empty());
    CHECK(books
              .query("select indexrelid::regclass from pg_index where indrelid in (select oid from "
                     "pg_class where relnamespace = 'public'::regnamespace) and "
                     "indexrelid::regclass::text ~ '_idx[0-9]*$'")
              .empty());
    const auto shape = [&](const std::string& table) {
        return books.query("select replace(c.relname, '" + table +
                           "_', ''), indisunique, indisprimary, indkey from pg_index i join "
                           "pg_class c on c.oid = indexrelid where indrelid = '" +
                           table + "'::regclass order by 1");
    };
    CHECK(shape("payment_before") == shape("payment"));
    CHECK(shape("transfer_before") == shape("transfer"));
    CHECK(shape("payment") == "inference_step|t|f|1 3 4 18\npkey|t|t|1 2 18\nseq|f|f|2");
}

TEST_CASE("hardening: what may be null is known column by column", "[hardening]") {
    Books books;
    std::string expected;
    for (const auto* column : kNullable)
        expected += (expected.empty() ? "" : "\n") + std::string(column);
    CHECK(books.query(R"sql(
        select r.relname || '.' || a.attname
        from pg_attribute a join pg_class r on r.oid = a.attrelid
        where r.relnamespace = 'public'::regnamespace and r.relkind in ('r', 'p')
            and not r.relispartition and a.attnum > 0 and not a.attisdropped and not a.attnotnull
        order by (r.relname || '.' || a.attname) collate "C")sql") == expected);
    CHECK(books
              .query("select attrelid::regclass, attname from pg_attribute a join pg_class r on "
                     "r.oid = attrelid where r.relispartition and attnum > 0 and attnotnull <> "
                     "(select attnotnull from pg_attribute p join pg_inherits h on h.inhparent = "
                     "p.attrelid where h.inhrelid = r.oid and p.attname = a.attname)")
              .empty());
}

TEST_CASE("hardening: metrics are read with the rights of metrics", "[hardening]") {
    Books books;
    pqxx::connection connection(books.postgres.url_as("millrace_metrics"));
    CHECK(ledger::read_stats(connection).last_seq == 0);
}

TEST_CASE("hardening: the service's rights are enough to see that nothing is to be migrated",
          "[hardening]") {
    Books books;
    {
        pqxx::connection owner(books.postgres.url());
        ledger::create_service_login(owner, "serving");
        ledger::create_service_login(owner, "serving");
    }
    pqxx::connection connection(books.postgres.url_of_login("serving"));
    CHECK(ledger::migrate(connection, kNoon).empty());
    books.postgres.execute("delete from schema_migration where name like '0030%'");
    CHECK_THROWS_WITH(ledger::migrate(connection, kNoon),
                      Catch::Contains("0030_hardening_privileges ") &&
                          Catch::Contains("millrace migrate --postgres"));
}
