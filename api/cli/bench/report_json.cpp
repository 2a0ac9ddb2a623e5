#include "api/cli/bench/report.hpp"
#include "api/cli/commands.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>

namespace millrace::api::bench {
namespace {

namespace json = boost::json;

json::object as_json(const std::vector<Figure>& figures) {
    json::object made;
    for (const auto& figure : figures) made[figure.name] = figure.value;
    return made;
}

json::object as_json(const Row& row) {
    json::object made{{"name", row.name}, {"count", row.count}, {"refused", row.refused}};
    if (row.per_second) made["perSecond"] = *row.per_second;
    if (row.latency) {
        made["p50Microseconds"] = row.latency->p50_us;
        made["p99Microseconds"] = row.latency->p99_us;
        made["p999Microseconds"] = row.latency->p999_us;
        made["maxMicroseconds"] = row.latency->max_us;
    }
    if (row.ratio) {
        made["yardstick"] = row.ratio->yardstick;
        made["ratio"] = row.ratio->value;
    }
    if (!row.figures.empty()) made["figures"] = as_json(row.figures);
    return made;
}

json::object as_json(const Mark& mark) {
    return {{"name", mark.name},
            {"value", mark.value},
            {mark.bound == Bound::at_least ? "atLeast" : "atMost", mark.limit},
            {"holds", holds(mark)}};
}

template <class All>
json::array all_as_json(const All& all) {
    json::array made;
    for (const auto& one : all) made.push_back(as_json(one));
    return made;
}

std::string text_of(const json::value& object, std::string_view name) {
    return std::string(object.at(name).as_string());
}

double number_of(const json::value& object, std::string_view name) {
    return object.at(name).to_number<double>();
}

std::vector<Figure> figures_in(const json::value& object) {
    std::vector<Figure> figures;
    if (const auto* members = object.as_object().if_contains("figures"))
        for (const auto& [name, value] : members->as_object())
            figures.push_back({std::string(name), value.to_number<double>()});
    return figures;
}

Row row_of(const json::value& value) {
    const auto& members = value.as_object();
    Row row;
    row.name = text_of(value, "name");
    row.count = value.at("count").to_number<std::uint64_t>();
    row.refused = value.at("refused").to_number<std::uint64_t>();
    if (members.contains("perSecond")) row.per_second = number_of(value, "perSecond");
    if (members.contains("p50Microseconds")) {
        const auto time = [&](std::string_view name) {
            return value.at(name).to_number<std::uint32_t>();
        };
        row.latency = LatencyFigures{time("p50Microseconds"), time("p99Microseconds"),
                                     time("p999Microseconds"), time("maxMicroseconds")};
    }
    if (members.contains("ratio"))
        row.ratio = Ratio{text_of(value, "yardstick"), number_of(value, "ratio")};
    row.figures = figures_in(value);
    return row;
}

Mark mark_of(const json::value& value) {
    const bool at_least = value.as_object().contains("atLeast");
    return {text_of(value, "name"), number_of(value, "value"),
            at_least ? Bound::at_least : Bound::at_most,
            number_of(value, at_least ? "atLeast" : "atMost")};
}

Report report_of(const json::value& value) {
    Report report;
    report.suite = text_of(value, "suite");
    report.quick = value.at("quick").as_bool();
    report.millrace = text_of(value, "millrace");
    report.date = text_of(value, "date");
    const auto& machine = value.at("machine");
    report.machine = {machine.at("cores").to_number<unsigned>(), text_of(machine, "cpu"),
                      text_of(machine, "kernel")};
    if (const auto* raw = value.as_object().if_contains("raw")) {
        report.raw.emplace();
        report.raw->verify_per_second_one_core = number_of(*raw, "verifyPerSecondOneCore");
        report.raw->verify_per_second_all_cores = number_of(*raw, "verifyPerSecondAllCores");
        report.raw->fdatasync_per_second = number_of(*raw, "fdatasyncPerSecond");
    }
    for (const auto& row : value.at("rows").as_array()) report.rows.push_back(row_of(row));
    for (const auto& mark : value.at("marks").as_array()) report.marks.push_back(mark_of(mark));
    report.figures = figures_in(value);
    return report;
}

}  // namespace

std::string to_json(const Report& report) {
    json::object made{{"version", kReportVersion},
                      {"suite", report.suite},
                      {"quick", report.quick},
                      {"millrace", report.millrace},
                      {"date", report.date},
                      {"machine",
                       {{"cores", report.machine.cores},
                        {"cpu", report.machine.cpu},
                        {"kernel", report.machine.kernel}}}};
    if (report.raw)
        made["raw"] = {{"verifyPerSecondOneCore", report.raw->verify_per_second_one_core},
                       {"verifyPerSecondAllCores", report.raw->verify_per_second_all_cores},
                       {"fdatasyncPerSecond", report.raw->fdatasync_per_second}};
    if (!report.figures.empty()) made["figures"] = as_json(report.figures);
    made["rows"] = all_as_json(report.rows);
    made["marks"] = all_as_json(report.marks);

    std::string text = "{";
    std::string_view before = "\n  ";
    for (const auto& [name, value] : made) {
        text += fmt::format("{}{}: ", before, json::serialize(json::value(name)));
        before = ",\n  ";
        if (!value.is_array() || value.get_array().empty()) {
            text += json::serialize(value);
            continue;
        }
        std::string_view opening = "[\n    ";
        for (const auto& one : value.get_array()) {
            text += std::string(opening) + json::serialize(one);
            opening = ",\n    ";
        }
        text += "\n  ]";
    }
    return text + "\n}\n";
}

Report parse_report(const std::string& text, const std::string& name) {
    json::error_code broken;
    const auto value = json::parse(text, broken);
    const auto* members = broken ? nullptr : value.if_object();
    const auto* version = members ? members->if_contains("version") : nullptr;
    if (!version || !version->is_number() || !members->contains("suite"))
        throw CommandError(name + " is no report of `millrace bench --json`");
    if (version->to_number<double>() != static_cast<double>(kReportVersion))
        throw CommandError(
            fmt::format("{} is a report of version {}; this program reads version {}. Measure "
                        "again, or compare with the program that wrote it.",
                        name, json::serialize(*version), kReportVersion));
    try {
        return report_of(value);
    } catch (const std::exception&) {
        throw CommandError(name + " is damaged: something is missing in this report");
    }
}

}  // namespace millrace::api::bench
