#pragma once

#include <string>

namespace millrace::api {

struct BenchOptions {
    /// A hundredth of the updates: shows that everything works, not how fast.
    bool quick = false;
    /// What a gate adds to a model server's answers, instead of the service's own rates.
    bool gate = false;
    /// Only measurements whose name contains this.
    std::string only;
    /// How often each is measured, in turns; the report has the run of the median rate.
    unsigned rounds = 1;
    /// The report as JSON, and no table.
    bool json = false;
};

/// Measures this machine, then a development stack of its own on it through its WebSocket, and
/// prints both and their ratios. Postgres, the chain and the load generator share the machine's
/// cores. Gives 0, or 1 when an update was refused. Throws std::runtime_error when it cannot go on.
int run_bench(const BenchOptions& options);

}  // namespace millrace::api
