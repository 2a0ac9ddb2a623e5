#pragma once

#include "ledger/chain/signer.hpp"
#include "ledger/signing/rules.hpp"
#include "ledger/signing/signed_record.hpp"
#include "ledger/time.hpp"

#include <deque>
#include <functional>
#include <mutex>

namespace millrace::ledger::signing {

/// Signs what the rules allow and what does not contradict what it signed before: never a lower
/// claimed total for a channel, and within caps per hour and per minute. What it is about to sign
/// is kept first, so that it holds after any crash.
class GuardedSigner final : public chain::Signer {
public:
    using Clock = std::function<Time()>;
    /// Makes an entry durable before it returns, or throws: then nothing is signed.
    using Keep = std::function<void(const SignedEntry&)>;

    /// `record`: what was kept before. `keys` has to outlive it.
    GuardedSigner(chain::Signer& keys, SigningRules rules, SignedRecord record, Keep keep,
                  Clock clock);

    channel::Address authorizer() const override { return keys_.authorizer(); }
    channel::Address relayer() const override { return keys_.relayer(); }
    chain::SignerHealth health() const override;
    ContractPayers contract_payers() const override { return rules_.contract_payers; }
    channel::Signature sign_claims(const chain::EscrowContract& escrow,
                                   std::span<const chain::VoucherClaim> rows) override;
    channel::Signature sign_refund(const chain::EscrowContract& escrow,
                                   const channel::ChannelConfig& config, const channel::Word& nonce,
                                   channel::Amount amount) override;
    channel::Signature sign_transaction(const chain::Transaction& transaction) override;

private:
    [[noreturn]] void refuse(const std::string& why);
    void check_rate(Time now);
    /// Refuses, or adds to `entry` what signing these rows means.
    void admit_claims(const chain::EscrowContract& escrow,
                      std::span<const chain::VoucherClaim> rows, SignedEntry& entry);
    void check_value(channel::Network network, const channel::Address& token, channel::Amount more,
                     Time now);
    void keep(SignedEntry entry);

    chain::Signer& keys_;
    SigningRules rules_;
    Keep keep_;
    Clock clock_;
    mutable std::mutex mutex_;
    SignedRecord record_;
    std::deque<Time> signed_at_;
    std::uint64_t refusals_ = 0;
};

}  // namespace millrace::ledger::signing
