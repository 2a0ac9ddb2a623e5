#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace millrace::api {

struct BenchOptions {
    /// What is measured: one of bench_suites().
    std::string suite = "payments";
    /// A hundredth of the work: shows that everything works, not how fast.
    bool quick = false;
    /// Only measurements whose name contains this.
    std::string only;
    /// How often each is measured, in turns; the report has the median run.
    unsigned rounds = 1;
    /// `payments`: so many times as many payments in each measurement, which lasts that much longer.
    unsigned times = 1;
    /// Where the report goes as JSON; "-": standard output, without the table; empty: nowhere.
    std::string json;
    /// Rows of history before the second measurement of `growth`; 0: as many as usual.
    std::uint64_t history = 0;
    /// What an update costs in CPU and bytes, too: `payments` on a stack of its own.
    bool costs = false;
    /// `payments` of a service that runs already, as "ws://host:port/v1/stream"; empty: on a stack
    /// of its own. Then the next three count.
    std::string server;
    /// Of the payer, whose own tokens are deposited.
    std::string key_file;
    /// Of the payments; empty: the payer itself.
    std::string receiver;
    /// The service's own name for itself in logins; empty: the server's host and port.
    std::string domain;
};

std::vector<std::string> bench_suites();

/// Measures what the suite is about, and prints it and how it relates to this machine's own speed.
/// Gives 0, or 1 when something was refused. Throws std::runtime_error when it cannot go on.
int run_bench(const BenchOptions& options);

}  // namespace millrace::api
