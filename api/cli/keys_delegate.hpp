#pragma once

#include "api/cli/commands.hpp"

namespace millrace::api {

/// Adds `delegate` to the command `keys`: an account lets another key act for it.
void add_keys_delegate(CLI::App& keys, Action& action);

}  // namespace millrace::api
