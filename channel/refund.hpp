#pragma once

#include "channel/step.hpp"

#include <cstdint>
#include <optional>

namespace millrace::channel {

/// Asks for unspent money back (stream-protocol, channel.refund). Without an amount: for all of it.
struct AskRefund {
    std::optional<Amount> amount;
    /// Has to be for exactly what is charged (x402-batch-settlement, "What a server must hold").
    SignedVoucher voucher;
    /// What the contract counts, as of the last event that was applied. Refunds that move nothing
    /// are counted without an event.
    std::uint64_t refund_nonce = 0;
};

/// A refund of `amount` will be sent, signed under `refund_nonce`. What it will take cannot be paid
/// from until RefundConfirmed or RefundAbandoned.
struct RefundBegun {
    Amount amount;
    std::uint64_t refund_nonce = 0;
};

/// The refund of that number will never be carried out.
struct RefundAbandoned {
    std::uint64_t number = 0;
    /// What it held. More may be held for an earlier one that a reorganisation took back.
    Amount amount;
};

/// Refused unless the channel is open: a payer that withdraws on its own gets its money that way.
/// One refund at a time, and none while the channel is in doubt. What is charged is claimed first,
/// and what is reserved stays. The voucher's signature is not looked at here.
Decision<RefundBegun> decide(const State& state, const AskRefund& command);

void apply(State& state, const RefundBegun& event);
/// False, and nothing changed, when another refund or none is the last one begun, or nothing held.
bool apply(State& state, const RefundAbandoned& event);

}  // namespace millrace::channel
