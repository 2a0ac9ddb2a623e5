#pragma once

#include "api/auth/challenges.hpp"
#include "api/auth/delegation.hpp"
#include "api/auth/tokens.hpp"
#include "api/task.hpp"

#include <optional>
#include <string>
#include <variant>

namespace millrace::api {

class ChainService;

/// auth.login: a challenge that was signed and, where its key acts for another account, that
/// account's delegation.
struct Login {
    std::string message;
    std::string signature;
    std::optional<SignedDelegation> delegation;
};

/// A login whose challenge is redeemed.
struct RedeemedLogin {
    Challenges::Redeemed redeemed;
    std::optional<SignedDelegation> delegation;
    std::string_view domain;
    ledger::Time at;
};

using LoginOutcome = std::variant<SessionOwner, LoginRefusal>;
/// What keys alone can tell; nothing where a wallet has to be asked (ERC-1271).
std::optional<LoginOutcome> decide_by_key(const RedeemedLogin& login);

/// Asks wallets where it takes that. A channel::Refusal when they cannot be asked.
Task<std::variant<SessionOwner, LoginRefusal, channel::Refusal>> decide(ChainService& chain,
                                                                        RedeemedLogin login);

}  // namespace millrace::api
