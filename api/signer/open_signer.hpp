#pragma once

#include "api/config.hpp"
#include "ledger/chain/key_signer.hpp"
#include "ledger/chain/signer.hpp"
#include "ledger/signing/rules.hpp"

#include <memory>

namespace millrace::api {

/// What signs for the service: the process behind `signer.socket`, or, with `keys.in_process`, its
/// own keys. Throws ConfigError when neither is configured, and SignerUnavailable when the signer
/// does not answer.
std::unique_ptr<ledger::chain::Signer> open_signer(const Config& config);

/// Throws ConfigError when it is not configured what signs for the service.
void require_signer(const Config& config);

/// The keys that `keys` names. Throws ConfigError.
ledger::chain::KeySigner read_keys(const KeysConfig& keys);

/// What the configuration allows the signer to sign.
ledger::signing::SigningRules signing_rules(const Config& config);

}  // namespace millrace::api
