#pragma once

#include "api/cli/commands.hpp"

namespace millrace::api {

/// Adds `refund` to the command `channel`: a payer asks for its unspent money back.
void add_channel_refund(CLI::App& parent, Action& action);

}  // namespace millrace::api
