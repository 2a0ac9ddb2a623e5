#pragma once

#include "channel/accept.hpp"
#include "channel/step.hpp"
#include "tests/simulation/books.hpp"
#include "tests/simulation/escrow.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace simulation {

/// What the rules of stream-protocol make of a channel, written a second time: every figure comes
/// from double-entry books over wide integers, nothing is shared with channel/step.
class Reference {
public:
    explicit Reference(std::size_t reservations_max) : reservations_max_(reservations_max) {}

    using Verdict = std::optional<millrace::channel::Error>;
    Verdict judge(const millrace::channel::Pay& command) const;
    Verdict judge(const millrace::channel::Authorize& command) const;
    Verdict judge(const millrace::channel::Accept& command) const;
    Verdict judge(const millrace::channel::Charge& command) const;
    Verdict judge(const millrace::channel::Release& command) const;

    void record(const millrace::channel::Pay& command);
    void record(const millrace::channel::Authorize& command);
    void record(const millrace::channel::Accept& command);
    void record(const millrace::channel::Charge& command);
    void record(const millrace::channel::Release& command);
    /// Returns what the state machine has to report.
    millrace::channel::ChainEffect record(const ChainEvent& event);
    /// The contract is back in an earlier state of itself.
    millrace::channel::ChainEffect go_back(const Escrow& earlier);
    void reconcile() { in_doubt_ = false; }

    /// Names the first figure in which the state differs; empty when none does.
    std::string difference(const millrace::channel::State& state) const;

    Wide charged() const { return books_.earned() + books_.claimed(); }
    Wide reserved() const;
    const Wide& signed_max() const { return signed_max_; }
    const Books& books() const { return books_; }

private:
    struct Open {
        Wide max;
        Wide charged;
        std::uint32_t steps = 1;
    };

    Verdict judge_new(const millrace::channel::InferenceId& id, const Wide& amount) const;
    Verdict judge_voucher(const Wide& max, const Wide& amount) const;
    void raise(const millrace::channel::SignedVoucher& voucher);
    millrace::channel::ChainEffect take_out(const Wide& amount);
    void charge_owed(millrace::channel::ChainEffect& effect);
    void pay_owed(const Wide& amount);
    void close_if_empty(millrace::channel::ChainEffect& effect);
    void drop(millrace::channel::ChainEffect& effect);
    void drop_if_uncovered(millrace::channel::ChainEffect& effect);

    std::size_t reservations_max_;
    Books books_;
    std::map<std::string, Open> open_;
    Wide signed_max_;
    /// All that payments came to, whatever the contract took away.
    Wide owed_;
    bool in_doubt_ = false;
    millrace::channel::VoucherSignature evidence_{};
    millrace::channel::Status resting_ = millrace::channel::Status::pending;
    std::uint64_t withdraw_requested_at_ = 0;
    Wide withdraw_amount_;
    std::uint64_t refund_nonce_ = 0;
};

}  // namespace simulation
