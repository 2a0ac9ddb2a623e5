#pragma once

#include <string>

namespace support {

/// A fresh database in a throwaway cluster of the real server. The cluster is started once
/// per test program, listens on a Unix socket only and goes with the program.
class Postgres {
public:
    enum class Contents { none, migrated };
    explicit Postgres(Contents contents = Contents::none);
    ~Postgres();
    Postgres(const Postgres&) = delete;
    Postgres& operator=(const Postgres&) = delete;

    /// A libpq connection string, of the cluster's superuser.
    const std::string& url() const { return url_; }
    /// The same, with no more rights than the service has (once the database is migrated).
    std::string service_url() const { return url_as("millrace_service"); }
    std::string url_as(const std::string& role) const;
    std::string url_of_login(const std::string& login) const;
    /// As the superuser.
    void execute(const std::string& sql) const;

private:
    std::string name_;
    std::string url_;
};

}  // namespace support
