#pragma once

#include "api/cli/bench/bench.hpp"

namespace millrace::api::bench {

/// Measures whether the service gets slower as its database grows: 1,000 channels that pay, alone
/// and among 100,000; and pipelined payments on an empty history and on one of 20,000,000 rows
/// (`options.history`), which is made by payments. `options.only` may name one of both, "channels"
/// or "history". Prints the report; gives 0, or 1 when a payment was refused. Throws
/// std::runtime_error.
int run_growth_bench(const BenchOptions& options);

}  // namespace millrace::api::bench
