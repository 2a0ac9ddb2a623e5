#include "tests/support/postgres.hpp"

#include "ledger/migrate.hpp"

#include <pqxx/pqxx>

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

namespace support {
namespace {

namespace fs = std::filesystem;

/// The one to test with, or the newest that is installed.
fs::path server() {
    if (const char* chosen = std::getenv("MILLRACE_POSTGRES_BIN")) return chosen;
    fs::path newest;
    for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql")) {
        if (fs::exists(entry.path() / "bin/postgres") && entry.path() > newest)
            newest = entry.path();
    }
    if (newest.empty()) throw std::runtime_error("no PostgreSQL server; run ./dev setup");
    return newest / "bin";
}

void run(const std::string& command) {
    // The server refuses to run as root.
    const auto quiet = geteuid() == 0 ? "runuser -u nobody -- " + command : command;
    if (std::system((quiet + " > /dev/null 2>&1").c_str()) != 0)
        throw std::runtime_error("failed: " + quiet);
}

class Cluster {
public:
    Cluster() : bin_(server()) {
        std::string pattern = (fs::temp_directory_path() / "millrace-test-XXXXXX").string();
        if (!mkdtemp(pattern.data())) throw std::runtime_error("mkdtemp failed");
        directory_ = pattern;
        if (geteuid() == 0) {
            if (std::system(("chown nobody " + directory_.string()).c_str()) != 0)
                throw std::runtime_error("chown failed");
        }
        run((bin_ / "initdb").string() + " -A trust -U millrace -D " + data());
        run((bin_ / "pg_ctl").string() + " -w -D " + data() + " -l " + data() + "/log -o \"-c " +
            "listen_addresses='' -k " + directory_.string() +
            " -c max_connections=60 -c fsync=off\" start");
    }
    ~Cluster() {
        std::system(((geteuid() == 0 ? "runuser -u nobody -- " : "") + (bin_ / "pg_ctl").string() +
                     " -m immediate -D " + data() + " stop > /dev/null 2>&1")
                        .c_str());
        std::error_code ignored;
        fs::remove_all(directory_, ignored);
    }

    std::string url(const std::string& database, const std::string& login = "millrace") const {
        return "postgresql:///" + database + "?host=" + directory_.string() + "&user=" + login;
    }

private:
    std::string data() const { return (directory_ / "data").string(); }

    fs::path bin_;
    fs::path directory_;
};

const Cluster& cluster() {
    static const Cluster running;
    return running;
}

std::atomic<int> next_database = 1;

void create_database(const std::string& name, const std::string& options = "") {
    pqxx::connection admin(cluster().url("postgres"));
    pqxx::nontransaction(admin).exec("create database " + name + options);
}

/// Migrated once: a copy is made sooner.
const std::string& migrated_template() {
    static const std::string name = [] {
        const std::string made = "migrated";
        create_database(made);
        pqxx::connection owner(cluster().url(made));
        millrace::ledger::migrate(owner, {});
        return made;
    }();
    return name;
}

}  // namespace

Postgres::Postgres(Contents contents)
    : name_("test_" + std::to_string(next_database++)), url_(cluster().url(name_)) {
    if (contents == Contents::none) {
        create_database(name_);
        return;
    }
    create_database(name_, " template " + migrated_template() + " strategy file_copy");
    // A copy does not come with the rights on its template.
    execute("revoke temporary on database " + name_ + " from public");
}

std::string Postgres::url_as(const std::string& role) const {
    return url_ + "&options=-c%20role%3D" + role;
}

std::string Postgres::url_of_login(const std::string& login) const {
    return cluster().url(name_, login);
}

void Postgres::execute(const std::string& sql) const {
    repeat_after_deadlock([&] {
        pqxx::connection connection(url_);
        pqxx::nontransaction(connection).exec(sql);
    });
}

Postgres::~Postgres() {
    try {
        pqxx::connection admin(cluster().url("postgres"));
        pqxx::nontransaction(admin).exec("drop database " + name_ + " with (force)");
    } catch (const std::exception&) {
        // The cluster goes with the program anyway.
    }
}

}  // namespace support
