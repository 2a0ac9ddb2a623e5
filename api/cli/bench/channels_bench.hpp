#pragma once

#include "api/cli/bench/bench.hpp"

namespace millrace::api::bench {

/// Opens very many channels on a development chain, and measures what each takes of the service's
/// memory and how long the service takes to start with them. Prints the report; gives 0. Throws
/// std::runtime_error.
int run_channels_bench(const BenchOptions& options);

}  // namespace millrace::api::bench
