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
    std::uint64_t updates_each = 60;
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

/// The run of the median rate, after one that warms caches up and does not count.
Row measure(const std::string& name, const StreamAddress& address, const std::string& token,
            std::vector<LoadChannel>& channels, const LoadPlan& plan, std::size_t runs) {
    say(name + ": signing, then measuring");
    std::vector<Row> rows;
    for (std::size_t n = 0; n <= runs; ++n) {
        const auto result = run_load(address, token, channels, plan);
        if (result.refused > 0)
            throw std::runtime_error("a payment was refused: " + result.first_refusal);
        Row row;
        row.name = name;
        row.count = result.acknowledged;
        row.per_second = static_cast<double>(result.acknowledged) / result.seconds;
        row.latency = figures_of(result.latencies);
        if (n > 0) rows.push_back(std::move(row));
    }
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

void measure_channels(Report& report, const Plan& plan) {
    say("starting a development stack");
    const DemoStack stack(Afterwards::stop, kQuietChain);
    const auto& address = stack.ready().stream;
    Payers payers(stack.ready(), payers_for(plan.open - plan.paying), kFew);
    const auto token = log_in(address, payers.first().key());
    LoadPlan load;
    load.channels = plan.paying;
    load.connections = 10;
    load.updates = plan.paying * plan.updates_each;
    const auto name = [&](std::size_t open) {
        return fmt::format("{} channels, one in flight, of {} open", plan.paying, open);
    };
    auto alone = payers.open(plan.paying, 1);
    const auto small = measure(name(plan.paying), address, token, alone, load, plan.runs);
    // Those that pay lie among the others, as they would.
    const auto others = payers.open(plan.open - plan.paying);
    auto among = spread(others, payers.first().address(), plan.paying);
    StackService(stack).wait_until_sealed();
    const auto large = measure(name(plan.open), address, token, among, load, plan.runs);
    add_pair(report, "rate kept with more channels", small, large);
    report.rows.back().figures = {
        {"channelsOpen", StackService(stack).metric("millrace_channels")}};
}

void measure_history(Report& report, const Plan& plan) {
    say("starting a development stack");
    const DemoStack stack(Afterwards::stop, kQuietChain);
    const auto& address = stack.ready().stream;
    Payers payers(stack.ready(), 1, kMany);
    const auto token = log_in(address, payers.first().key());
    LoadPlan load;
    load.channels = 100;
    load.window = 64;
    load.connections = 10;
    load.array_max = 64;
    load.updates = plan.pipelined;
    auto channels = payers.open(load.channels);
    const auto name = [](const std::string& rows) {
        return fmt::format("100 channels, pipelined, on {} rows of history", rows);
    };
    History history(stack);
    const auto small = measure(name("no"), address, token, channels, load, plan.runs);
    history.make(token, channels, plan.history, (plan.runs + 1) * plan.pipelined);
    const auto before = static_cast<double>(StackService(stack).wait_until_sealed().seq);
    const auto large =
        measure(name(std::to_string(plan.history)), address, token, channels, load, plan.runs);
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
