#pragma once

#include "ledger/time.hpp"

#include <chrono>

namespace millrace::api {

/// The wall clock, which only api/ reads.
inline ledger::Time now() {
    return std::chrono::time_point_cast<std::chrono::microseconds>(
        std::chrono::system_clock::now());
}

}  // namespace millrace::api
