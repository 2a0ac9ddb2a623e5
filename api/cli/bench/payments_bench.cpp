#include "api/cli/bench/payments_bench.hpp"

#include "api/cli/bench/channels.hpp"
#include "api/cli/bench/cost.hpp"
#include "api/cli/bench/payments_place.hpp"
#include "api/cli/bench/payments_plan.hpp"
#include "api/cli/bench/stack_service.hpp"
#include "api/cli/commands.hpp"
#include "api/cli/demo/stack.hpp"
#include "ledger/commit_probe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>

#include <unistd.h>

namespace millrace::api::bench {
namespace {

constexpr std::array kServices{Service::checking_each, Service::without_log, Service::as_it_is};
/// Below this part of what was offered, a service did not keep up.
constexpr double kKeptUp = 0.99;

std::optional<Ratio> ratio_of(double per_second, Yardstick yardstick, const RawFigures& raw) {
    switch (yardstick) {
        case Yardstick::verify_all_cores:
            return Ratio{"verify, all cores", per_second / raw.verify_per_second_all_cores};
        case Yardstick::verify_one_core:
            return Ratio{"verify, one core", per_second / raw.verify_per_second_one_core};
        // Set once that row is there.
        case Yardstick::pay_pipelined:
        case Yardstick::none:
            return std::nullopt;
    }
    return std::nullopt;
}

Row row_of(const Measurement& wanted, const LoadResult& result, const RawFigures& raw) {
    const auto& plan = wanted.plan;
    Row row;
    row.name = plan.name;
    row.count = result.acknowledged;
    row.refused = result.refused;
    row.per_second = static_cast<double>(result.acknowledged) / result.seconds;
    row.latency = figures_of(result.latencies);
    row.ratio = ratio_of(*row.per_second, wanted.yardstick, raw);
    if (plan.name == kOneInFlight) {
        const auto floor = 1 / raw.fdatasync_per_second + 1 / raw.verify_per_second_one_core;
        row.figures.push_back({std::string(kToFloor), row.latency->p50_us / 1e6 / floor});
    }
    if (plan.offered_per_second > 0) {
        row.figures.push_back(
            {std::string(kOfferedRate), static_cast<double>(plan.offered_per_second)});
        row.figures.push_back(
            {std::string(kLatenessP99), static_cast<double>(result.lateness.percentile(990))});
        row.figures.push_back(
            {std::string(kLatenessMax), static_cast<double>(result.lateness.max())});
    }
    return row;
}

LoadResult run(const Measurement& wanted, const LoadPlan& plan, Place& place) {
    if (wanted.payments == Payments::pay)
        return run_load(place.stream, place.tokens.payer, place.channels, plan);
    return run_pair_load(place.stream, place.tokens, place.channels, plan);
}

/// What Postgres by itself takes for a durable commit of what a payment comes to, one after the
/// other for a second: the part of one payment's time that no service can save.
Latencies postgres_commits(const std::string& postgres) {
    constexpr std::size_t kPaymentBytes = 300;
    ledger::CommitProbe probe(postgres, kPaymentBytes);
    Latencies latencies;
    using Clock = std::chrono::steady_clock;
    for (const auto end = Clock::now() + std::chrono::seconds{1}; Clock::now() < end;) {
        const auto begun = Clock::now();
        probe.commit();
        latencies.add(Clock::now() - begun);
    }
    return latencies;
}

void add_postgres_commits(Row& row, const Latencies& commits) {
    const auto p50 = static_cast<double>(commits.percentile(500));
    row.figures.push_back({std::string(kPostgresCommitP50), p50});
    row.figures.push_back({std::string(kToPostgresCommit), row.latency->p50_us / p50});
}

/// `own` is the service's stack, where it is one of this benchmark's own.
Row measure(const Measurement& wanted, const RawFigures& raw, Place& place, const DemoStack* own,
            CostMeter* meter) {
    say(wanted.plan.name + ": signing");
    auto plan = wanted.plan;
    std::optional<Latencies> commits;
    if (own && plan.name == kOneInFlight) commits = postgres_commits(own->ready().postgres);
    plan.before_start = [&] {
        // Else the kernel writes the tables of the row before while this one's commits wait.
        if (own) sync();
        say(plan.name + ": measuring");
        if (meter) meter->begin();
    };
    const auto result = run(wanted, plan, place);
    if (meter) meter->end();
    if (result.refused > 0)
        say(fmt::format("{} refused: {}", result.refused, result.first_refusal));
    auto row = row_of(wanted, result, raw);
    if (commits) add_postgres_commits(row, *commits);
    if (meter) {
        const auto cost = meter->per_update(result.acknowledged);
        say(to_text(cost));
        for (auto& figure : figures_of(cost)) row.figures.push_back(std::move(figure));
    }
    if (own && wanted.service != Service::without_log)
        row.figures.push_back(
            {std::string(kToSealed), StackService(*own).wait_until_sealed().seconds});
    return row;
}

std::size_t most_channels(const std::vector<Measurement>& plans) {
    std::size_t most = 0;
    for (const auto& one : plans) most = std::max(most, one.plan.channels);
    return most;
}

/// On a stack of its own, because how vouchers are judged is the service's configuration.
std::vector<Row> measure_own(const std::vector<Measurement>& plans, Service service,
                             const RawFigures& raw, bool costs) {
    say("starting a development stack");
    setenv("MILLRACE_LEDGER__CHECK_EVERY_SIGNATURE",
           service == Service::checking_each ? "true" : "false", 1);
    if (service == Service::without_log)
        setenv("MILLRACE_TRANSPARENCY__KEY_FILE", "", 1);
    else
        unsetenv("MILLRACE_TRANSPARENCY__KEY_FILE");
    const DemoStack own(Afterwards::stop);
    auto place = place_of(own.ready(), most_channels(plans));
    std::optional<CostMeter> meter;
    if (costs) meter.emplace(own.ready());
    std::vector<Row> rows;
    for (const auto& one : plans)
        rows.push_back(measure(one, raw, place, &own, meter ? &*meter : nullptr));
    return rows;
}

/// What is divided by another row instead of by the machine.
void set_ratios_to_rows(const std::vector<Measurement>& plans, std::vector<Row>& rows) {
    const auto pay = std::find_if(rows.begin(), rows.end(),
                                  [](const Row& row) { return row.name == kPipelined; });
    if (pay == rows.end()) return;
    for (const auto& one : plans)
        for (auto& row : rows)
            if (row.name == one.plan.name && one.yardstick == Yardstick::pay_pipelined)
                row.ratio = Ratio{"pay, pipelined", *row.per_second / *pay->per_second};
}

/// What runs of one row are put in order by. A rate that was offered says nothing.
double rank(const Row& row) {
    if (find_figure(row.figures, kOfferedRate)) return row.latency->p99_us;
    return row.ratio ? row.ratio->value : *row.per_second;
}

/// Of several runs of each measurement the median one, in the order of `plans`.
std::vector<Row> medians(const std::vector<Measurement>& plans, const std::vector<Row>& rows) {
    std::vector<Row> chosen;
    for (const auto& plan : plans) {
        std::vector<const Row*> runs;
        for (const auto& row : rows)
            if (row.name == plan.plan.name) runs.push_back(&row);
        std::sort(runs.begin(), runs.end(),
                  [](const Row* a, const Row* b) { return rank(*a) < rank(*b); });
        chosen.push_back(*runs[runs.size() / 2]);
    }
    return chosen;
}

RawFigures median(std::vector<RawFigures> all) {
    auto chosen = all.front();
    for (const auto which :
         {&RawFigures::verify_per_second_one_core, &RawFigures::verify_per_second_all_cores,
          &RawFigures::fdatasync_per_second}) {
        std::sort(all.begin(), all.end(),
                  [&](const RawFigures& a, const RawFigures& b) { return a.*which < b.*which; });
        chosen.*which = all[all.size() / 2].*which;
    }
    return chosen;
}

void print_rows(const Report& report) {
    fmt::print("{:<50}{:>11}{:>10}{:>10}   {}\n", "durable, acknowledged over WebSocket",
               "per second", "p50 ms", "p99 ms", "ratio");
    for (const auto& row : report.rows)
        fmt::print(
            "{:<50}{:>11.0f}{:>10.2f}{:>10.2f}   {}\n", row.name, *row.per_second,
            row.latency->p50_us / 1000.0, row.latency->p99_us / 1000.0,
            row.ratio ? fmt::format("{:.2f} x {}", row.ratio->value, row.ratio->yardstick) : "");
}

void print_open_loop(const Report& report) {
    const auto* row = find_row(report, kOffered);
    if (!row) return;
    const auto offered = find_figure(row->figures, kOfferedRate).value_or(0);
    fmt::print(
        "\nopen loop, latency from when a payment was due: {:.0f}/s offered, {:.0f}/s achieved; "
        "p99.9 {:.2f} ms, max {:.2f} ms;\nthe generator itself was late by p99 {:.2f} ms, at most "
        "{:.2f} ms\n",
        offered, *row->per_second, row->latency->p999_us / 1000.0, row->latency->max_us / 1000.0,
        find_figure(row->figures, kLatenessP99).value_or(0) / 1000,
        find_figure(row->figures, kLatenessMax).value_or(0) / 1000);
    if (!report.quick && *row->per_second < kKeptUp * offered)
        fmt::print("THE SERVICE DID NOT KEEP UP with what was offered\n");
}

/// How much of one payment's time is a commit of Postgres by itself.
void print_one_in_flight(const Report& report) {
    const auto* row = find_row(report, kOneInFlight);
    const auto commit = row ? find_figure(row->figures, kPostgresCommitP50) : std::nullopt;
    if (!commit) return;
    fmt::print(
        "\none in flight: p50 is {:.2f} times that of a durable commit of Postgres by itself "
        "({:.2f} ms)\n",
        find_figure(row->figures, kToPostgresCommit).value_or(0), *commit / 1000);
}

/// What the transparency log takes of the rate.
void print_log_cost(const Report& report) {
    const auto* with = find_row(report, kPipelined);
    const auto* without = find_row(report, kWithoutLog);
    if (!with || !without) return;
    fmt::print(
        "\ntransparency log: {:.1f} % of the pipelined rate; all was sealed {:.2f} s after "
        "the last answer\n",
        100 * (1 - *with->per_second / *without->per_second),
        find_figure(with->figures, kToSealed).value_or(0));
}

void print_report(const Report& report) {
    fmt::print("{}\n", raw_text(report));
    print_rows(report);
    print_one_in_flight(report);
    print_open_loop(report);
    print_log_cost(report);
    fmt::print("\n{}", marks_text(report));
}

std::vector<Row> measure_round(const std::vector<Measurement>& plans, const RawFigures& raw,
                               const BenchOptions& options, Place* server) {
    std::vector<Row> rows;
    if (server) {
        for (const auto& one : plans) rows.push_back(measure(one, raw, *server, nullptr, nullptr));
        return rows;
    }
    for (const auto service : kServices) {
        auto chosen = plans;
        std::erase_if(chosen, [&](const Measurement& one) { return one.service != service; });
        if (chosen.empty()) continue;
        for (auto& row : measure_own(chosen, service, raw, options.costs))
            rows.push_back(std::move(row));
    }
    return rows;
}

/// What the options ask for and the service can show.
std::vector<Measurement> chosen_measurements(const BenchOptions& options) {
    auto plans = payment_measurements(options.quick, options.times);
    std::erase_if(plans, [&](const Measurement& one) {
        if (one.plan.name.find(options.only) == std::string::npos) return true;
        if (options.server.empty()) return false;
        // A service that runs already is as it is, and another's receiver cannot be logged in.
        return one.service != Service::as_it_is ||
               (one.payments == Payments::authorize_and_charge && !options.receiver.empty());
    });
    if (plans.empty()) throw CommandError("no measurement is named like " + options.only);
    return plans;
}

}  // namespace

int run_payments_bench(const BenchOptions& options) {
    auto report = begin_report(options);
    const auto plans = chosen_measurements(options);
    std::optional<RunningService> server;
    if (!options.server.empty()) server.emplace(options, spent_by_channel(plans, options.rounds));
    std::vector<RawFigures> raw;
    std::vector<Row> rows;
    for (unsigned round = 0; round < options.rounds; ++round) {
        say("measuring the machine");
        raw.push_back(measure_raw(std::filesystem::temp_directory_path().string()));
        auto of_round =
            measure_round(plans, raw.back(), options, server ? &server->place() : nullptr);
        set_ratios_to_rows(plans, of_round);
        for (auto& row : of_round) rows.push_back(std::move(row));
    }
    report.figures.push_back({"times", static_cast<double>(options.times)});
    report.raw = median(std::move(raw));
    report.rows = medians(plans, rows);
    report.marks = payment_marks(report);
    if (has_table(options)) print_report(report);
    write_report(options, report);
    return std::any_of(rows.begin(), rows.end(), [](const Row& row) { return row.refused > 0; });
}

}  // namespace millrace::api::bench
