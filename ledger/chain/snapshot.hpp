#pragma once

#include "channel/state.hpp"
#include "ledger/chain/escrow_calls.hpp"

#include <cstdint>

namespace millrace::ledger::chain {

/// The state of a channel that nothing but the contract knows: what was claimed counts as charged,
/// no voucher is held. Pending without a balance, closing while a withdrawal is pending, closed
/// when all is claimed.
channel::State snapshot(const ChannelTotals& totals, const PendingWithdrawal& withdrawal,
                        std::uint64_t refund_nonce);

}  // namespace millrace::ledger::chain
