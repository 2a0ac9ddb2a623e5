#pragma once

#include "channel/amount.hpp"
#include "channel/bytes.hpp"
#include "ledger/request.hpp"
#include "ledger/snapshot.hpp"
#include "ledger/time.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace millrace::ledger {

/// All payments of one kind to one receiver.
struct PaymentTotals {
    PaymentKind kind = PaymentKind::pay;
    std::uint64_t count = 0;
    /// What they added to the charged totals of their channels.
    channel::Amount charged;
    /// When the first and the last were committed.
    Time first;
    Time last;
};

/// One row for each kind that occurs. Reads every payment of the receiver.
std::vector<PaymentTotals> read_payment_totals(Snapshot& snapshot,
                                               const channel::Address& receiver);

}  // namespace millrace::ledger
