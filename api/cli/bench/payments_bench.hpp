#pragma once

#include "api/cli/bench/bench.hpp"

namespace millrace::api::bench {

/// Measures this machine, then payments through the service's WebSocket, and prints both and their
/// ratios: on a development stack of its own, with which Postgres, the chain and this generator
/// share the machine's cores, or on a service that runs already. Gives 0, or 1 when an update was
/// refused. Throws std::runtime_error when it cannot go on.
int run_payments_bench(const BenchOptions& options);

}  // namespace millrace::api::bench
