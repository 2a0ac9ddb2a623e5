#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace millrace::api {

struct DevOptions {
    /// Of the service; 0: any free one.
    std::uint16_t port = 8402;
    /// Of the chain; 0: any free one.
    std::uint16_t rpc_port = 8545;
    std::filesystem::path data = ".dev/stack";
    /// Mines a block at this interval; none: one for every transaction.
    std::optional<unsigned> block_seconds;
    /// How often the chain writes down its state, all of it each time; what came since is lost when
    /// it is killed.
    unsigned chain_state_seconds = 5;
};

/// Runs Postgres, a chain with our contracts, and the service, all on this machine, until SIGTERM
/// or SIGINT. Prints a ready line to standard output whenever all is well (again). Gives 0 when it
/// was stopped; throws std::runtime_error when it cannot start.
int run_dev(const DevOptions& options);

}  // namespace millrace::api
