#pragma once

#include "api/config.hpp"
#include "ledger/proof/note.hpp"

#include <memory>
#include <optional>

namespace millrace::api {

/// Signs tree heads with the key that the configuration names; nullopt when it names none. Throws
/// ConfigError when the file does not hold one.
std::optional<ledger::NoteSigner> open_log_signer(const Config& config);

}  // namespace millrace::api
