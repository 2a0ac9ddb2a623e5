#include "api/rest/recent_stats.hpp"

#include "api/database.hpp"

#include <spdlog/spdlog.h>

namespace millrace::api::rest {
namespace {

constexpr std::chrono::seconds kFresh{1};
constexpr std::chrono::seconds kPatience{3};

}  // namespace

bool RecentStats::begin(Clock::time_point now) {
    const std::lock_guard lock(mutex_);
    if (asked_) {
        if (now - *asked_ > kPatience) stats_.reset();
        return false;
    }
    if (answered_ != Clock::time_point{} && now - answered_ < kFresh) return false;
    asked_ = now;
    return true;
}

void RecentStats::end(std::optional<ledger::Stats> stats) {
    const std::lock_guard lock(mutex_);
    stats_ = std::move(stats);
    answered_ = Clock::now();
    asked_.reset();
}

Task<std::optional<ledger::Stats>> RecentStats::get(Database& database) {
    if (begin(Clock::now())) {
        std::optional<ledger::Stats> stats;
        try {
            stats = co_await database.run_at_once(
                [](pqxx::connection& connection) { return ledger::read_stats(connection); });
        } catch (const std::exception& error) {
            spdlog::warn("the database does not answer: {}", error.what());
        }
        end(std::move(stats));
    }
    const std::lock_guard lock(mutex_);
    co_return stats_;
}

}  // namespace millrace::api::rest
