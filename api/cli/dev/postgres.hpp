#pragma once

#include "api/cli/process.hpp"

#include <filesystem>
#include <optional>
#include <string>

namespace millrace::api {

/// A Postgres cluster of the development stack: Unix socket only, durable commits, run as an
/// unprivileged user when this process is root, because the server refuses to be root.
class DevPostgres {
public:
    /// Creates the cluster below `data` unless it is there. Throws std::runtime_error, saying what
    /// is missing.
    explicit DevPostgres(const std::filesystem::path& data);

    Process start() const;
    bool answers() const;
    /// Creates the service's database unless it is there; the server has to be running.
    void create_database() const;
    /// Brings its tables up to date, and lets the service in.
    void migrate_database() const;
    /// A libpq connection string, of the superuser.
    std::string url() const;
    /// The same for the service, whose login is a member of millrace_service alone.
    std::string service_url() const;

private:
    ProgramCall call(const std::string& program, std::vector<std::string> arguments) const;
    void initialise() const;
    bool has_database() const;
    std::filesystem::path without_database() const;
    std::string url(const std::string& database, const std::string& user) const;

    std::filesystem::path bin_;
    std::optional<RunAs> run_as_;
    std::filesystem::path cluster_;
    /// The socket's directory: apart from the cluster, because a socket's path is short.
    std::filesystem::path sockets_;
};

}  // namespace millrace::api
