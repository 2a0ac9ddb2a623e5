#pragma once

#include "channel/step.hpp"
#include "tests/simulation/wide.hpp"

#include <cstdint>
#include <optional>
#include <variant>

namespace simulation {

using ChainEvent =
    std::variant<millrace::channel::DepositConfirmed, millrace::channel::ClaimConfirmed,
                 millrace::channel::WithdrawalRequested, millrace::channel::WithdrawalFinalized,
                 millrace::channel::RefundConfirmed>;

/// One channel as the contract keeps it, with the payer's wallet beside it, written from
/// "Contract behaviour" of x402-batch-settlement alone. A call that would revert has no event.
class Escrow {
public:
    static constexpr std::uint64_t kWithdrawDelay = 40;

    explicit Escrow(Wide tokens) : wallet_(tokens), tokens_(tokens) {}

    std::optional<ChainEvent> deposit(const Wide& amount);
    std::optional<ChainEvent> claim(const Wide& total, const Wide& max_claimable);
    std::optional<ChainEvent> initiate_withdraw(const Wide& amount, std::uint64_t now);
    std::optional<ChainEvent> finalize_withdraw(std::uint64_t now);
    ChainEvent refund(const Wide& amount);

    const Wide& wallet() const { return wallet_; }
    const Wide& balance() const { return balance_; }
    const Wide& claimed() const { return claimed_; }
    Wide available() const { return balance_ - claimed_; }
    std::uint64_t pending_since() const { return pending_since_; }
    const Wide& pending() const { return pending_; }
    std::uint64_t refund_nonce() const { return refund_nonce_; }
    /// No token has appeared or vanished.
    bool conserves() const;

private:
    /// Pays the payer at most what is not claimed.
    Wide pay_back(const Wide& amount);

    Wide wallet_;
    Wide tokens_;
    Wide balance_;
    Wide claimed_;
    Wide pending_;
    std::uint64_t pending_since_ = 0;
    std::uint64_t refund_nonce_ = 0;
};

}  // namespace simulation
