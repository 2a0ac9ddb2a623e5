#include "api/cli/bench/cost.hpp"

#include "api/cli/bench/stack_service.hpp"
#include "api/cli/http_client.hpp"
#include "ledger/storage.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>

#include <algorithm>
#include <charconv>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include <unistd.h>

namespace millrace::api::bench {

namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

constexpr int kTriesMax = 100;
// Of what stands behind the name in /proc/PID/stat.
constexpr std::size_t kParentField = 1;
constexpr std::size_t kReapedUserField = 13;
constexpr std::size_t kReapedSystemField = 14;

std::optional<std::chrono::nanoseconds> time_of(clockid_t clock) {
    timespec time{};
    if (clock_gettime(clock, &time) != 0) return std::nullopt;
    return std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec};
}

std::optional<std::uint64_t> own_bytes_written(pid_t process) {
    std::ifstream file(fmt::format("/proc/{}/io", process));
    for (std::string name; file >> name;) {
        std::uint64_t value = 0;
        if (!(file >> value)) break;
        if (name == "write_bytes:") return value;
    }
    return std::nullopt;
}

std::chrono::nanoseconds cpu_of_ended_children(pid_t parent) {
    const auto fields = stat_of(parent);
    if (fields.size() <= kReapedSystemField) return {};
    const auto ticks =
        std::stoull(fields[kReapedUserField]) + std::stoull(fields[kReapedSystemField]);
    return std::chrono::nanoseconds{ticks * 1'000'000'000 /
                                    static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK))};
}

pid_t pid_in(const ReadyStack& stack, std::string_view name) {
    const auto line = json::parse(stack.line);
    return static_cast<pid_t>(line.at("pids").at(name).to_number<std::int64_t>());
}

}  // namespace

std::optional<std::chrono::nanoseconds> cpu_of(pid_t process) {
    clockid_t clock{};
    if (clock_getcpuclockid(process, &clock) != 0) return std::nullopt;
    return time_of(clock);
}

std::vector<pid_t> ProcessFamily::children() const {
    std::vector<pid_t> found;
    std::error_code gone;
    for (const auto& entry : fs::directory_iterator("/proc", gone)) {
        const auto name = entry.path().filename().string();
        pid_t process = 0;
        const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), process);
        if (error != std::errc{} || end != name.data() + name.size()) continue;
        const auto fields = stat_of(process);
        if (fields.size() > kParentField && fields[kParentField] == std::to_string(parent_))
            found.push_back(process);
    }
    std::sort(found.begin(), found.end());
    return found;
}

template <class Value, class Sum>
std::optional<Value> ProcessFamily::steady(Sum sum) const {
    auto before = children();
    for (int tried = 0; tried < kTriesMax; ++tried) {
        const std::optional<Value> value = sum(before);
        auto after = children();
        if (before == after) return value;
        before = std::move(after);
    }
    return std::nullopt;
}

std::optional<std::chrono::nanoseconds> ProcessFamily::cpu() const {
    using Time = std::chrono::nanoseconds;
    return steady<Time>([&](const std::vector<pid_t>& children) -> std::optional<Time> {
        auto sum = cpu_of(parent_);
        if (!sum) return std::nullopt;
        *sum += cpu_of_ended_children(parent_);
        for (const auto child : children) {
            const auto its = cpu_of(child);
            if (!its) return std::nullopt;
            *sum += *its;
        }
        return sum;
    });
}

/// The kernel adds what a child has written to its parent's figure when it has ended.
std::optional<std::uint64_t> ProcessFamily::bytes_written() const {
    using Bytes = std::uint64_t;
    return steady<Bytes>([&](const std::vector<pid_t>& children) -> std::optional<Bytes> {
        auto sum = own_bytes_written(parent_);
        if (!sum) return std::nullopt;
        for (const auto child : children) {
            const auto its = own_bytes_written(child);
            if (!its) return std::nullopt;
            *sum += *its;
        }
        return sum;
    });
}

CostMeter::CostMeter(const ReadyStack& stack)
    : stack_(stack), service_(pid_in(stack, "service")), postgres_(pid_in(stack, "postgres")) {}

CostMeter::Times CostMeter::times() const {
    const auto service = cpu_of(service_);
    const auto postgres = ProcessFamily(postgres_).cpu();
    const auto generator = time_of(CLOCK_PROCESS_CPUTIME_ID);
    if (!service || !postgres || !generator)
        throw std::runtime_error("the CPU time of the stack's processes cannot be read");
    return {*service, *postgres, *generator};
}

CostMeter::Counted CostMeter::counted() const {
    const auto metrics = call(parse_url(stack_.url), {.target = "/metrics"}).body;
    Counted counted;
    for (std::size_t at = 0; at < kStages.size(); ++at)
        counted.stages[at] = figure_in(metrics, fmt::format("millrace_stage_cpu_seconds_total"
                                                            "{{stage=\"{}\"}}",
                                                            to_string(kStages[at])));
    counted.turn = figure_in(metrics, "millrace_commit_wait_seconds_total{for=\"turn\"}");
    counted.database = figure_in(metrics, "millrace_commit_wait_seconds_total{for=\"database\"}");
    return counted;
}

std::uint64_t CostMeter::wal_bytes() const {
    pqxx::connection connection(stack_.postgres);
    return ledger::read_wal_position(connection);
}

std::optional<std::uint64_t> CostMeter::bytes_written() const {
    return ProcessFamily(postgres_).bytes_written();
}

/// The times last, and in `end` first: what is asked for here is not part of the cost.
void CostMeter::begin() {
    counted_before_ = counted();
    wal_before_ = wal_bytes();
    written_before_ = bytes_written();
    times_before_ = times();
}

void CostMeter::end() {
    times_after_ = times();
    wal_after_ = wal_bytes();
    counted_after_ = counted();
}

UpdateCost CostMeter::per_update(std::uint64_t updates) const {
    pqxx::connection connection(stack_.postgres);
    ledger::write_out(connection);
    const auto written = bytes_written();

    const auto each = static_cast<double>(std::max<std::uint64_t>(updates, 1));
    const auto cpu = [&](std::chrono::nanoseconds Times::*whose) {
        const auto used = times_after_.*whose - times_before_.*whose;
        return std::chrono::duration<double, std::micro>(used).count() / each;
    };
    const auto microseconds = [&](double before, double after) {
        return (after - before) * 1e6 / each;
    };
    UpdateCost cost;
    cost.service = cpu(&Times::service);
    cost.postgres = cpu(&Times::postgres);
    cost.generator = cpu(&Times::generator);
    for (std::size_t at = 0; at < cost.stages.size(); ++at)
        cost.stages[at] = microseconds(counted_before_.stages[at], counted_after_.stages[at]);
    cost.waited_for_turn = microseconds(counted_before_.turn, counted_after_.turn);
    cost.waited_for_database = microseconds(counted_before_.database, counted_after_.database);
    cost.wal_bytes = static_cast<double>(wal_after_ - wal_before_) / each;
    if (written && written_before_)
        cost.bytes_written = static_cast<double>(*written - *written_before_) / each;
    return cost;
}

std::vector<Figure> figures_of(const UpdateCost& cost) {
    std::vector<Figure> figures{{"serviceMicroseconds", cost.service}};
    for (std::size_t at = 0; at < kStages.size(); ++at)
        figures.push_back({fmt::format("{}Microseconds", to_string(kStages[at])), cost.stages[at]});
    figures.push_back({"postgresMicroseconds", cost.postgres});
    figures.push_back({"generatorMicroseconds", cost.generator});
    figures.push_back({"turnWaitMicroseconds", cost.waited_for_turn});
    figures.push_back({"databaseWaitMicroseconds", cost.waited_for_database});
    figures.push_back({"walBytes", cost.wal_bytes});
    if (cost.bytes_written) figures.push_back({"bytesWritten", *cost.bytes_written});
    return figures;
}

std::string to_text(const UpdateCost& cost) {
    std::string stages;
    double staged = 0;
    for (std::size_t at = 0; at < kStages.size(); ++at) {
        stages += fmt::format("{}{} {:.2f}", at == 0 ? "" : ", ", to_string(kStages[at]),
                              cost.stages[at]);
        staged += cost.stages[at];
    }
    const auto written =
        cost.bytes_written ? fmt::format("{:.0f} B", *cost.bytes_written) : "unknown";
    return fmt::format(
        "us of CPU per update: service {:.2f} ({}; elsewhere {:.2f}), Postgres {:.2f}, load "
        "generator {:.2f}\nwritten by Postgres per update: {}, of which log {:.0f} B\n",
        cost.service, stages, cost.service - staged, cost.postgres, cost.generator, written,
        cost.wal_bytes);
}

}  // namespace millrace::api::bench
