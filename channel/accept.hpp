#pragma once

#include "channel/step.hpp"

namespace millrace::channel {

/// Reserves `max_amount` for one inference on the strength of an x402 payload that the receiver got
/// over HTTP and hands in (stream-protocol, payment.accept).
struct Accept {
    InferenceId inference;
    Amount max_amount;
    SignedVoucher voucher;
};

/// The strict rule of x402 (x402-batch-settlement, "What a server must hold and enforce"): one such
/// request at a time on a channel, else `channel_busy`, and a voucher for exactly what is charged
/// and `max_amount`, else `cumulative_amount_mismatch` with that figure. Such a voucher is above
/// what was claimed, because claims are charged. It may be lower than the highest one, which stands
/// then.
///
/// The payer is not here: its own signature over this voucher has to be checked before the event is
/// applied, and no later voucher stands in for it. Idempotency is decided before, as for Authorize.
Decision<Authorized> decide(const State& state, const Accept& command);

}  // namespace millrace::channel
