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

/// The number that the word at `at` holds, if it is one within the bytes.
std::optional<std::size_t> size_at(BytesView bytes, std::size_t at) {
    if (at > bytes.size() || bytes.size() - at < Word::size) return std::nullopt;
    Word word;
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), Word::size, word.bytes.begin());
    const auto value = channel::uint64_from(word);
    if (!value || *value > bytes.size()) return std::nullopt;
    return static_cast<std::size_t>(*value);
}

/// bytes[]: offset, count, an offset for each from behind the count; at each a length and so many
/// bytes.
std::optional<std::vector<BytesView>> decode_bytes_array(BytesView answer, std::size_t count) {
    const auto array_at = size_at(answer, 0);
    const auto found = array_at ? size_at(answer, *array_at) : std::nullopt;
    if (found != count) return std::nullopt;
    const auto array = answer.subspan(*array_at + Word::size);
    std::vector<BytesView> elements;
    for (std::size_t n = 0; n < count; ++n) {
        const auto at = size_at(array, n * Word::size);
        const auto length = at ? size_at(array, *at) : std::nullopt;
        if (!length || array.size() - *at - Word::size < *length) return std::nullopt;
        elements.push_back(array.subspan(*at + Word::size, *length));
    }
    return elements;
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
    const auto elements = decode_bytes_array(answer, count * kViewsOfChannel);
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
    const auto elements = decode_bytes_array(answer, count);
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
