#pragma once

#include "api/gate/config.hpp"

namespace millrace::api::gate {

/// Runs a gate until SIGTERM or SIGINT: then nothing new is taken, and what is at work is ended
/// within gate.drain_timeout_ms. Gives the exit code. Throws ConfigError for what the configuration
/// has wrong, and boost::system::system_error where it cannot listen.
int run_gate(const GateConfig& config);

}  // namespace millrace::api::gate
