#pragma once

#include "ledger/asset.hpp"
#include "ledger/settlement/claim_store.hpp"
#include "ledger/time.hpp"

#include <cstdint>
#include <vector>

#include <pqxx/pqxx>

namespace millrace::ledger {

/// Transactions that ended in a block above are on their way again: their blocks may be gone, and
/// what became of them is to be found anew. Their claims are `sent` again; gives the events of
/// that. Takes sequence numbers, as the functions of claim_store.hpp do.
std::vector<SettlementEvent> reopen_outbox(pqxx::transaction_base& transaction,
                                           channel::Network network, std::uint64_t above_block,
                                           const Assets& assets, Time now);

}  // namespace millrace::ledger
