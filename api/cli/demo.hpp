#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace millrace::api {

struct DemoOptions {
    std::uint64_t payments = 20'000;
    std::size_t apps = 20;
    std::size_t providers = 3;
    /// Leave the stack running afterwards.
    bool keep = false;
    /// The report as JSON, and no progress line.
    bool json = false;
    /// Data directory of a development stack that runs already; none: a stack of its own.
    std::optional<std::filesystem::path> data;
};

/// Opens channels, streams payments, claims, and prints what Postgres and the chain say of it.
/// Gives 0 when all figures add up, else 1. Throws std::runtime_error when it cannot go on.
int run_demo(const DemoOptions& options);

}  // namespace millrace::api
