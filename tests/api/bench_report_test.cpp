#include "api/cli/bench/report.hpp"
#include "api/cli/commands.hpp"

#include <catch2/catch.hpp>

#include <filesystem>

using namespace millrace;
using namespace millrace::api::bench;
using api::CommandError;

namespace {

Report report() {
    Report made;
    made.suite = "payments";
    made.millrace = "0.1.0";
    made.date = "2026-11-22T10:00:00.000000Z";
    made.machine = {2, "A \"fast\" CPU", "Linux 6.1"};
    made.raw.emplace();
    made.raw->verify_per_second_one_core = 30'000;
    made.raw->verify_per_second_all_cores = 60'000;
    made.raw->fdatasync_per_second = 4'000;
    Row row;
    row.name = "1 channel";
    row.count = 3'000;
    row.per_second = 1'500;
    row.latency = LatencyFigures{600, 1'200, 2'000, 2'500};
    row.ratio = Ratio{"verify, all cores", 0.025};
    row.figures = {{"secondsToSealed", 0.25}};
    made.rows.push_back(row);
    made.figures = {{"bytes", 1'000}};
    made.marks = {{"p50", 1.25, Bound::at_most, 1.5}, {"rate", 7.5, Bound::at_least, 8}};
    return made;
}

std::string refusal(const std::string& text) {
    try {
        parse_report(text, "old.json");
    } catch (const CommandError& error) {
        return error.what();
    }
    return {};
}

/// Spaces run together, so that columns do not matter.
std::string squeezed(const std::string& text) {
    std::string made;
    for (const char letter : text)
        if (letter != ' ' || made.empty() || made.back() != ' ') made += letter;
    return made;
}

bool has(const std::string& text, const std::string& part) {
    return squeezed(text).find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("bench: a report that is written and read again is the same", "[bench]") {
    const auto text = to_json(report());
    const auto again = parse_report(text, "file");
    CHECK(to_json(again) == text);
    CHECK(again.machine.cpu == "A \"fast\" CPU");
    REQUIRE(again.raw.has_value());
    CHECK(again.raw->fdatasync_per_second == 4'000);
    REQUIRE(again.rows.size() == 1);
    CHECK(again.rows[0].latency->p999_us == 2'000);
    CHECK(again.rows[0].ratio->yardstick == "verify, all cores");
    CHECK(find_figure(again.rows[0].figures, "secondsToSealed") == 0.25);
    CHECK_FALSE(find_figure(again.rows[0].figures, "other").has_value());
    REQUIRE(again.marks.size() == 2);
    CHECK(holds(again.marks[0]));
    CHECK_FALSE(holds(again.marks[1]));
}

TEST_CASE("bench: a report may have rows without a rate, and nothing raw", "[bench]") {
    auto one = report();
    one.raw.reset();
    one.rows[0].per_second.reset();
    one.rows[0].ratio.reset();
    one.rows[0].latency.reset();
    one.marks.clear();
    const auto text = to_json(one);
    CHECK(to_json(parse_report(text, "file")) == text);
    CHECK(raw_text(one).empty());
    CHECK(marks_text(one).empty());
}

TEST_CASE("bench: what is no report, or of another version, is refused by name", "[bench]") {
    for (const auto* text : {"", "{", "[]", "{}", "7", R"({"version":1})", R"({"suite":"gate"})"}) {
        CAPTURE(text);
        CHECK(refusal(text) == "old.json is no report of `millrace bench --json`");
    }
    CHECK(refusal(R"({"version":2,"suite":"gate"})").find("is a report of version 2") !=
          std::string::npos);
    CHECK(refusal(R"({"version":1,"suite":"gate","rows":7})") ==
          "old.json is damaged: something is missing in this report");
}

TEST_CASE("bench: rates and ratios are compared beside each other", "[bench]") {
    const auto old = report();
    auto fresh = report();
    fresh.rows[0].per_second = 3'000;
    // On a machine that is twice as fast, twice the rate is as much as before.
    fresh.raw->verify_per_second_one_core = 60'000;
    fresh.rows[0].latency->p50_us = 300;
    fresh.rows[0].latency->p99_us = 2'400;
    fresh.marks[0].value = 1;
    const auto text = comparison(old, fresh);
    CAPTURE(text);
    CHECK(has(text, "per second 1500 3000 2.00x"));
    CHECK(has(text, "ratio to verify, all cores 0.025 0.025 1.00x"));
    CHECK(has(text, "p50 ms 0.60 0.30 0.50x"));
    CHECK(has(text, "p99 ms 1.20 2.40 2.00x"));
    CHECK(has(text, "verify/s, one core 30000 60000 2.00x"));
    CHECK(has(text, "p50 1.25 1.00 0.80x"));
}

TEST_CASE("bench: rows that only one of two reports has are named", "[bench]") {
    const auto old = report();
    auto fresh = report();
    fresh.rows[0].name = "2 channels";
    const auto text = comparison(old, fresh);
    CHECK(has(text, "2 channels\n only in the new report"));
    CHECK(has(text, "1 channel\n only in the old report"));
    fresh.suite = "gate";
    CHECK_THROWS_AS(comparison(old, fresh), CommandError);
}

TEST_CASE("bench: figures of the whole, refusals, and marks that one report has are compared",
          "[bench]") {
    auto old = report();
    auto fresh = report();
    old.figures = {{"residentBytes", 400}, {"of the old alone", 1}};
    fresh.figures = {{"residentBytes", 300}};
    fresh.rows[0].refused = 2;
    old.marks.push_back({"memory", 3, Bound::at_most, 2});
    fresh.marks.push_back({"start-up", 1, Bound::at_most, 3});
    const auto text = comparison(old, fresh);
    CAPTURE(text);
    CHECK(has(text, "in all\n residentBytes 400.000 300.000 0.75x"));
    CHECK_FALSE(has(text, "of the old alone"));
    CHECK(has(text, "refused 0 2 -"));
    CHECK(has(text, "memory 3.00 - -"));
    CHECK(has(text, "start-up - 1.00 -"));
}

TEST_CASE("bench: ratios to different yardsticks are not divided", "[bench]") {
    const auto old = report();
    auto fresh = report();
    fresh.rows[0].ratio->yardstick = "pay, pipelined";
    CHECK(has(comparison(old, fresh), "its yardsticks differ"));
}

TEST_CASE("bench: a file that cannot be written is told before anything is measured", "[bench]") {
    api::BenchOptions options;
    options.json = "/proc/none/report.json";
    CHECK_THROWS_AS(begin_report(options), CommandError);
    options.json = "-";
    CHECK_FALSE(has_table(options));
    const auto begun = begin_report(options);
    CHECK(begun.machine.cores > 0);
    CHECK_FALSE(begun.machine.cpu.empty());
    CHECK_FALSE(begun.date.empty());
}

TEST_CASE("bench: a file that cannot be read is named", "[bench]") {
    CHECK_THROWS_WITH(compare_reports("/nowhere/old.json", "/nowhere/new.json"),
                      "cannot read /nowhere/old.json");
    // A folder opens, and reads as nothing.
    const auto folder = std::filesystem::temp_directory_path().string();
    CHECK_THROWS_AS(compare_reports(folder, folder), CommandError);
}
