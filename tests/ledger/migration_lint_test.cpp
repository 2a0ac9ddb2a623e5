// The rules of portable SQL that migrations keep, so that the schema runs unchanged on distributed
// Postgres; those named hardening are for plain Postgres, and exempt.
#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

std::string lowered(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

/// Without comments, and with single spaces, cut at semicolons.
std::vector<std::string> statements(const std::string& sql) {
    const auto bare = std::regex_replace(lowered(sql), std::regex("--[^\n]*"), "");
    std::vector<std::string> found;
    std::istringstream stream(std::regex_replace(bare, std::regex("\\s+"), " "));
    for (std::string one; std::getline(stream, one, ';');) {
        if (one.starts_with(' ')) one.erase(0, 1);
        if (!one.empty()) found.push_back(one);
    }
    return found;
}

struct Rule {
    const char* says;
    const char* pattern;
};

constexpr Rule kForbidden[] = {
    {"deferrable constraint", "\\bdeferrable\\b|\\binitially deferred\\b|\\bset constraints\\b"},
    {"constraint trigger", "\\bcreate (or replace )?constraint trigger\\b"},
    {"trigger", "\\bcreate (or replace )?trigger\\b|\\breferencing (old|new) table\\b"},
    {"function or procedure", "\\bcreate (or replace )?(function|procedure)\\b|^do\\b"},
    {"listen or notify", "\\blisten\\b|\\bnotify\\b"},
    {"advisory lock", "\\bpg_(try_)?advisory"},
    {"exclusion constraint", "\\bexclude (using\\b|\\()"},
    {"extension", "\\bcreate extension\\b"},
    {"sequence of the database",
     "\\bserial\\b|\\bbigserial\\b|\\bcreate sequence\\b|\\bnextval\\b|"
     "\\bgenerated (always|by default)\\b"},
    {"partition", "\\bpartition (by|of)\\b|\\binherits\\b"},
    {"role or privilege",
     "\\b(grant|revoke)\\b|\\b(create|alter) (role|user)\\b|\\bowner to\\b|"
     "\\bset role\\b|\\bsecurity definer\\b|\\brow level security\\b"},
    {"time or chance of the database",
     "\\bnow\\(|\\bcurrent_timestamp\\b|\\bcurrent_date\\b|\\bclock_timestamp\\(|\\brandom\\(|"
     "\\bgen_random_uuid\\(|\\bstatement_timestamp\\("},
    {"unlogged or temporary table", "\\bcreate (unlogged|temp|temporary) table\\b"},
};

/// A constraint has a name, and a money column is no float.
constexpr Rule kTableRules[] = {
    {"floating point", "\\b(double precision|real|float[48]?|money)\\b"},
    {"unnamed constraint",
     "(^|[,(] ?|\\badd )(check|unique|primary key|foreign key) ?\\(|"
     "\\b(not null|null|text|bytea|bigint|integer|smallint|timestamptz|boolean|date|\\)) "
     "(check ?\\(|references\\b|unique\\b|primary key\\b)"},
    {"time without a zone", "\\btimestamp\\b(?! with time zone)"},
};

/// What stands in the parentheses after `from`.
std::vector<std::string> columns_after(const std::string& statement, std::size_t from) {
    const auto open = statement.find('(', from);
    const auto close = statement.find(')', open);
    std::vector<std::string> columns;
    std::istringstream stream(statement.substr(open + 1, close - open - 1));
    for (std::string one; std::getline(stream, one, ',');)
        columns.push_back(std::regex_replace(one, std::regex(" "), ""));
    return columns;
}

std::string table_of(const std::string& statement) {
    std::smatch match;
    const std::regex named("^(create table|alter table)( if not exists| only)? ([a-z_0-9]+)");
    return std::regex_search(statement, match, named) ? match[3].str() : "";
}

/// A table that is spread over nodes is spread by the column that its primary key begins with. All
/// its other keys have to have it; the tables named in `whole` are kept whole on each node.
std::vector<std::string> key_problems(const std::vector<std::string>& all,
                                      const std::vector<std::string>& whole) {
    const auto is_whole = [&](const std::string& table) {
        return std::find(whole.begin(), whole.end(), table) != whole.end();
    };
    std::map<std::string, std::string> shard_key;
    std::vector<std::string> problems;
    const std::regex key("constraint ([a-z_0-9]+) (primary key|unique|foreign key)");
    const std::regex other("references ([a-z_0-9]+)");
    for (const auto& statement : all) {
        const auto table = table_of(statement);
        for (std::sregex_iterator at(statement.begin(), statement.end(), key), end; at != end;
             ++at) {
            const auto columns = columns_after(statement, at->position() + at->length());
            if ((*at)[2] == "primary key") {
                shard_key[table] = columns.front();
                continue;
            }
            std::smatch referred;
            const bool exempt =
                (*at)[2] == "foreign key"
                    ? std::regex_search(at->suffix().first, statement.cend(), referred, other) &&
                          is_whole(referred[1].str())
                    : is_whole(table);
            if (!exempt && columns.front() != shard_key[table])
                problems.push_back((*at)[1].str() + " does not begin with the shard key");
        }
    }
    return problems;
}

std::vector<std::string> problems(const std::string& sql) {
    std::vector<std::string> found;
    for (const auto& statement : statements(sql)) {
        for (const auto& rule : kForbidden)
            if (std::regex_search(statement, std::regex(rule.pattern))) found.push_back(rule.says);
        if (table_of(statement).empty()) continue;
        const auto columns = std::regex_replace(
            statement, std::regex("foreign key \\([^)]*\\) references"), "foreign key");
        for (const auto& rule : kTableRules)
            if (std::regex_search(columns, std::regex(rule.pattern))) found.push_back(rule.says);
        if (statement.starts_with("create table") &&
            !std::regex_search(statement, std::regex("constraint [a-z_0-9]+_pkey primary key")))
            found.push_back("no primary key");
    }
    return found;
}

std::map<std::string, std::string> migrations() {
    std::map<std::string, std::string> found;
    for (const auto& entry : fs::directory_iterator(fs::path(MILLRACE_SOURCE_DIR) / "migrations")) {
        std::ostringstream text;
        text << std::ifstream(entry.path()).rdbuf();
        found[entry.path().filename().string()] = text.str();
    }
    return found;
}

bool is_hardening(const std::string& name) {
    return name.find("_hardening_") != std::string::npos;
}

const std::vector<std::string> kNothing;
/// Few rows, wanted everywhere: assets, and what belongs to a network or to the service.
const std::vector<std::string> kWhole{"asset", "outbox"};

}  // namespace

TEST_CASE("migrations: the core is portable SQL", "[lint]") {
    REQUIRE(migrations().size() >= 14);
    std::vector<std::string> core;
    for (const auto& [name, sql] : migrations()) {
        if (is_hardening(name)) continue;
        INFO(name);
        CHECK(problems(sql) == kNothing);
        for (const auto& one : statements(sql)) core.push_back(one);
    }
    CHECK(key_problems(core, kWhole) == kNothing);
}

TEST_CASE("migrations: have a number each, and say what they are for", "[lint]") {
    std::string before;
    for (const auto& [name, sql] : migrations()) {
        INFO(name);
        CHECK(std::regex_match(name, std::regex("[0-9]{4}_[a-z_0-9]+\\.sql")));
        CHECK(name.substr(0, 4) != before);
        CHECK(sql.starts_with("-- "));
        before = name.substr(0, 4);
        std::istringstream lines(sql);
        for (std::string line; std::getline(lines, line);) {
            INFO(line);
            CHECK(line.size() <= 160);
        }
    }
}

TEST_CASE("migrations: hardening is what needs plain Postgres, and it alone", "[lint]") {
    for (const auto& [name, sql] : migrations()) {
        INFO(name);
        CHECK((!is_hardening(name) || !problems(sql).empty()));
    }
}

TEST_CASE("migration lint: finds what it is there to find", "[lint]") {
    const std::pair<const char*, const char*> kBad[] = {
        {"alter table a add constraint b foreign key (c) references d (e) deferrable",
         "deferrable constraint"},
        {"create constraint trigger t after insert on a execute function f()",
         "constraint trigger"},
        {"create trigger t after insert on a referencing new table as n execute function f()",
         "trigger"},
        {"create or replace function f() returns int language sql return 1",
         "function or procedure"},
        {"do $$ begin end $$", "function or procedure"},
        {"notify somebody", "listen or notify"},
        {"select pg_advisory_lock(1)", "advisory lock"},
        {"select pg_try_advisory_xact_lock(1)", "advisory lock"},
        {"alter table a add constraint b exclude using gist (c with =)", "exclusion constraint"},
        {"CREATE\n  EXTENSION pgcrypto", "extension"},
        {"create table a (b bigserial not null, constraint a_pkey primary key (b))",
         "sequence of the database"},
        {"create table a (b date not null, constraint a_pkey primary key (b)) partition by range "
         "(b)",
         "partition"},
        {"grant select on a to b", "role or privilege"},
        {"alter table a owner to b", "role or privilege"},
        {"update a set b = now()", "time or chance of the database"},
        {"update a set b = random()", "time or chance of the database"},
        {"create unlogged table a (b int not null, constraint a_pkey primary key (b))",
         "unlogged or temporary table"},
        {"create table a (b double precision not null, constraint a_pkey primary key (b))",
         "floating point"},
        {"create table a (b timestamp not null, constraint a_pkey primary key (b))",
         "time without a zone"},
        {"create table a (b integer not null)", "no primary key"},
        {"create table a (b integer not null check (b > 0), constraint a_pkey primary key (b))",
         "unnamed constraint"},
        {"create table a (b integer not null, unique (b), constraint a_pkey primary key (b))",
         "unnamed constraint"},
        {"alter table a add check (b > 0)", "unnamed constraint"},
        {"create table a (b integer not null references c, constraint a_pkey primary key (b))",
         "unnamed constraint"},
    };
    for (const auto& [sql, says] : kBad) {
        INFO(sql);
        const auto found = problems(sql);
        CHECK(std::find(found.begin(), found.end(), says) != found.end());
    }
    CHECK(problems("-- listen, deferrable, now()\ncreate table a (b integer not null, "
                   "constraint a_pkey primary key (b), constraint a_up check (b > 0))") ==
          kNothing);
    const std::vector<std::string> spread{
        "create table a (b integer, c integer, constraint a_pkey primary key (b, c), "
        "constraint a_once unique (c, b))"};
    CHECK(key_problems(spread, {}) ==
          std::vector<std::string>{"a_once does not begin with the shard key"});
    CHECK(key_problems(spread, {"a"}) == kNothing);
}
