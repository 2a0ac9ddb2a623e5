#pragma once

#include <string>

namespace support {

/// A fresh, empty database in a throwaway cluster of the real server. The cluster is started once
/// per test program, listens on a Unix socket only and goes with the program.
class Postgres {
public:
    Postgres();
    ~Postgres();
    Postgres(const Postgres&) = delete;
    Postgres& operator=(const Postgres&) = delete;

    /// A libpq connection string.
    const std::string& url() const { return url_; }

private:
    std::string name_;
    std::string url_;
};

}  // namespace support
