#include "api/cli/bench/bench.hpp"

#include "api/cli/bench/channels_bench.hpp"
#include "api/cli/bench/connections_bench.hpp"
#include "api/cli/bench/gate_bench.hpp"
#include "api/cli/bench/growth_bench.hpp"
#include "api/cli/bench/payments_bench.hpp"
#include "api/cli/commands.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace millrace::api {
namespace {

struct Suite {
    std::string_view name;
    int (*run)(const BenchOptions&);
    bool has_rows_to_choose = false;
    bool has_rounds = false;
};
constexpr std::array kSuites{
    Suite{"payments", &bench::run_payments_bench, true, true},
    Suite{"gate", &bench::run_gate_bench},
    Suite{"connections", &bench::run_connections_bench},
    Suite{"channels", &bench::run_channels_bench},
    Suite{"growth", &bench::run_growth_bench, true, true},
};

/// An option that is not heeded would have somebody believe what was not measured.
void check_options(const Suite& suite, const BenchOptions& options) {
    const auto refuse_unless = [&](bool is_heeded, bool is_given, std::string_view option) {
        if (is_given && !is_heeded)
            throw CommandError(fmt::format("bench {} has no {}", suite.name, option));
    };
    const bool is_payments = suite.name == "payments";
    refuse_unless(suite.has_rows_to_choose, !options.only.empty(), "--only");
    refuse_unless(suite.has_rounds, options.rounds > 1, "--rounds");
    refuse_unless(suite.name == "growth", options.history > 0, "--history");
    refuse_unless(is_payments, options.times > 1, "--times");
    refuse_unless(is_payments, !options.server.empty(), "--server");
    refuse_unless(is_payments && options.server.empty(), options.costs,
                  is_payments ? "--costs of a --server" : "--costs");
}

}  // namespace

std::vector<std::string> bench_suites() {
    std::vector<std::string> names;
    for (const auto& suite : kSuites) names.emplace_back(suite.name);
    return names;
}

int run_bench(const BenchOptions& options) {
    const auto suite = std::find_if(kSuites.begin(), kSuites.end(),
                                    [&](const Suite& one) { return one.name == options.suite; });
    if (suite == kSuites.end()) throw CommandError("there is no suite " + options.suite);
    check_options(*suite, options);
    return suite->run(options);
}

}  // namespace millrace::api
