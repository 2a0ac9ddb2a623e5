#include "api/cli/bench/growth_bench.hpp"

#include "api/cli/bench/channels.hpp"
#include "api/cli/bench/history.hpp"
#include "api/cli/bench/load.hpp"
#include "api/cli/bench/mass_open.hpp"
#include "api/cli/bench/report.hpp"
#include "api/cli/bench/stack_service.hpp"
#include "api/cli/demo/stack.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

namespace millrace::api::bench {
namespace {

constexpr channel::Amount kFew{1'000'000};
constexpr channel::Amount kMany{100'000'000};
/// The large case is to have at least so much of the small one's rate.
constexpr double kKept = 0.8;

struct Plan {
    std::size_t paying = 1000;
    std::size_t open = 100'000;
    std::uint64_t updates_each = 200;
    std::uint64_t history = 20'000'000;
    /// Of one pipelined run.
    std::uint64_t pipelined = 250'000;
    std::size_t runs = 3;
};

Plan plan_of(const BenchOptions& options) {
    Plan plan;
    if (options.quick)
        plan = {.paying = 50,
                .open = 500,
                .updates_each = 4,
                .history = 2000,
                .pipelined = 400,
                .runs = 1};
    if (options.history > 0) plan.history = options.history;
    plan.runs = std::max<std::size_t>(plan.runs, options.rounds);
    return plan;
}

/// One database of the two that are compared: where to pay, and what that came to.
struct Measured {
    std::string name;
    StreamAddress address;
    std::string token;
    std::vector<LoadChannel> channels;
    std::vector<Row> rows{};
};

void run_once(Measured& measured, const LoadPlan& plan) {
    const auto result = run_load(measured.address, measured.token, measured.channels, plan);
    if (result.refused > 0)
        throw std::runtime_error("a payment was refused: " + result.first_refusal);
    Row row;
    row.name = measured.name;
    row.count = result.acknowledged;
    row.per_second = static_cast<double>(result.acknowledged) / result.seconds;
    row.latency = figures_of(result.latencies);
    measured.rows.push_back(std::move(row));
}

/// The run of the median rate, but for the first, which warms caches up.
Row median_of(std::vector<Row> rows) {
    rows.erase(rows.begin());
    std::sort(rows.begin(), rows.end(),
              [](const Row& a, const Row& b) { return *a.per_second < *b.per_second; });
    return rows[rows.size() / 2];
}

/// So many of a payer's channels, evenly over all of them.
std::vector<LoadChannel> spread(const std::vector<LoadChannel>& channels,
                                const channel::Address& payer, std::size_t count) {
    std::vector<LoadChannel> own;
    for (const auto& one : channels)
        if (one.config.payer == payer) own.push_back(one);
    std::vector<LoadChannel> chosen;
    for (std::size_t n = 0; n < count; ++n) chosen.push_back(own.at(n * own.size() / count));
    return chosen;
}

/// `small` is what `large` is divided by.
void add_pair(Report& report, const std::string& mark, const Row& small, const Row& large) {
    report.rows.push_back(small);
    report.rows.push_back(large);
    report.rows.back().ratio = Ratio{small.name, *large.per_second / *small.per_second};
    report.marks.push_back({mark, report.rows.back().ratio->value, Bound::at_least, kKept});
}

/// A development stack whose payers have opened `open` channels, of which `paying` pay: they lie
/// among the others, as they would.
class Crowded {
public:
    Crowded(std::size_t open, std::size_t paying)
        : payers_(stack_.ready(), payers_for(open), kFew) {
        const auto channels = payers_.open(open);
        StackService(stack_).wait_until_sealed();
        measured_ = {fmt::format("{} channels, one in flight, of {} open", paying, open),
                     stack_.ready().stream, log_in(stack_.ready().stream, payers_.first().key()),
                     spread(channels, payers_.first().address(), paying)};
    }
    Measured& measured() { return measured_; }
    /// What is still to be posted of one run must not take from the next one's time.
    void run(const LoadPlan& plan) {
        run_once(measured_, plan);
        StackService(stack_).wait_until_sealed();
    }
    double open() const { return StackService(stack_).metric("millrace_channels"); }

private:
    DemoStack stack_{Afterwards::stop, kQuietChain};
    Payers payers_;
    Measured measured_;
};

/// Both cases in turns, as the machine is not the same from one minute to the next.
void measure_channels(Report& report, const Plan& plan) {
    say("starting two development stacks");
    Crowded small(plan.paying, plan.paying);
    Crowded large(plan.open, plan.paying);
    LoadPlan load;
    load.channels = plan.paying;
    load.connections = 10;
    load.updates = plan.paying * plan.updates_each;
    for (std::size_t n = 0; n <= plan.runs; ++n) {
        say(fmt::format("channels: turn {} of {}", n + 1, plan.runs + 1));
        small.run(load);
        large.run(load);
    }
    add_pair(report, "rate kept with more channels", median_of(small.measured().rows),
             median_of(large.measured().rows));
    report.rows.back().figures = {{"channelsOpen", large.open()}};
}

void measure_history(Report& report, const Plan& plan) {
    say("starting a development stack");
    const DemoStack stack(Afterwards::stop, kQuietChain);
    Payers payers(stack.ready(), 1, kMany);
    LoadPlan load;
    load.channels = 100;
    load.window = 64;
    load.connections = 10;
    load.array_max = 64;
    load.updates = plan.pipelined;
    const auto name = [](const std::string& rows) {
        return fmt::format("100 channels, pipelined, on {} rows of history", rows);
    };
    History history(stack);
    Measured measured{name("no"), stack.ready().stream,
                      log_in(stack.ready().stream, payers.first().key()),
                      payers.open(load.channels)};
    const auto measure = [&] {
        say(measured.name + ": signing, then measuring");
        measured.rows.clear();
        for (std::size_t n = 0; n <= plan.runs; ++n) run_once(measured, load);
        return median_of(measured.rows);
    };
    const auto small = measure();
    history.make(measured.token, measured.channels, plan.history, (plan.runs + 1) * plan.pipelined);
    const auto before = static_cast<double>(StackService(stack).wait_until_sealed().seq);
    measured.name = name(std::to_string(plan.history));
    const auto large = measure();
    add_pair(report, "rate kept with more history", small, large);
    report.rows.back().figures = {{"updatesBefore", before},
                                  {"databaseBytesPerRow", history.bytes_per_row()}};
}

void print(const Report& report) {
    fmt::print("{:<58}{:>11}{:>10}{:>10}\n", "durable, acknowledged over WebSocket", "updates/s",
               "p50 ms", "p99 ms");
    for (const auto& row : report.rows)
        fmt::print("{:<58}{:>11.0f}{:>10.2f}{:>10.2f}\n", row.name, *row.per_second,
                   row.latency->p50_us / 1000.0, row.latency->p99_us / 1000.0);
    fmt::print("\n{}", marks_text(report));
}

}  // namespace

int run_growth_bench(const BenchOptions& options) {
    const auto is_wanted = [&](const std::string& part) {
        return part.find(options.only) != std::string::npos;
    };
    if (!is_wanted("channels") && !is_wanted("history"))
        throw std::runtime_error("growth measures channels and history, not " + options.only);
    auto report = begin_report(options);
    const auto plan = plan_of(options);
    if (is_wanted("channels")) measure_channels(report, plan);
    if (is_wanted("history")) measure_history(report, plan);
    write_report(options, report);
    if (has_table(options)) print(report);
    return 0;
}

}  // namespace millrace::api::bench
