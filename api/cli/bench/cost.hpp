#pragma once

#include "api/cli/bench/report.hpp"
#include "api/cli/demo/stack.hpp"
#include "api/stage_clock.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace millrace::api::bench {

/// What one update has cost, in microseconds of CPU time (user and system) and in bytes.
struct UpdateCost {
    double service = 0;
    /// All processes of the cluster, those included that came and went.
    double postgres = 0;
    /// This process.
    double generator = 0;
    /// Of the service's, by stage, in the order of kStages.
    std::array<double, kStages.size()> stages{};
    /// Time, not CPU: that a shard waited with the update's batch for its turn, and for Postgres.
    double waited_for_turn = 0;
    double waited_for_database = 0;
    double wal_bytes = 0;
    /// That Postgres gave to storage: log, tables and indexes. Nothing where the system does not
    /// tell it.
    std::optional<double> bytes_written;
};
/// Each by a name that tells its unit.
std::vector<Figure> figures_of(const UpdateCost& cost);
/// Several lines for people.
std::string to_text(const UpdateCost& cost);

/// Measures what a stack uses between `begin` and `end`.
class CostMeter {
public:
    /// `stack` outlives it.
    explicit CostMeter(const ReadyStack& stack);

    /// Throws std::runtime_error when a part of the stack is gone, as `end` does.
    void begin();
    void end();
    /// Once, after `end`, as so many updates were made between. Makes Postgres write out what it
    /// has in memory only, so that its bytes are complete; that may take a second.
    UpdateCost per_update(std::uint64_t updates) const;

private:
    struct Times {
        std::chrono::nanoseconds service{0};
        std::chrono::nanoseconds postgres{0};
        std::chrono::nanoseconds generator{0};
    };
    /// What the service itself counts, in seconds.
    struct Counted {
        std::array<double, kStages.size()> stages{};
        double turn = 0;
        double database = 0;
    };
    Times times() const;
    Counted counted() const;
    std::uint64_t wal_bytes() const;
    std::optional<std::uint64_t> bytes_written() const;

    const ReadyStack& stack_;
    pid_t service_ = 0;
    pid_t postgres_ = 0;
    Times times_before_;
    Times times_after_;
    Counted counted_before_;
    Counted counted_after_;
    std::uint64_t wal_before_ = 0;
    std::uint64_t wal_after_ = 0;
    std::optional<std::uint64_t> written_before_;
};

/// CPU time of a process so far, user and system, of all its threads; nothing when it is gone or
/// may not be asked.
std::optional<std::chrono::nanoseconds> cpu_of(pid_t process);

/// A process and its children, as one: those that have ended count through their parent.
class ProcessFamily {
public:
    explicit ProcessFamily(pid_t parent) : parent_(parent) {}

    std::optional<std::chrono::nanoseconds> cpu() const;
    /// Nothing where /proc/PID/io cannot be read.
    std::optional<std::uint64_t> bytes_written() const;

private:
    /// `sum` of one and the same set of processes: begins again while children come or go.
    template <class Value, class Sum>
    std::optional<Value> steady(Sum sum) const;
    std::vector<pid_t> children() const;

    pid_t parent_;
};

}  // namespace millrace::api::bench
