#pragma once

#include "channel/amount.hpp"
#include "channel/bytes.hpp"
#include "channel/inference.hpp"
#include "channel/voucher_signature.hpp"

#include <cstdint>
#include <string_view>
#include <unordered_map>

namespace millrace::channel {

/// stream-protocol, Channel object.
enum class Status { pending, open, closing, closed };
std::string_view to_string(Status status);

/// What an authorised inference may still cost.
struct Reservation {
    Amount max_amount{};
    /// Charged so far for this inference, at most `max_amount`.
    Amount charged{};
    /// Steps recorded for this inference: 1 after the authorisation, one more per charge.
    std::uint32_t steps = 1;

    friend bool operator==(const Reservation&, const Reservation&) = default;
};

/// All that a server must hold of one channel (x402-batch-settlement, "What a server must hold").
/// `is_consistent` says what holds before and after every step. Beyond that signed_max ≤ balance,
/// until a withdrawal or refund takes balance away.
struct State {
    Status status = Status::pending;
    /// Deposits less refunds and withdrawals; claims do not reduce it.
    Amount balance{};
    /// chargedCumulativeAmount: all that was ever charged, as far as the balance still covers it.
    Amount charged{};
    /// What payments have charged, whatever became of the balance since: the payer has signed for
    /// it. Above `charged` when money left the channel below it; the difference is charged again
    /// before anything else when money comes back. Below `charged` when more was claimed on chain.
    Amount owed{};
    /// The uncharged rest of all open reservations.
    Amount reserved{};
    /// The highest accepted voucher, and the payer's signature over it.
    Amount signed_max{};
    VoucherSignature signature{};
    /// Claimed on chain.
    Amount total_claimed{};
    /// Unix seconds of a pending withdrawal; 0: none.
    std::uint64_t withdraw_requested_at = 0;
    /// What is left of the amount that the pending withdrawal asked for; 0: none, or not known.
    Amount withdraw_amount{};
    std::uint64_t refund_nonce = 0;
    /// Something that the chain had said was taken back by it, and the contract was not compared
    /// with since: nothing is claimed meanwhile.
    bool in_doubt = false;
    /// What a refund on its way to the chain will take; not to be paid from.
    Amount refunding{};
    /// How many refunds were ever begun here: the number of the one on its way.
    std::uint64_t refunds_begun = 0;
    std::unordered_map<InferenceId, Reservation> reservations{};

    friend bool operator==(const State&, const State&) = default;
};

/// What payments may be made from: the balance less what a refund on its way will take of it. Such
/// a refund takes nothing that is charged.
Amount spendable(const State& state);

/// The invariants of a channel:
/// - total_claimed ≤ charged ≤ balance, and charged + reserved ≤ spendable;
/// - charged = owed, but never below total_claimed nor above balance;
/// - owed ≤ signed_max, so that charged ≤ signed_max save what was claimed on chain beyond it;
/// - charged + reserved ≤ signed_max while a reservation is open;
/// - reserved is the sum over the reservations of max_amount − charged, none of them negative;
/// - pending has no balance yet, closing has a withdrawal pending and no other status has one,
///   closed has nothing left to claim, no reservation, and balance = total_claimed.
bool is_consistent(const State& state);

}  // namespace millrace::channel
