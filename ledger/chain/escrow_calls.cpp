#include "ledger/chain/escrow_calls.hpp"

#include "channel/error.hpp"
#include "channel/uint256.hpp"
#include "ledger/chain/abi.hpp"

#include <algorithm>
#include <optional>

namespace millrace::ledger::chain {
namespace {

using channel::Bytes;
using channel::BytesView;
using channel::Word;

constexpr Selector kDeposit{0x14, 0x0f, 0x1e, 0x75};
constexpr Selector kClaim{0x29, 0x23, 0x7b, 0x0c};
constexpr Selector kClaimWithSignature{0xe4, 0x3c, 0xe1, 0xf2};
constexpr Selector kSettle{0x9d, 0xb3, 0x2a, 0x8f};
constexpr Selector kRefundWithSignature{0xb7, 0x74, 0x33, 0xe9};
constexpr Selector kInitiateWithdraw{0xcf, 0x5c, 0xf3, 0xdc};
constexpr Selector kFinalizeWithdraw{0xe8, 0x83, 0x77, 0xb1};
constexpr Selector kMulticall{0xac, 0x96, 0x50, 0xd8};
constexpr Selector kChannels{0x7a, 0x7e, 0xbd, 0x7b};
constexpr Selector kPendingWithdrawals{0xb7, 0xf0, 0x6e, 0xbe};
constexpr Selector kRefundNonce{0xf0, 0xdc, 0x79, 0x2e};
constexpr Selector kReceivers{0x21, 0xff, 0x63, 0x89};
constexpr Selector kGetChannelId{0x5e, 0x5e, 0x0b, 0x87};
constexpr Selector kBalanceOf{0x70, 0xa0, 0x82, 0x31};
constexpr Selector kAllowance{0xdd, 0x62, 0xed, 0x3e};

AbiTuple& add(AbiTuple& tuple, const channel::ChannelConfig& config) {
    return tuple.add(config.payer)
        .add(config.payer_authorizer)
        .add(config.receiver)
        .add(config.receiver_authorizer)
        .add(config.token)
        .add(config.withdraw_delay_seconds)
        .add(Word{config.salt.bytes});
}

/// ((config, maxClaimableAmount), signature, totalClaimed). The inner tuple is static, so its
/// members stand in the head of the outer one.
Bytes encode(const VoucherClaim& row) {
    AbiTuple tuple;
    return add(tuple, row.config)
        .add(row.max_claimable)
        .add_dynamic(encode_bytes(row.signature.view()))
        .add(row.total_claimed)
        .encode();
}

Bytes encode(std::span<const VoucherClaim> rows) {
    std::vector<Bytes> elements;
    elements.reserve(rows.size());
    for (const auto& row : rows) elements.push_back(encode(row));
    return encode_array(std::move(elements));
}

Bytes call_with_id(const Selector& selector, const channel::ChannelId& id) {
    return encode_call(selector, AbiTuple{}.add(Word{id.bytes}));
}

bool has_selector(BytesView data, const Selector& selector) {
    return data.size() >= selector.size() &&
           std::equal(selector.begin(), selector.end(), data.begin());
}

bool is_single_relayed_call(BytesView data) {
    const auto is = [&](const Selector& selector) { return has_selector(data, selector); };
    return is(kDeposit) || is(kClaimWithSignature) || is(kSettle) || is(kRefundWithSignature);
}

std::optional<std::vector<Bytes>> decode_multicall(BytesView arguments) {
    const auto elements = decode_bytes_array(arguments);
    if (!elements) return std::nullopt;
    std::vector<Bytes> calls;
    for (const auto element : *elements) calls.emplace_back(element.begin(), element.end());
    return calls;
}

std::optional<VoucherClaim> decode_row(BytesView row) {
    constexpr std::size_t kHeadWords = 10;
    constexpr std::size_t kHead = kHeadWords * Word::size;
    if (row.size() < kHead + Word::size) return std::nullopt;
    const auto words = decode_words(row.first(kHead), kHeadWords);
    if (!words) return std::nullopt;
    const auto payer = address_from_word((*words)[0]);
    const auto payer_authorizer = address_from_word((*words)[1]);
    const auto receiver = address_from_word((*words)[2]);
    const auto receiver_authorizer = address_from_word((*words)[3]);
    const auto token = address_from_word((*words)[4]);
    const auto delay = channel::uint64_from((*words)[5]);
    const auto max_claimable = channel::amount_from_word((*words)[7]);
    const auto total_claimed = channel::amount_from_word((*words)[9]);
    if (!payer || !payer_authorizer || !receiver || !receiver_authorizer || !token || !delay ||
        !max_claimable || !total_claimed)
        return std::nullopt;
    VoucherClaim claim{{*payer,
                        *payer_authorizer,
                        *receiver,
                        *receiver_authorizer,
                        *token,
                        *delay,
                        {(*words)[6].bytes}},
                       *max_claimable,
                       {},
                       *total_claimed};
    const auto length = size_at(row, kHead);
    const auto tail = row.subspan(kHead + Word::size);
    if (!length || *length > tail.size()) return std::nullopt;
    auto signature = channel::VoucherSignature::from_bytes(tail.first(*length));
    if (!signature) return std::nullopt;
    claim.signature = std::move(*signature);
    return claim;
}

/// The rows of `claim`, if that is how they are encoded.
std::optional<std::vector<VoucherClaim>> decode_claim(BytesView data) {
    if (!has_selector(data, kClaim)) return std::nullopt;
    const auto arguments = data.subspan(kClaim.size());
    const auto array_at = size_at(arguments, 0);
    const auto count = array_at ? size_at(arguments, *array_at) : std::nullopt;
    if (!count) return std::nullopt;
    const auto array = arguments.subspan(*array_at + Word::size);
    std::vector<VoucherClaim> rows;
    for (std::size_t n = 0; n < *count; ++n) {
        const auto at = size_at(array, n * Word::size);
        const auto row = at && *at <= array.size() ? decode_row(array.subspan(*at)) : std::nullopt;
        if (!row) return std::nullopt;
        rows.push_back(*row);
    }
    // Only in the one encoding: nothing can hide behind another reading of the same bytes.
    if (claim_call(rows) != Bytes(data.begin(), data.end())) return std::nullopt;
    return rows;
}

struct TwoAmounts {
    channel::Amount first;
    channel::Amount second;
};

channel::Result<TwoAmounts> decode_two_amounts(BytesView answer) {
    const auto words = decode_words(answer, 2);
    if (!words) return words.error();
    const auto first = channel::amount_from_word((*words)[0]);
    const auto second = channel::amount_from_word((*words)[1]);
    if (!first || !second) return channel::Error::rpc_read_failed;
    return TwoAmounts{*first, *second};
}

}  // namespace

Bytes deposit_call(const channel::ChannelConfig& config, channel::Amount amount,
                   const channel::Address& collector, BytesView collector_data) {
    AbiTuple arguments;
    add(arguments, config).add(amount).add(collector).add_dynamic(encode_bytes(collector_data));
    return encode_call(kDeposit, arguments);
}

Bytes claim_call(std::span<const VoucherClaim> rows) {
    return encode_call(kClaim, AbiTuple{}.add_dynamic(encode(rows)));
}

Bytes claim_with_signature_call(std::span<const VoucherClaim> rows,
                                const channel::VoucherSignature& authorizer_signature) {
    return encode_call(kClaimWithSignature,
                       AbiTuple{}
                           .add_dynamic(encode(rows))
                           .add_dynamic(encode_bytes(authorizer_signature.view())));
}

Bytes settle_call(const channel::Address& receiver, const channel::Address& token) {
    return encode_call(kSettle, AbiTuple{}.add(receiver).add(token));
}

Bytes refund_with_signature_call(const channel::ChannelConfig& config, channel::Amount amount,
                                 const Word& nonce,
                                 const channel::VoucherSignature& authorizer_signature) {
    AbiTuple arguments;
    add(arguments, config)
        .add(amount)
        .add(nonce)
        .add_dynamic(encode_bytes(authorizer_signature.view()));
    return encode_call(kRefundWithSignature, arguments);
}

Bytes initiate_withdraw_call(const channel::ChannelConfig& config, channel::Amount amount) {
    AbiTuple arguments;
    add(arguments, config).add(amount);
    return encode_call(kInitiateWithdraw, arguments);
}

Bytes finalize_withdraw_call(const channel::ChannelConfig& config) {
    AbiTuple arguments;
    add(arguments, config);
    return encode_call(kFinalizeWithdraw, arguments);
}

Bytes multicall_call(std::vector<Bytes> calls) {
    std::vector<Bytes> elements;
    elements.reserve(calls.size());
    for (const auto& call : calls) elements.push_back(encode_bytes(call));
    return encode_call(kMulticall, AbiTuple{}.add_dynamic(encode_array(std::move(elements))));
}

bool is_relayed_call(BytesView data) {
    if (!has_selector(data, kMulticall)) return is_single_relayed_call(data);
    const auto calls = decode_multicall(data.subspan(kMulticall.size()));
    // Only in the one encoding: nothing can hide behind another reading of the same bytes.
    return calls && !calls->empty() && multicall_call(*calls) == Bytes(data.begin(), data.end()) &&
           std::all_of(calls->begin(), calls->end(),
                       [](const Bytes& call) { return is_single_relayed_call(call); });
}

std::optional<std::vector<VoucherClaim>> direct_claim_rows(BytesView data) {
    if (!has_selector(data, kMulticall)) return decode_claim(data);
    const auto calls = decode_multicall(data.subspan(kMulticall.size()));
    if (!calls || calls->empty() || multicall_call(*calls) != Bytes(data.begin(), data.end()))
        return std::nullopt;
    const bool others_are_relayed =
        std::all_of(calls->begin() + 1, calls->end(),
                    [](const Bytes& call) { return is_single_relayed_call(call); });
    return others_are_relayed ? decode_claim(calls->front()) : std::nullopt;
}

Bytes channels_call(const channel::ChannelId& id) {
    return call_with_id(kChannels, id);
}

Bytes many_channels_call(std::span<const channel::ChannelId> ids) {
    std::vector<Bytes> calls;
    calls.reserve(ids.size());
    for (const auto& id : ids) calls.push_back(channels_call(id));
    return multicall_call(std::move(calls));
}

Bytes pending_withdrawals_call(const channel::ChannelId& id) {
    return call_with_id(kPendingWithdrawals, id);
}

Bytes refund_nonce_call(const channel::ChannelId& id) {
    return call_with_id(kRefundNonce, id);
}

Bytes receivers_call(const channel::Address& receiver, const channel::Address& token) {
    return encode_call(kReceivers, AbiTuple{}.add(receiver).add(token));
}

Bytes channel_id_call(const channel::ChannelConfig& config) {
    AbiTuple arguments;
    add(arguments, config);
    return encode_call(kGetChannelId, arguments);
}

Bytes erc3009_collector_data(const Word& valid_after, const Word& valid_before, const Word& salt,
                             BytesView signature) {
    return AbiTuple{}
        .add(valid_after)
        .add(valid_before)
        .add(salt)
        .add_dynamic(encode_bytes(signature))
        .encode();
}

Bytes permit2_collector_data(const Word& nonce, const Word& deadline, BytesView signature) {
    return AbiTuple{}
        .add(nonce)
        .add(deadline)
        .add_dynamic(encode_bytes(signature))
        .add_dynamic(encode_bytes({}))
        .encode();
}

Bytes balance_of_call(const channel::Address& holder) {
    return encode_call(kBalanceOf, AbiTuple{}.add(holder));
}

Bytes allowance_call(const channel::Address& holder, const channel::Address& spender) {
    return encode_call(kAllowance, AbiTuple{}.add(holder).add(spender));
}

channel::Result<ChannelTotals> decode_channels(BytesView answer) {
    const auto amounts = decode_two_amounts(answer);
    if (!amounts) return amounts.error();
    return ChannelTotals{amounts->first, amounts->second};
}

/// bytes[] of elements of two words each: offset, count, an offset for each, then length and words.
channel::Result<std::vector<ChannelTotals>> decode_many_channels(BytesView answer,
                                                                 std::size_t count) {
    constexpr std::size_t kElementWords = 3;
    const auto words = decode_words(answer, 2 + count * (1 + kElementWords));
    if (!words) return words.error();
    const auto is = [&](std::size_t at, std::uint64_t value) {
        return (*words)[at] == channel::word_from(value);
    };
    bool sound = is(0, Word::size) && is(1, count);
    std::vector<ChannelTotals> totals;
    for (std::size_t n = 0; n < count && sound; ++n) {
        const auto element = count + n * kElementWords;
        sound = is(2 + n, element * Word::size) && is(2 + element, 2 * Word::size);
        const auto balance = channel::amount_from_word((*words)[2 + element + 1]);
        const auto claimed = channel::amount_from_word((*words)[2 + element + 2]);
        sound = sound && balance && claimed;
        if (sound) totals.push_back({*balance, *claimed});
    }
    if (!sound) return channel::Error::rpc_read_failed;
    return totals;
}

channel::Result<PendingWithdrawal> decode_pending_withdrawals(BytesView answer) {
    const auto words = decode_words(answer, 2);
    if (!words) return words.error();
    const auto amount = channel::amount_from_word((*words)[0]);
    const auto initiated_at = channel::uint64_from((*words)[1]);
    if (!amount || !initiated_at) return channel::Error::rpc_read_failed;
    return PendingWithdrawal{*amount, *initiated_at};
}

channel::Result<std::uint64_t> decode_refund_nonce(BytesView answer) {
    const auto word = decode_word(answer);
    if (!word) return word.error();
    const auto nonce = channel::uint64_from(*word);
    if (!nonce) return channel::Error::rpc_read_failed;
    return *nonce;
}

channel::Result<ReceiverTotals> decode_receivers(BytesView answer) {
    const auto amounts = decode_two_amounts(answer);
    if (!amounts) return amounts.error();
    return ReceiverTotals{amounts->first, amounts->second};
}

channel::Result<Word> decode_word(BytesView answer) {
    const auto words = decode_words(answer, 1);
    if (!words) return words.error();
    return words->front();
}

}  // namespace millrace::ledger::chain
