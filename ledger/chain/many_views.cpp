#include "ledger/chain/many_views.hpp"

#include "channel/error.hpp"
#include "channel/uint256.hpp"
#include "ledger/chain/abi.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace millrace::ledger::chain {
namespace {

using channel::Bytes;
using channel::BytesView;
using channel::Word;

constexpr std::size_t kViewsOfChannel = 3;

/// What so many views answer in one multicall.
std::optional<std::vector<BytesView>> decode_answers(BytesView answer, std::size_t count) {
    auto elements = decode_bytes_array(answer);
    return elements && elements->size() == count ? elements : std::nullopt;
}

}  // namespace

Bytes channel_views_call(std::span<const channel::ChannelId> ids) {
    std::vector<Bytes> calls;
    calls.reserve(ids.size() * kViewsOfChannel);
    for (const auto& id : ids) {
        calls.push_back(channels_call(id));
        calls.push_back(pending_withdrawals_call(id));
        calls.push_back(refund_nonce_call(id));
    }
    return multicall_call(std::move(calls));
}

channel::Result<std::vector<ChannelViews>> decode_channel_views(BytesView answer,
                                                                std::size_t count) {
    const auto elements = decode_answers(answer, count * kViewsOfChannel);
    if (!elements) return channel::Error::rpc_read_failed;
    std::vector<ChannelViews> all;
    all.reserve(count);
    for (std::size_t at = 0; at < elements->size(); at += kViewsOfChannel) {
        const auto totals = decode_channels((*elements)[at]);
        if (!totals) return totals.error();
        const auto withdrawal = decode_pending_withdrawals((*elements)[at + 1]);
        if (!withdrawal) return withdrawal.error();
        const auto nonce = decode_refund_nonce((*elements)[at + 2]);
        if (!nonce) return nonce.error();
        all.push_back({*totals, *withdrawal, *nonce});
    }
    return all;
}

Bytes receiver_views_call(std::span<const ReceiverPlace> places) {
    std::vector<Bytes> calls;
    calls.reserve(places.size());
    for (const auto& place : places) calls.push_back(receivers_call(place.receiver, place.token));
    return multicall_call(std::move(calls));
}

channel::Result<std::vector<ReceiverTotals>> decode_receiver_views(BytesView answer,
                                                                   std::size_t count) {
    const auto elements = decode_answers(answer, count);
    if (!elements) return channel::Error::rpc_read_failed;
    std::vector<ReceiverTotals> all;
    all.reserve(count);
    for (const auto& element : *elements) {
        const auto totals = decode_receivers(element);
        if (!totals) return totals.error();
        all.push_back(*totals);
    }
    return all;
}

}  // namespace millrace::ledger::chain
