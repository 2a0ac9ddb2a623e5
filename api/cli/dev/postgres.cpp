#include "api/cli/dev/postgres.hpp"

#include "api/clock.hpp"
#include "ledger/migrate.hpp"
#include "ledger/service_login.hpp"

#include <fmt/format.h>

#include <cctype>
#include <csignal>
#include <fstream>
#include <stdexcept>

#include <fcntl.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace millrace::api {
namespace {

namespace fs = std::filesystem;

constexpr auto kDatabase = "millrace";
constexpr auto kSuperuser = "millrace";
constexpr auto kServiceLogin = "millrace_serve";
constexpr auto kServers = "/usr/lib/postgresql";
/// sun_path holds 108 bytes; the server adds "/.s.PGSQL.5432.lock".
constexpr std::size_t kSocketDirectoryLengthMax = 85;

fs::path newest_server() {
    fs::path newest;
    int newest_version = 0;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(kServers, none)) {
        const int version = std::atoi(entry.path().filename().c_str());
        if (version <= newest_version || !fs::exists(entry.path() / "bin/initdb")) continue;
        newest = entry.path() / "bin";
        newest_version = version;
    }
    if (newest.empty())
        throw std::runtime_error(std::string("no PostgreSQL server below ") + kServers +
                                 "; install the package postgresql (./dev setup does)");
    return newest;
}

std::optional<RunAs> unprivileged_user() {
    if (geteuid() != 0) return std::nullopt;
    const passwd* nobody = getpwnam("nobody");
    if (!nobody) throw std::runtime_error("no user nobody to run Postgres as");
    return RunAs{nobody->pw_uid, nobody->pw_gid};
}

/// Whether the user can get to the directory through all that is above it.
bool can_reach(const fs::path& directory, const std::optional<RunAs>& user) {
    if (!user) return true;
    auto test = ProgramCall{"/usr/bin/test", {"-x", directory.string()}, user};
    auto process = Process::start(test);
    while (process.running()) usleep(1000);
    return process.exit_code() == 0;
}

void give_to(const std::optional<RunAs>& user, const fs::path& path) {
    if (user && chown(path.c_str(), user->user, user->group) != 0)
        throw std::runtime_error("cannot give " + path.string() + " to the user nobody");
}

fs::path make_private(const fs::path& directory, const std::optional<RunAs>& owner) {
    fs::create_directories(directory);
    fs::permissions(directory, fs::perms::owner_all);
    give_to(owner, directory);
    return directory;
}

fs::path new_private_directory(const std::optional<RunAs>& owner) {
    std::string pattern = "/var/tmp/millrace-XXXXXX";
    if (!mkdtemp(pattern.data())) throw std::runtime_error("cannot make " + pattern);
    give_to(owner, pattern);
    return pattern;
}

/// For a parameter of a URI; slashes may stand there as they are.
std::string percent_encoded(const std::string& text) {
    std::string encoded;
    for (const unsigned char c : text) {
        if (std::isalnum(c) ||
            std::string_view("-._~/").find(static_cast<char>(c)) != std::string_view::npos)
            encoded += static_cast<char>(c);
        else
            encoded += fmt::format("%{:02X}", c);
    }
    return encoded;
}

/// Below `data`; or, where the unprivileged user cannot get there or a socket's path would be too
/// long, in a directory of its own, whose name is noted in `data`.
fs::path home_of(const fs::path& data, const std::optional<RunAs>& owner) {
    const auto note = data / "postgres.directory";
    if (std::string noted; std::getline(std::ifstream(note), noted) && fs::exists(noted))
        return noted;
    if (owner) fs::permissions(data, fs::perms::others_exec, fs::perm_options::add);
    const auto below = data / "postgres";
    if (fs::exists(below) ||
        (below.string().size() <= kSocketDirectoryLengthMax && can_reach(data, owner)))
        return make_private(below, owner);
    const auto elsewhere = new_private_directory(owner);
    std::ofstream(note) << elsewhere.string() << '\n';
    return elsewhere;
}

}  // namespace

DevPostgres::DevPostgres(const fs::path& data)
    : bin_(newest_server()), run_as_(unprivileged_user()) {
    sockets_ = home_of(data, run_as_);
    cluster_ = sockets_ / "cluster";
    if (!fs::exists(cluster_)) initialise();
}

/// Under another name first: a cluster is there wholly or not at all.
void DevPostgres::initialise() const {
    const auto unfinished = cluster_.string() + ".new";
    fs::remove_all(unfinished);
    std::ofstream(without_database()) << "The cluster has no database yet.\n";
    auto initdb = call("initdb", {"--pgdata=" + unfinished, "--username=millrace", "--auth=trust",
                                  "--encoding=UTF8", "--no-locale"});
    initdb.standard_output = open("/dev/null", O_WRONLY | O_CLOEXEC);
    run_program(initdb);
    close(initdb.standard_output);
    fs::rename(unfinished, cluster_);
}

fs::path DevPostgres::without_database() const {
    return sockets_ / "without_database";
}

ProgramCall DevPostgres::call(const std::string& program,
                              std::vector<std::string> arguments) const {
    return {.program = bin_ / program,
            .arguments = std::move(arguments),
            .run_as = run_as_,
            // The server's "fast" shutdown, which does not wait for clients.
            .death_signal = SIGINT,
            .stop_signal = SIGINT};
}

Process DevPostgres::start() const {
    std::vector<std::string> arguments{"-D", cluster_.string()};
    for (const std::string setting :
         {"listen_addresses=", "synchronous_commit=on", "fsync=on", "full_page_writes=on",
          "max_connections=100", "max_wal_size=2GB", "wal_init_zero=off", "shared_buffers=512MB",
          "log_min_messages=fatal"}) {
        arguments.push_back("-c");
        arguments.push_back(setting);
    }
    arguments.push_back("-k");
    arguments.push_back(sockets_.string());
    return Process::start(call("postgres", std::move(arguments)));
}

bool DevPostgres::answers() const {
    return PQping(url("postgres", kSuperuser).c_str()) == PQPING_OK;
}

void DevPostgres::create_database() const {
    if (!fs::exists(without_database())) return;
    try {
        run_program(call("createdb", {"--host=" + sockets_.string(), "--username=millrace",
                                      "--maintenance-db=postgres", kDatabase}));
    } catch (const std::runtime_error&) {
        // An earlier start may have been cut short between making it and noting that.
        if (!has_database()) throw;
    }
    fs::remove(without_database());
}

bool DevPostgres::has_database() const {
    PGconn* connection = PQconnectdb(url().c_str());
    const bool there = PQstatus(connection) == CONNECTION_OK;
    PQfinish(connection);
    return there;
}

void DevPostgres::migrate_database() const {
    pqxx::connection connection(url());
    for (const auto& name : ledger::migrate(connection, now()))
        fmt::print(stderr, "dev: applied migration {}\n", name);
    ledger::create_service_login(connection, kServiceLogin);
}

std::string DevPostgres::url() const {
    return url(kDatabase, kSuperuser);
}

std::string DevPostgres::service_url() const {
    return url(kDatabase, kServiceLogin);
}

std::string DevPostgres::url(const std::string& database, const std::string& user) const {
    return "postgresql:///" + database + "?host=" + percent_encoded(sockets_.string()) +
           "&user=" + user;
}

}  // namespace millrace::api
