#pragma once

#include "api/cli/bench/bench.hpp"
#include "api/cli/bench/percentiles.hpp"
#include "api/cli/bench/raw.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::api::bench {

/// Of reports as files: another one has another meaning.
inline constexpr std::uint64_t kReportVersion = 1;

struct LatencyFigures {
    std::uint32_t p50_us = 0;
    std::uint32_t p99_us = 0;
    std::uint32_t p999_us = 0;
    std::uint32_t max_us = 0;
};
LatencyFigures figures_of(const Latencies& latencies);

/// Anything else that was measured; its name tells its unit.
struct Figure {
    std::string name;
    double value = 0;
};

/// How much faster something is than a yardstick of the same run, which other machines can be
/// compared by.
struct Ratio {
    std::string yardstick;
    double value = 0;
};

/// One measurement.
struct Row {
    std::string name;
    /// What was measured so often: updates, pairs, tokens.
    std::uint64_t count = 0;
    std::uint64_t refused = 0;
    std::optional<double> per_second;
    std::optional<LatencyFigures> latency;
    std::optional<Ratio> ratio;
    std::vector<Figure> figures;
};

/// What a figure is meant to be.
enum class Bound { at_least, at_most };
struct Mark {
    std::string name;
    double value = 0;
    Bound bound = Bound::at_least;
    double limit = 0;
};
bool holds(const Mark& mark);

struct Machine {
    unsigned cores = 0;
    std::string cpu;
    std::string kernel;
};

struct Report {
    std::string suite;
    /// Its figures say nothing about speed.
    bool quick = false;
    /// The program's version, and when it began to measure (RFC 3339, UTC).
    std::string millrace;
    std::string date;
    Machine machine;
    std::optional<RawFigures> raw;
    std::vector<Row> rows;
    std::vector<Figure> figures;
    std::vector<Mark> marks;
};

/// Of this machine, now, with nothing measured yet. Throws CommandError when the file for its
/// figures could not be written, before anybody waits for them.
Report begin_report(const BenchOptions& options);
/// As JSON, where the options say. Throws CommandError.
void write_report(const BenchOptions& options, const Report& report);
/// False when nothing but JSON goes to standard output.
bool has_table(const BenchOptions& options);

const Row* find_row(const Report& report, std::string_view name);
std::optional<double> find_figure(const std::vector<Figure>& figures, std::string_view name);

/// One row of the report a line.
std::string to_json(const Report& report);
/// `name` stands for the text in what is thrown: CommandError for anything but a report of this
/// version.
Report parse_report(const std::string& text, const std::string& name);

/// Tables for people, each with a new line at its end; empty when there is nothing to tell.
std::string raw_text(const Report& report);
std::string marks_text(const Report& report);

/// Row by row what is new to old: rates and latencies as they are, and ratios to their yardsticks,
/// which two machines, or two states of one, can be compared by. Throws CommandError when the
/// suites differ.
std::string comparison(const Report& old, const Report& fresh);
/// The same of two files, to standard output. Throws CommandError when one cannot be read.
void compare_reports(const std::string& old_file, const std::string& new_file);

}  // namespace millrace::api::bench
