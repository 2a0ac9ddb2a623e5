#pragma once

#include "api/chain/chain_context.hpp"
#include "channel/result.hpp"
#include "channel/state.hpp"
#include "ledger/request.hpp"

namespace millrace::api {

/// What the contract says of a channel at the block of the network's cursor. The cursor must not
/// move meanwhile. `rpc_read_failed` also when that block turns out to be of another branch by now.
struct ContractState {
    channel::State state;
    ledger::BlockId block;
};
Task<channel::Result<ContractState>> read_contract_state(ChainNetwork& network,
                                                         channel::ChannelId id);

}  // namespace millrace::api
