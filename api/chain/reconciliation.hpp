#pragma once

#include "api/chain/chain_context.hpp"
#include "api/chain/chain_service.hpp"
#include "channel/result.hpp"
#include "ledger/audit/reconciliation.hpp"

#include <vector>

namespace millrace::api {

/// Compares the books, as of one snapshot, with the contract of each network, as of the block up to
/// which that snapshot has the network's events; of a network that is not among `networks`, or was
/// never followed, only with themselves and with the vouchers. Payments and the chain go on
/// meanwhile, and are no breaks. Begins anew when the chain changes meanwhile, or when what it has
/// found may be undone by the follower just then. On the chain thread; takes as long as there are
/// channels and blocks. `rpc_read_failed` when the nodes cannot be asked or do not agree; throws
/// what the database throws.
Task<channel::Result<ledger::Reconciliation>> reconcile(ChainContext& context,
                                                        std::vector<ChainNetwork*> networks,
                                                        Vouchers vouchers);

}  // namespace millrace::api
