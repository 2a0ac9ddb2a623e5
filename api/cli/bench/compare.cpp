#include "api/cli/bench/report.hpp"
#include "api/cli/commands.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace millrace::api::bench {
namespace {

std::string read(const std::string& file) {
    std::ifstream stream(file);
    // A folder opens, too.
    if (!stream || std::filesystem::is_directory(file)) throw CommandError("cannot read " + file);
    return {std::istreambuf_iterator<char>(stream), {}};
}

using Number = std::optional<double>;

Number milliseconds(const Row& row, std::uint32_t LatencyFigures::*which) {
    if (!row.latency) return std::nullopt;
    return *row.latency.*which / 1000.0;
}

Number ratio(const Row& row) {
    return row.ratio ? Number(row.ratio->value) : std::nullopt;
}

/// Old, new, and new to old, as far as they are there.
std::string cells(Number old, Number fresh, int digits) {
    const auto cell = [&](Number value) {
        return value ? fmt::format("{:>11.{}f}", *value, digits) : fmt::format("{:>11}", "-");
    };
    const bool both = old && fresh && *old > 0;
    return cell(old) + cell(fresh) +
           (both ? fmt::format("{:>8.2f}x", *fresh / *old) : fmt::format("{:>9}", "-"));
}

void add_line(std::string& text, std::string_view what, const std::string& numbers) {
    text += fmt::format("  {:<36}{}\n", what, numbers);
}

/// Those that both have.
std::string compared(const std::vector<Figure>& old, const std::vector<Figure>& fresh) {
    std::string text;
    for (const auto& figure : old)
        if (const auto value = find_figure(fresh, figure.name))
            add_line(text, figure.name, cells(figure.value, *value, 3));
    return text;
}

std::string compared(const Row& old, const Row& fresh) {
    auto text = old.name + "\n";
    if (old.per_second || fresh.per_second)
        add_line(text, "per second", cells(old.per_second, fresh.per_second, 0));
    if (old.ratio || fresh.ratio) {
        const bool same =
            !old.ratio || !fresh.ratio || old.ratio->yardstick == fresh.ratio->yardstick;
        const auto& known = old.ratio ? old.ratio->yardstick : fresh.ratio->yardstick;
        if (same)
            add_line(text, "ratio to " + known, cells(ratio(old), ratio(fresh), 3));
        else
            text += "  its yardsticks differ\n";
    }
    if (old.latency || fresh.latency) {
        const auto line = [&](std::string_view what, std::uint32_t LatencyFigures::*which) {
            add_line(text, what, cells(milliseconds(old, which), milliseconds(fresh, which), 2));
        };
        line("p50 ms", &LatencyFigures::p50_us);
        line("p99 ms", &LatencyFigures::p99_us);
    }
    if (old.refused + fresh.refused > 0)
        add_line(text, "refused",
                 cells(static_cast<double>(old.refused), static_cast<double>(fresh.refused), 0));
    return text + compared(old.figures, fresh.figures);
}

std::string described(std::string_view which, const Report& report) {
    return fmt::format("{}: {}, millrace {}, {} cores, {}, {}{}\n", which, report.date,
                       report.millrace, report.machine.cores, report.machine.cpu,
                       report.machine.kernel, report.quick ? ", --quick" : "");
}

std::string compared_raw(const RawFigures& old, const RawFigures& fresh) {
    std::string text = "the machines themselves\n";
    const auto line = [&](std::string_view what, double RawFigures::*which) {
        add_line(text, what, cells(old.*which, fresh.*which, 0));
    };
    line("secp256k1_ecdsa_verify/s, one core", &RawFigures::verify_per_second_one_core);
    line("secp256k1_ecdsa_verify/s, all cores", &RawFigures::verify_per_second_all_cores);
    line("fdatasync/s", &RawFigures::fdatasync_per_second);
    return text;
}

std::string marks_compared(const Report& old, const Report& fresh) {
    std::string text;
    const auto value_in = [](const Report& report, const std::string& name) {
        for (const auto& mark : report.marks)
            if (mark.name == name) return Number(mark.value);
        return Number();
    };
    for (const auto& mark : fresh.marks)
        add_line(text, mark.name, cells(value_in(old, mark.name), mark.value, 2));
    for (const auto& mark : old.marks)
        if (!value_in(fresh, mark.name)) add_line(text, mark.name, cells(mark.value, {}, 2));
    return text.empty() ? text : "marks\n" + text;
}

}  // namespace

std::string comparison(const Report& old, const Report& fresh) {
    if (old.suite != fresh.suite)
        throw CommandError(
            fmt::format("these reports cannot be compared: one is of the suite {}, "
                        "the other of {}",
                        old.suite, fresh.suite));
    auto text = described("old", old) + described("new", fresh) + "\n" +
                fmt::format("{:<38}{:>11}{:>11}{:>9}\n", old.suite, "old", "new", "new/old");
    if (old.raw && fresh.raw) text += compared_raw(*old.raw, *fresh.raw);
    for (const auto& row : fresh.rows) {
        const auto* before = find_row(old, row.name);
        text += before ? compared(*before, row) : row.name + "\n  only in the new report\n";
    }
    for (const auto& row : old.rows)
        if (!find_row(fresh, row.name)) text += row.name + "\n  only in the old report\n";
    if (const auto figures = compared(old.figures, fresh.figures); !figures.empty())
        text += "in all\n" + figures;
    return text + marks_compared(old, fresh);
}

void compare_reports(const std::string& old_file, const std::string& new_file) {
    const auto old = parse_report(read(old_file), old_file);
    const auto fresh = parse_report(read(new_file), new_file);
    fmt::print("{}", comparison(old, fresh));
}

}  // namespace millrace::api::bench
