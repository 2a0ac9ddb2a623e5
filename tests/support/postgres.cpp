#include "tests/support/postgres.hpp"

#include <pqxx/pqxx>

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

namespace support {
namespace {

namespace fs = std::filesystem;

fs::path newest_server() {
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
    Cluster() : bin_(newest_server()) {
        std::string pattern = (fs::temp_directory_path() / "millrace-test-XXXXXX").string();
        if (!mkdtemp(pattern.data())) throw std::runtime_error("mkdtemp failed");
        directory_ = pattern;
        if (geteuid() == 0) {
            if (std::system(("chown nobody " + directory_.string()).c_str()) != 0)
                throw std::runtime_error("chown failed");
        }
        run((bin_ / "initdb").string() + " -A trust -U millrace -D " + data());
        run((bin_ / "pg_ctl").string() + " -w -D " + data() + " -l " + data() + "/log -o \"-c " +
            "listen_addresses='' -k " + directory_.string() + " -c max_connections=60\" start");
    }
    ~Cluster() {
        std::system(((geteuid() == 0 ? "runuser -u nobody -- " : "") + (bin_ / "pg_ctl").string() +
                     " -m immediate -D " + data() + " stop > /dev/null 2>&1")
                        .c_str());
        std::error_code ignored;
        fs::remove_all(directory_, ignored);
    }

    std::string url(const std::string& database) const {
        return "postgresql:///" + database + "?host=" + directory_.string() + "&user=millrace";
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

}  // namespace

Postgres::Postgres() : name_("test_" + std::to_string(next_database++)) {
    pqxx::connection admin(cluster().url("postgres"));
    pqxx::nontransaction(admin).exec("create database " + name_);
    url_ = cluster().url(name_);
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
