#pragma once

#include "api/gate/exchange.hpp"
#include "api/gate/worker.hpp"
#include "api/task.hpp"

namespace millrace::api::gate {

/// Answers one request: the gate's own paths, free ones, priced ones. Everything else is refused:
/// what nobody has priced is not sold, and not given away.
Task<void> handle(Worker& worker, Exchange& exchange);

}  // namespace millrace::api::gate
