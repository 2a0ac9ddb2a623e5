#include "api/cli/bench/report.hpp"

#include "api/cli/commands.hpp"
#include "ledger/time.hpp"

#include <fmt/format.h>

#include <sys/utsname.h>
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <thread>

namespace millrace::api::bench {
namespace {

constexpr std::string_view kStandardOutput = "-";

Machine this_machine() {
    Machine machine;
    machine.cores = std::max(1u, std::thread::hardware_concurrency());
    utsname system{};
    uname(&system);
    machine.kernel = fmt::format("{} {}", system.sysname, system.release);
    // Not every architecture names its model there.
    machine.cpu = system.machine;
    std::ifstream processors("/proc/cpuinfo");
    for (std::string line; std::getline(processors, line);) {
        const auto colon = line.find(": ");
        if (!line.starts_with("model name") || colon == std::string::npos) continue;
        machine.cpu = line.substr(colon + 2);
        break;
    }
    return machine;
}

void check_writable(const std::string& file) {
    if (!std::ofstream(file, std::ios::app)) throw CommandError("--json: cannot write " + file);
}

}  // namespace

LatencyFigures figures_of(const Latencies& latencies) {
    return {latencies.percentile(500), latencies.percentile(990), latencies.percentile(999),
            latencies.max()};
}

bool holds(const Mark& mark) {
    return mark.bound == Bound::at_least ? mark.value >= mark.limit : mark.value <= mark.limit;
}

bool has_table(const BenchOptions& options) {
    return options.json != kStandardOutput;
}

Report begin_report(const BenchOptions& options) {
    if (!options.json.empty() && has_table(options)) check_writable(options.json);
    Report report;
    report.suite = options.suite;
    report.quick = options.quick;
    report.millrace = MILLRACE_VERSION;
    report.date = ledger::to_rfc3339(
        std::chrono::time_point_cast<ledger::Time::duration>(std::chrono::system_clock::now()));
    report.machine = this_machine();
    return report;
}

void write_report(const BenchOptions& options, const Report& report) {
    if (options.json.empty()) return;
    const auto text = to_json(report);
    if (!has_table(options)) {
        fmt::print("{}", text);
        return;
    }
    std::ofstream file(options.json, std::ios::trunc);
    file << text << std::flush;
    if (!file) throw CommandError("--json: cannot write " + options.json);
}

const Row* find_row(const Report& report, std::string_view name) {
    const auto found = std::find_if(report.rows.begin(), report.rows.end(),
                                    [&](const Row& row) { return row.name == name; });
    return found == report.rows.end() ? nullptr : &*found;
}

std::optional<double> find_figure(const std::vector<Figure>& figures, std::string_view name) {
    const auto found = std::find_if(figures.begin(), figures.end(),
                                    [&](const Figure& figure) { return figure.name == name; });
    return found == figures.end() ? std::nullopt : std::optional(found->value);
}

std::string raw_text(const Report& report) {
    if (!report.raw) return {};
    return fmt::format(
        "raw, this machine ({} cores, {}):\n"
        "  secp256k1_ecdsa_verify  {:>9.0f}/s one core  {:>9.0f}/s all cores\n"
        "  fdatasync               {:>9.0f}/s\n",
        report.machine.cores, report.machine.cpu, report.raw->verify_per_second_one_core,
        report.raw->verify_per_second_all_cores, report.raw->fdatasync_per_second);
}

std::string marks_text(const Report& report) {
    if (report.marks.empty()) return {};
    auto text = fmt::format("{:<66}{:>9}{:>10}\n", "mark", "measured", "wanted");
    for (const auto& mark : report.marks) {
        const auto wanted =
            fmt::format("{} {:.2f}", mark.bound == Bound::at_least ? ">=" : "<=", mark.limit);
        text += fmt::format("{:<66}{:>9.2f}{:>10}  {}\n", mark.name, mark.value, wanted,
                            holds(mark) ? "holds" : "missed");
    }
    if (report.quick) text += "--quick: too little was done for any of this to mean speed.\n";
    return text;
}

}  // namespace millrace::api::bench
