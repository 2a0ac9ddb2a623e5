#include "api/cli/bench/channels_bench.hpp"

#include "api/cli/bench/channels.hpp"
#include "api/cli/bench/mass_open.hpp"
#include "api/cli/bench/report.hpp"
#include "api/cli/bench/stack_service.hpp"
#include "api/cli/demo/stack.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

namespace millrace::api::bench {
namespace {

constexpr channel::Amount kEach{1'000'000};
constexpr std::size_t kStarts = 3;
constexpr std::chrono::seconds kSettled{1};
constexpr double kKibibyte = 1024.0;
constexpr double kMebibyte = 1024.0 * 1024.0;
constexpr double kChannelKibibytes = 2;
constexpr double kStartSeconds = 3;

/// What a service that has just started has come to.
struct Start {
    double seconds = 0;
    double channels = 0;
    std::uint64_t resident = 0;
    std::uint64_t peak = 0;
};

/// The median, by time, of several.
Start start_again(StackService& service) {
    std::vector<Start> starts;
    for (std::size_t n = 0; n < kStarts; ++n) {
        const auto seconds = service.restart();
        // What it does once behind its start is done then.
        std::this_thread::sleep_for(kSettled);
        starts.push_back({seconds, service.metric("millrace_channels"), service.resident_bytes(),
                          service.resident_bytes_peak()});
    }
    std::sort(starts.begin(), starts.end(),
              [](const Start& a, const Start& b) { return a.seconds < b.seconds; });
    return starts[starts.size() / 2];
}

Row row_of(const Start& start) {
    Row row;
    row.name = fmt::format("{:.0f} open channels", start.channels);
    row.count = static_cast<std::uint64_t>(start.channels);
    row.figures = {{"secondsToStart", start.seconds},
                   {"residentMebibytes", static_cast<double>(start.resident) / kMebibyte},
                   {"residentMebibytesMax", static_cast<double>(start.peak) / kMebibyte}};
    return row;
}

void print(const Report& report) {
    fmt::print("{:<28}{:>18}{:>16}{:>24}\n", "service, just started", "seconds to start",
               "resident, MiB", "resident at most, MiB");
    for (const auto& row : report.rows)
        fmt::print("{:<28}{:>18.2f}{:>16.1f}{:>24.1f}\n", row.name, row.figures[0].value,
                   row.figures[1].value, row.figures[2].value);
    fmt::print("\n{}", marks_text(report));
}

}  // namespace

int run_channels_bench(const BenchOptions& options) {
    auto report = begin_report(options);
    const std::size_t count = options.quick ? 500 : 100'000;
    say("starting a development stack");
    const DemoStack stack(Afterwards::stop, kQuietChain);
    StackService service(stack);
    const auto empty = start_again(service);
    Payers(stack.ready(), payers_for(count), kEach).open(count);
    say("starting the service again");
    const auto full = start_again(service);
    report.rows = {row_of(empty), row_of(full)};
    const auto each = (static_cast<double>(full.resident) - static_cast<double>(empty.resident)) /
                      static_cast<double>(count) / kKibibyte;
    report.marks = {{"memory of a channel, KiB", each, Bound::at_most, kChannelKibibytes},
                    {"start-up, s", full.seconds, Bound::at_most, kStartSeconds}};
    write_report(options, report);
    if (has_table(options)) print(report);
    return 0;
}

}  // namespace millrace::api::bench
