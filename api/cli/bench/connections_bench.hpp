#pragma once

#include "api/cli/bench/bench.hpp"

namespace millrace::api::bench {

/// Measures the service with very many connections, each logged in and each paying once a second on
/// a channel of its own: the time to an acknowledgement, and the memory that a connection takes.
/// Prints the report; gives 0, or 1 when a payment was refused. Throws std::runtime_error.
int run_connections_bench(const BenchOptions& options);

}  // namespace millrace::api::bench
