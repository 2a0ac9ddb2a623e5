#pragma once

#include <pqxx/except>

#include <string>

namespace support {

/// What a test does to the schema while a service reads it may meet that in a deadlock, which
/// Postgres ends by taking back one of the two: then it is done again.
template <typename Attempt>
auto repeat_after_deadlock(const Attempt& attempt) {
    constexpr int kAttempts = 5;
    for (int left = kAttempts - 1;; --left) {
        try {
            return attempt();
        } catch (const pqxx::deadlock_detected&) {
            if (left == 0) throw;
        }
    }
}

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
