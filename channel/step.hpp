#pragma once

#include "channel/amount.hpp"
#include "channel/bytes.hpp"
#include "channel/error.hpp"
#include "channel/inference.hpp"
#include "channel/result.hpp"
#include "channel/state.hpp"
#include "channel/voucher_signature.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>

namespace millrace::channel {

/// A voucher as a request carries it; the channel is the request's.
struct SignedVoucher {
    Amount max_claimable;
    VoucherSignature signature;

    friend bool operator==(const SignedVoucher&, const SignedVoucher&) = default;
};

/// Pays for one inference at once (stream-protocol, payment.pay).
struct Pay {
    InferenceId inference;
    Amount amount;
    SignedVoucher voucher;
};

/// Reserves up to `max_amount` for one inference (payment.authorize). Without a voucher an earlier
/// one has to cover charged + reserved + max_amount.
struct Authorize {
    InferenceId inference;
    Amount max_amount;
    std::optional<SignedVoucher> voucher;
};

/// Charges a reservation (payment.charge). `amount` is cumulative for the inference; `final` frees
/// the rest of the reservation.
enum class Finality { partial, final };
struct Charge {
    InferenceId inference;
    Amount amount;
    Finality finality = Finality::final;
};

/// Frees a reservation (payment.release). What a partial charge took stays charged.
struct Release {
    InferenceId inference;
};

/// What the contract's events say, in the order of the chain. None of these can be refused: the
/// chain has decided already.
struct DepositConfirmed {
    Amount amount;
};
struct ClaimConfirmed {
    Amount new_total_claimed;
};
struct WithdrawalRequested {
    std::uint64_t requested_at = 0;
    /// 0: not known; a refund then leaves the request as it is.
    Amount amount{};
};
struct WithdrawalFinalized {
    Amount amount;
};
struct RefundConfirmed {
    Amount amount;
};

/// Takes back, newest first, what the chain no longer has after a reorganisation. Each undoes the
/// event of the same name and puts the channel in doubt.
struct DepositUndone {
    Amount amount;
};
struct ClaimUndone {
    /// What the claim had moved.
    Amount amount;
};
struct WithdrawalRequestUndone {};
struct WithdrawalFinalizedUndone {
    Amount amount;
    /// Of the request that is pending again.
    std::uint64_t requested_at = 0;
    Amount withdraw_amount{};
};
struct RefundUndone {
    Amount amount;
    /// Of the withdrawal that was pending before, which the refund may have covered; 0: none.
    std::uint64_t requested_at = 0;
    Amount withdraw_amount{};
};

/// What the contract itself says of a channel at some block.
struct Mirror {
    Amount balance;
    Amount total_claimed;
    std::uint64_t withdraw_requested_at = 0;
    Amount withdraw_amount{};
    std::uint64_t refund_nonce = 0;

    friend bool operator==(const Mirror&, const Mirror&) = default;
};
Mirror mirror_of(const State& state);

/// The channel was taken under care with the contract's state of a block that is gone; this is the
/// state of the block to begin again from. All later events are undone. Claims before a snapshot
/// are not in the books: what it moves is the unclaimed balance, and what it charges or uncharges
/// is what is charged and not claimed.
struct SnapshotReplaced {
    Mirror contract;
};
/// The contract was found to agree; see `agrees`.
struct Reconciled {
    Mirror contract;
};

/// A refusal with the figure that was broken, where there is one, and the request member at fault
/// ("an error always names the field and the limit", stream-protocol).
struct Refusal {
    Error error;
    std::optional<Amount> limit;
    std::string_view field;

    Refusal(Error why) : error(why), field(channel::field(why)) {}
    Refusal(Error why, Amount bound) : error(why), limit(bound), field(channel::field(why)) {}
    Refusal(Error why, Amount bound, std::string_view where)
        : error(why), limit(bound), field(where) {}
    friend bool operator==(const Refusal&, const Refusal&) = default;
};

/// What an accepted request of a party does to the channel. Applied with `apply`.
struct Paid {
    Amount amount;
    SignedVoucher voucher;
};
struct Authorized {
    InferenceId inference;
    Amount max_amount;
    std::optional<SignedVoucher> voucher;
};
struct Charged {
    InferenceId inference;
    /// What this charge adds to what was charged for the inference before.
    Amount increment;
    Finality finality;
};
struct Released {
    InferenceId inference;
};

template <class T>
class Decision {
public:
    Decision(T event) : outcome_(std::move(event)) {}
    Decision(Refusal refusal) : outcome_(refusal) {}
    Decision(Error error) : outcome_(Refusal{error}) {}

    bool accepted() const { return std::holds_alternative<T>(outcome_); }
    const T& event() const { return std::get<T>(outcome_); }
    const Refusal& refusal() const { return std::get<Refusal>(outcome_); }

private:
    std::variant<T, Refusal> outcome_;
};

struct Limits {
    std::size_t reservations_max = 1024;
};

/// The rules of the stream for one request, given the state before it. Signatures are not looked
/// at here: whoever applies the event must have checked the voucher's signature, or hold a valid
/// later voucher of the channel that covers it (stream-protocol, Voucher rule). Idempotency is
/// decided before: the inference id of Pay and Authorize is new to the channel (an open reservation
/// of that id is refused as `idempotency_conflict` all the same).
Decision<Paid> decide(const State& state, const Pay& command);
Decision<Authorized> decide(const State& state, const Authorize& command, const Limits& limits);
Decision<Charged> decide(const State& state, const Charge& command);
Decision<Released> decide(const State& state, const Release& command);

void apply(State& state, const Paid& event);
void apply(State& state, const Authorized& event);
void apply(State& state, const Charged& event);
void apply(State& state, const Released& event);

/// What an event of the chain moves in the books besides its own amount.
struct ChainEffect {
    /// Claimed on chain above what was charged here: charged after the fact.
    Amount charged_after_the_fact{};
    /// Charged and not claimed, yet the balance for it is gone by a withdrawal, a refund or a
    /// reorganisation, or it was charged only because of a claim that is undone.
    Amount uncollectable{};
    /// Owed and uncollectable before, and charged again because there is balance for it.
    Amount recharged{};
    /// Deposited, newly claimed (the claim's increment), withdrawn or refunded; or that undone.
    Amount moved{};
    /// Reserved before, and dropped with all reservations because neither the balance nor the
    /// highest voucher covers them any longer.
    Amount released{};

    friend bool operator==(const ChainEffect&, const ChainEffect&) = default;
};

/// Applies an event of the chain. `amount_out_of_range` only if the figures contradict the
/// contract's own invariants (a balance beyond uint128, more taken than there was, a withdrawal at
/// time zero); the state is then as before.
Result<ChainEffect> apply(State& state, const DepositConfirmed& event);
Result<ChainEffect> apply(State& state, const ClaimConfirmed& event);
Result<ChainEffect> apply(State& state, const WithdrawalRequested& event);
Result<ChainEffect> apply(State& state, const WithdrawalFinalized& event);
Result<ChainEffect> apply(State& state, const RefundConfirmed& event);

/// The same for what is undone: `amount_out_of_range` when it was never done.
Result<ChainEffect> apply(State& state, const DepositUndone& event);
Result<ChainEffect> apply(State& state, const ClaimUndone& event);
Result<ChainEffect> apply(State& state, const WithdrawalRequestUndone& event);
Result<ChainEffect> apply(State& state, const WithdrawalFinalizedUndone& event);
Result<ChainEffect> apply(State& state, const RefundUndone& event);
Result<ChainEffect> apply(State& state, const SnapshotReplaced& event);

/// True if the contract's money at a confirmed block is what is mirrored. A withdrawal may be
/// pending here and not there: seen before its confirmations. The nonce is not looked at, because a
/// refund that moves nothing raises it without an event.
bool agrees(const State& state, const Mirror& contract);
/// Ends the doubt, and adopts what undoing cannot restore: the contract's refund nonce and its
/// pending withdrawal, which an undone refund or the end of a withdrawal had changed. The contract
/// has to agree.
void apply(State& state, const Reconciled& event);

}  // namespace millrace::channel
