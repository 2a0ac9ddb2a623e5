#pragma once

#include "api/cli/bench/bench.hpp"

namespace millrace::api::bench {

/// Measures what a gate adds to a model server that streams: many streams at once, each a paid call
/// on a channel of its own, beside the same streams from the server itself. All of it, the service
/// with Postgres and the chain included, shares the machine. Reports the figures; gives 0, or 1
/// when a stream was refused or not paid for. Throws std::runtime_error.
int run_gate_bench(const BenchOptions& options);

}  // namespace millrace::api::bench
