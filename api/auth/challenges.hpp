#pragma once

#include "api/config.hpp"
#include "channel/bytes.hpp"
#include "channel/step.hpp"
#include "channel/voucher_signature.hpp"
#include "ledger/time.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>

namespace millrace::api {

/// A message to be signed with `personal_sign`, and until when that makes a login.
struct Challenge {
    std::string message;
    ledger::Time expires_at;
};

/// Why a login failed: a sentence for people, and the parameter at fault.
struct LoginRefusal {
    std::string_view field;
    std::string sentence;
};

/// A message that no key of its address has signed, but the address may be a contract: whoever asks
/// it (ERC-1271) and hears yes may take it for a login, and else answers `otherwise`.
struct WalletLogin {
    channel::Address address;
    channel::Digest digest;
    channel::VoucherSignature signature;
    LoginRefusal otherwise;
};

/// Logins by ERC-4361 ("Sign-In with Ethereum"). Each message is issued once, bound to the domain
/// and chain of this service, and redeemed at most once. Safe to use from several threads.
class Challenges {
public:
    explicit Challenges(const Config& config);

    /// A new message for `address`. `rate_limited` while limits.logins_pending_max others wait to
    /// be signed.
    std::variant<Challenge, channel::Refusal> issue(const channel::Address& address,
                                                    ledger::Time now);

    /// The address that has proved its key. A message is used up by this, whatever comes of it:
    /// it must be exactly one that was issued, in time, and signed by the address it names.
    using Redeemed = std::variant<channel::Address, LoginRefusal, WalletLogin>;
    Redeemed redeem(std::string_view message, std::string_view signature, ledger::Time now);

    std::size_t pending() const;

private:
    using ByExpiry = std::multimap<ledger::Time, channel::Digest>;
    struct Pending {
        channel::Address address;
        ByExpiry::iterator expiry;
    };
    void evict(ledger::Time ended_before);

    std::string domain_;
    std::string uri_;
    std::uint64_t chain_id_ = 1;
    std::chrono::seconds ttl_;
    std::size_t pending_max_;

    mutable std::mutex mutex_;
    /// By the digest that is signed: equal digests are equal messages.
    std::unordered_map<channel::Digest, Pending> pending_;
    /// In order of expiry; kept a while longer, so that "expired" can be told from "unknown".
    ByExpiry by_expiry_;
};

}  // namespace millrace::api
