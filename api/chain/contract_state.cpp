#include "api/chain/contract_state.hpp"

#include "ledger/chain/snapshot.hpp"

namespace millrace::api {

using ledger::chain::BlockTag;

/// Nodes answer by the number of a block; that it is the cursor's still is looked up afterwards.
Task<channel::Result<ContractState>> read_contract_state(ChainNetwork& network,
                                                         channel::ChannelId id) {
    const auto cursor = *network.cursor;
    const auto tag = BlockTag::number(cursor.block_number);
    const auto totals = co_await network.node.channel_totals(id, tag);
    if (!totals) co_return totals.error();
    const auto withdrawal = co_await network.node.pending_withdrawal(id, tag);
    if (!withdrawal) co_return withdrawal.error();
    const auto nonce = co_await network.node.refund_nonce(id, tag);
    if (!nonce) co_return nonce.error();
    const auto block = co_await network.node.block(tag);
    if (!block || !*block || (*block)->hash != cursor.block_hash)
        co_return channel::Error::rpc_read_failed;
    ContractState found{ledger::chain::snapshot(*totals, *withdrawal, *nonce),
                        {cursor.block_number, cursor.block_hash}};
    co_return found;
}

}  // namespace millrace::api
