#pragma once

#include <string>

namespace millrace::api::bench {

/// What the machine does by itself, measured just before the service is: the yardsticks.
struct RawFigures {
    /// secp256k1_ecdsa_verify against a parsed key, on one core.
    double verify_per_second_one_core = 0;
    /// The same on all cores at once.
    double verify_per_second_all_cores = 0;
    /// write of 4 KiB and fdatasync, one after the other.
    double fdatasync_per_second = 0;
    unsigned cores = 0;
};

/// Takes about three seconds. `directory` is where the file for fdatasync is made and removed.
RawFigures measure_raw(const std::string& directory);

}  // namespace millrace::api::bench
