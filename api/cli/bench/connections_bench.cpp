#include "api/cli/bench/connections_bench.hpp"

#include "api/cli/bench/channels.hpp"
#include "api/cli/bench/cost.hpp"
#include "api/cli/bench/crowd.hpp"
#include "api/cli/bench/mass_open.hpp"
#include "api/cli/bench/report.hpp"
#include "api/cli/bench/stack_service.hpp"
#include "api/cli/demo/stack.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <string_view>
#include <utility>

#include <sys/resource.h>

namespace millrace::api::bench {
namespace {

constexpr channel::Amount kEach{1'000'000};
/// Descriptors that are not connections: the rest of either process.
constexpr rlim_t kOtherDescriptors = 256;
constexpr double kMilliseconds = 1000.0;
constexpr double kKibibyte = 1024.0;
constexpr double kAcknowledgedMilliseconds = 50;
constexpr double kConnectionKibibytes = 32;

struct Plan {
    std::size_t connections = 10'000;
    std::chrono::seconds lasts{20};
};

Plan plan_of(const BenchOptions& options) {
    return options.quick ? Plan{.connections = 100, .lasts = std::chrono::seconds{4}} : Plan{};
}

/// For this process and, as its children, the whole stack: generator and service each have all
/// connections.
void allow_descriptors(std::size_t connections) {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    const auto needed = connections + kOtherDescriptors;
    if (limit.rlim_max < needed)
        throw std::runtime_error(
            fmt::format("{} connections need {} file descriptors in one process, and only {} are "
                        "allowed; raise the hard limit (ulimit -Hn, or LimitNOFILE=)",
                        connections, needed, limit.rlim_max));
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/// Bytes that were resident.
struct Memory {
    std::uint64_t before = 0;
    std::uint64_t idle = 0;
    double connections = 0;

    /// What `bytes` is more than before the connections were there, in KiB for each.
    double per_connection(std::uint64_t bytes) const {
        return (static_cast<double>(bytes) - static_cast<double>(before)) / connections / kKibibyte;
    }
};

/// All pay once within `every`.
Row measure(Crowd& crowd, const StackService& service, const Memory& memory, const Plan& plan,
            std::chrono::seconds every) {
    Row row;
    row.name =
        fmt::format("{} connections, each paying every {} s", plan.connections, every.count());
    say(row.name + ": signing, then paying");
    const auto ready = service.ready();
    CostMeter meter(ready);
    auto most = service.resident_bytes();
    const auto look = [&] { most = std::max(most, service.resident_bytes()); };
    const Crowd::Pace pace{static_cast<std::uint64_t>(plan.lasts / every), every};
    const auto result = crowd.pay(
        pace, [&] { meter.begin(); }, look);
    meter.end();
    look();
    if (result.refused > 0) say("refused: " + result.first_refusal);
    row.count = result.acknowledged;
    row.refused = result.refused;
    row.per_second = static_cast<double>(result.acknowledged) / result.seconds;
    row.latency = figures_of(result.latencies);
    row.figures = {
        {"offeredPerSecond",
         static_cast<double>(plan.connections) / static_cast<double>(every.count())},
        {"connectionsOpen", memory.connections},
        {"generatorLatenessP99Milliseconds", result.lateness.percentile(990) / kMilliseconds},
        {"generatorLatenessMaxMilliseconds", result.lateness.max() / kMilliseconds},
        {"kibibytesPerConnectionIdle", memory.per_connection(memory.idle)},
        {"kibibytesPerConnectionPaying", memory.per_connection(most)}};
    const auto cost = meter.per_update(std::max<std::uint64_t>(result.acknowledged, 1));
    for (auto& figure : figures_of(cost)) row.figures.push_back(std::move(figure));
    return row;
}

/// For people; what an update costs is called as it is in the report.
std::string_view label_of(std::string_view figure) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kLabels{
        {{"offeredPerSecond", "offered per second"},
         {"connectionsOpen", "connections open"},
         {"generatorLatenessP99Milliseconds", "generator late, p99 ms"},
         {"generatorLatenessMaxMilliseconds", "generator late, max ms"},
         {"kibibytesPerConnectionIdle", "KiB per connection, idle"},
         {"kibibytesPerConnectionPaying", "KiB per connection, paying"}}};
    for (const auto& [name, label] : kLabels)
        if (name == figure) return label;
    return figure;
}

void print(const Report& report) {
    for (const auto& row : report.rows) {
        fmt::print(
            "{}\n  acknowledged {} in all, {:.0f}/s; from when each was due p50 {:.2f} ms, "
            "p99 {:.2f} ms, max {:.2f} ms\n",
            row.name, row.count, *row.per_second, row.latency->p50_us / kMilliseconds,
            row.latency->p99_us / kMilliseconds, row.latency->max_us / kMilliseconds);
        for (const auto& figure : row.figures)
            fmt::print("  {:<34}{:>12.2f}\n", label_of(figure.name), figure.value);
    }
    fmt::print("\n{}", marks_text(report));
}

}  // namespace

int run_connections_bench(const BenchOptions& options) {
    auto report = begin_report(options);
    const auto plan = plan_of(options);
    allow_descriptors(plan.connections);
    // All come from one address here, and a few more to open the channels.
    setenv("MILLRACE_LIMITS__CONNECTIONS_PER_ADDRESS_MAX", "20000", 1);
    say("starting a development stack");
    const DemoStack stack(Afterwards::stop, kQuietChain);
    auto channels =
        Payers(stack.ready(), payers_for(plan.connections), kEach).open(plan.connections);
    StackService service(stack);
    // What opening them took is not the connections'.
    service.restart();
    Memory memory;
    memory.before = service.resident_bytes();
    say("connecting");
    Crowd crowd(channels);
    crowd.connect(stack.ready().stream);
    // Without the one that asks.
    memory.connections = service.metric("millrace_connections") - 1;
    memory.idle = service.resident_bytes();
    // The first shows the service with room to spare.
    for (const auto every : {std::chrono::seconds{2}, std::chrono::seconds{1}})
        report.rows.push_back(measure(crowd, service, memory, plan, every));
    // Keys that sign often get tables, a cache with a limit of its own (ledger.key_tables_max) that
    // is no connection's: in the first row none has signed often enough yet.
    const auto& first = report.rows.front();
    report.marks = {{"acknowledged, p99 ms", report.rows.back().latency->p99_us / kMilliseconds,
                     Bound::at_most, kAcknowledgedMilliseconds},
                    {"memory of a connection that pays, without tables of keys, KiB",
                     *find_figure(first.figures, "kibibytesPerConnectionPaying"), Bound::at_most,
                     kConnectionKibibytes}};
    write_report(options, report);
    if (has_table(options)) print(report);
    const bool refused = std::any_of(report.rows.begin(), report.rows.end(),
                                     [](const Row& one) { return one.refused > 0; });
    return refused ? 1 : 0;
}

}  // namespace millrace::api::bench
