#pragma once

#include "api/gate/exchange.hpp"
#include "api/gate/worker.hpp"

#include <string>
#include <string_view>

namespace millrace::api::gate {

/// What the gate itself answers: `healthz`, `readyz` and `metrics` below `gate.admin_path`, and
/// `/llms.txt` where no price or free path has it.
bool is_own_page(const GateConfig& config, std::string_view path);
Reply own_page(const Worker& worker, const GateRequest& request);

/// For programs that read: what costs what here, and how it is paid for.
std::string llms_text(const GateConfig& config, const Terms* terms);

}  // namespace millrace::api::gate
