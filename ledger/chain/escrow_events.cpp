#include "ledger/chain/escrow_events.hpp"

#include "channel/error.hpp"
#include "channel/keccak.hpp"
#include "channel/uint256.hpp"
#include "ledger/chain/abi.hpp"

#include <string_view>

namespace millrace::ledger::chain {
namespace {

using channel::Error;
using channel::Result;
using channel::Word;
using Words = std::vector<Word>;

constexpr std::size_t kConfigWords = 7;

Word topic(std::string_view signature) {
    return {channel::keccak256(signature).bytes};
}

/// The words of a log's data, if it has as many topics and words as its event.
Result<Words> data_of(const Log& log, std::size_t topic_count, std::size_t word_count) {
    if (log.topics.size() != topic_count) return Error::rpc_read_failed;
    return decode_words(log.data, word_count);
}

channel::ChannelId channel_of(const Log& log) {
    return {log.topics[1].bytes};
}

Result<channel::ChannelConfig> config_of(const Words& words) {
    channel::ChannelConfig config;
    channel::Address* const addresses[] = {&config.payer, &config.payer_authorizer,
                                           &config.receiver, &config.receiver_authorizer,
                                           &config.token};
    std::size_t at = 0;
    for (auto* const address : addresses) {
        const auto decoded = address_from_word(words[at++]);
        if (!decoded) return decoded.error();
        *address = *decoded;
    }
    const auto delay = channel::uint64_from(words[at++]);
    if (!delay) return Error::rpc_read_failed;
    config.withdraw_delay_seconds = *delay;
    config.salt = {words[at].bytes};
    return config;
}

template <class Event>
Result<EscrowEvent> decode_with_config(const Log& log) {
    const auto words = data_of(log, 2, kConfigWords);
    if (!words) return words.error();
    const auto config = config_of(*words);
    if (!config) return config.error();
    return EscrowEvent{Event{channel_of(log), *config}};
}

/// (channelId indexed, sender indexed, amount, total).
template <class Event>
Result<EscrowEvent> decode_two_amounts(const Log& log) {
    const auto words = data_of(log, 3, 2);
    if (!words) return words.error();
    const auto sender = address_from_word(log.topics[2]);
    const auto amount = channel::amount_from_word((*words)[0]);
    const auto total = channel::amount_from_word((*words)[1]);
    if (!sender || !amount || !total) return Error::rpc_read_failed;
    return EscrowEvent{Event{channel_of(log), *sender, *amount, *total}};
}

/// (channelId indexed, sender indexed, amount).
template <class Event>
Result<EscrowEvent> decode_one_amount(const Log& log) {
    const auto words = data_of(log, 3, 1);
    if (!words) return words.error();
    const auto sender = address_from_word(log.topics[2]);
    const auto amount = channel::amount_from_word((*words)[0]);
    if (!sender || !amount) return Error::rpc_read_failed;
    return EscrowEvent{Event{channel_of(log), *sender, *amount}};
}

Result<EscrowEvent> decode_settled(const Log& log) {
    const auto words = data_of(log, 4, 1);
    if (!words) return words.error();
    const auto receiver = address_from_word(log.topics[1]);
    const auto token = address_from_word(log.topics[2]);
    const auto sender = address_from_word(log.topics[3]);
    const auto amount = channel::amount_from_word((*words)[0]);
    if (!receiver || !token || !sender || !amount) return Error::rpc_read_failed;
    return EscrowEvent{SettledOnChain{*receiver, *token, *sender, *amount}};
}

Result<EscrowEvent> decode_withdraw_initiated(const Log& log) {
    const auto words = data_of(log, 2, 2);
    if (!words) return words.error();
    const auto amount = channel::amount_from_word((*words)[0]);
    const auto finalize_after = channel::uint64_from((*words)[1]);
    if (!amount || !finalize_after) return Error::rpc_read_failed;
    return EscrowEvent{WithdrawInitiated{channel_of(log), *amount, *finalize_after}};
}

}  // namespace

const Topics& topics() {
    static const Topics known{
        .channel_created = topic(
            "ChannelCreated(bytes32,(address,address,address,address,address,uint40,bytes32))"),
        .channel_closed = topic(
            "ChannelClosed(bytes32,(address,address,address,address,address,uint40,bytes32))"),
        .deposited = topic("Deposited(bytes32,address,uint128,uint128)"),
        .claimed = topic("Claimed(bytes32,address,uint128,uint128)"),
        .settled = topic("Settled(address,address,address,uint128)"),
        .refunded = topic("Refunded(bytes32,address,uint128)"),
        .withdraw_initiated = topic("WithdrawInitiated(bytes32,uint128,uint40)"),
        .withdraw_finalized = topic("WithdrawFinalized(bytes32,address,uint128)"),
    };
    return known;
}

Result<std::optional<EscrowEvent>> decode(const Log& log) {
    using Decoder = Result<EscrowEvent> (*)(const Log&);
    static const std::pair<const Word*, Decoder> decoders[] = {
        {&topics().channel_created, decode_with_config<ChannelCreated>},
        {&topics().channel_closed, decode_with_config<ChannelClosed>},
        {&topics().deposited, decode_two_amounts<Deposited>},
        {&topics().claimed, decode_two_amounts<Claimed>},
        {&topics().settled, decode_settled},
        {&topics().refunded, decode_one_amount<Refunded>},
        {&topics().withdraw_initiated, decode_withdraw_initiated},
        {&topics().withdraw_finalized, decode_one_amount<WithdrawFinalized>},
    };
    if (log.topics.empty()) return std::optional<EscrowEvent>{};
    for (const auto& [known, decoder] : decoders) {
        if (log.topics.front() != *known) continue;
        auto event = decoder(log);
        if (!event) return event.error();
        return std::optional<EscrowEvent>{std::move(*event)};
    }
    return std::optional<EscrowEvent>{};
}

}  // namespace millrace::ledger::chain
