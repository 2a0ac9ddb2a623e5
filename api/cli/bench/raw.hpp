#pragma once

#include "api/cli/bench/percentiles.hpp"

#include <chrono>
#include <exception>
#include <memory>
#include <string>
#include <thread>

namespace millrace::api::bench {

/// What the machine does by itself, measured just before the service is: the yardsticks.
struct RawFigures {
    /// secp256k1_ecdsa_verify against a parsed key, on one core.
    double verify_per_second_one_core = 0;
    /// The same on all cores at once.
    double verify_per_second_all_cores = 0;
    /// write of 4 KiB and fdatasync, one after the other.
    double fdatasync_per_second = 0;
};

/// Takes about three seconds. `directory` is where the file for fdatasync is made and removed.
RawFigures measure_raw(const std::string& directory);

class DiskFile;

/// What the disk takes while something else is measured: writes 4 KiB and waits for fdatasync, on a
/// thread of its own, time and again with so much between.
class DiskProbe {
public:
    /// Begins. Throws std::runtime_error where no file can be made in `directory`.
    DiskProbe(const std::string& directory, std::chrono::milliseconds between);
    ~DiskProbe();

    /// Ends it. Throws what kept it from writing.
    Latencies take();

private:
    std::unique_ptr<DiskFile> file_;
    Latencies latencies_;
    std::exception_ptr failure_;
    std::jthread thread_;
};

}  // namespace millrace::api::bench
