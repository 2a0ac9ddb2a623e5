#pragma once

#include "api/auth/challenges.hpp"
#include "channel/bytes.hpp"
#include "ledger/time.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace millrace::api {

/// What an account says, once and by `personal_sign`, to let another key do a provider's work for
/// it at one service: a text in the manner of ERC-4361. It cannot be taken back before its end.
struct Delegation {
    /// Of the service (server.domain).
    std::string domain;
    /// In whose name, usually a receiver.
    channel::Address account;
    /// Whose key may act.
    channel::Address delegate;
    ledger::Time issued_at;
    ledger::Time expires_at;
};

/// Longer ones are not taken.
inline constexpr std::chrono::days kDelegationMax{365};

/// The text to sign.
std::string to_text(const Delegation& delegation);
/// Nothing unless the text is, to the letter, what `to_text` makes of some delegation.
std::optional<Delegation> parse_delegation(std::string_view text);

struct SignedDelegation {
    std::string message;
    std::string signature;
};

/// One that only a contract can have signed (ERC-1271), which has to be asked.
struct WalletDelegation {
    Delegation delegation;
    /// What to ask, and to answer if it says no.
    WalletLogin question;
};

/// Whether it is for this domain and this delegate, now, and signed by its account. A refusal names
/// `delegation.message` or `delegation.signature`.
using JudgedDelegation = std::variant<Delegation, LoginRefusal, WalletDelegation>;
JudgedDelegation judge(const SignedDelegation& given, std::string_view domain,
                       const channel::Address& delegate, ledger::Time now);

}  // namespace millrace::api
