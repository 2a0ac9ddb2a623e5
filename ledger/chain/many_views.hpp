#pragma once

#include "channel/bytes.hpp"
#include "channel/result.hpp"
#include "ledger/chain/escrow_calls.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace millrace::ledger::chain {

// Many views of the escrow in one call, all of one state: its own `multicall` of them.

/// All that the contract has of a channel.
struct ChannelViews {
    ChannelTotals totals;
    PendingWithdrawal withdrawal;
    std::uint64_t refund_nonce = 0;
};
channel::Bytes channel_views_call(std::span<const channel::ChannelId> ids);
/// In the order of the ids, of which there were `count`; `rpc_read_failed` for bytes that are no
/// such answer.
channel::Result<std::vector<ChannelViews>> decode_channel_views(channel::BytesView answer,
                                                                std::size_t count);

/// What the contract has of a receiver in a token.
struct ReceiverPlace {
    channel::Address receiver;
    channel::Address token;
};
channel::Bytes receiver_views_call(std::span<const ReceiverPlace> places);
channel::Result<std::vector<ReceiverTotals>> decode_receiver_views(channel::BytesView answer,
                                                                   std::size_t count);

}  // namespace millrace::ledger::chain
