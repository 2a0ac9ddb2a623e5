#pragma once

#include "api/task.hpp"
#include "ledger/stats_reader.hpp"

#include <chrono>
#include <mutex>
#include <optional>

namespace millrace::api {

class Database;

namespace rest {

/// What the database says of itself, asked at most once a second however often somebody wants to
/// know: probes and metrics are open to everybody.
class RecentStats {
public:
    /// Nothing when the database fails, or has not answered for some seconds.
    Task<std::optional<ledger::Stats>> get(Database& database);

private:
    using Clock = std::chrono::steady_clock;
    bool begin(Clock::time_point now);
    void end(std::optional<ledger::Stats> stats);

    std::mutex mutex_;
    std::optional<ledger::Stats> stats_;
    Clock::time_point answered_;
    std::optional<Clock::time_point> asked_;
};

}  // namespace rest
}  // namespace millrace::api
