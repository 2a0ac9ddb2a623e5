#pragma once

#include "channel/amount.hpp"
#include "channel/bytes.hpp"
#include "channel/config.hpp"
#include "channel/result.hpp"

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

namespace millrace::ledger::chain {

/// A log as a node gives it.
struct Log {
    channel::Address address;
    std::vector<channel::Word> topics;
    channel::Bytes data;
    std::uint64_t block_number = 0;
    channel::BlockHash block_hash;
    channel::TransactionHash transaction;
    std::uint32_t log_index = 0;

    friend bool operator==(const Log&, const Log&) = default;
};

/// The events of the escrow contract (x402-batch-settlement, Contract behaviour).
struct ChannelCreated {
    channel::ChannelId channel;
    channel::ChannelConfig config;
};
struct ChannelClosed {
    channel::ChannelId channel;
    channel::ChannelConfig config;
};
struct Deposited {
    channel::ChannelId channel;
    channel::Address sender;
    channel::Amount amount;
    channel::Amount new_balance;
};
struct Claimed {
    channel::ChannelId channel;
    channel::Address sender;
    channel::Amount amount;
    channel::Amount new_total_claimed;
};
struct SettledOnChain {
    channel::Address receiver;
    channel::Address token;
    channel::Address sender;
    channel::Amount amount;
};
struct Refunded {
    channel::ChannelId channel;
    channel::Address sender;
    channel::Amount amount;
};
struct WithdrawInitiated {
    channel::ChannelId channel;
    channel::Amount amount;
    /// Unix seconds.
    std::uint64_t finalize_after = 0;
};
struct WithdrawFinalized {
    channel::ChannelId channel;
    channel::Address sender;
    channel::Amount amount;
};

using EscrowEvent = std::variant<ChannelCreated, ChannelClosed, Deposited, Claimed, SettledOnChain,
                                 Refunded, WithdrawInitiated, WithdrawFinalized>;

/// The event a log of the escrow contract stands for; nullopt for a topic that is none of these.
/// `rpc_read_failed` when a log with a known topic is not as the ABI has it. The emitter's address
/// is not looked at.
channel::Result<std::optional<EscrowEvent>> decode(const Log& log);

/// keccak256 of the events' signatures: topic 0 of their logs.
struct Topics {
    channel::Word channel_created;
    channel::Word channel_closed;
    channel::Word deposited;
    channel::Word claimed;
    channel::Word settled;
    channel::Word refunded;
    channel::Word withdraw_initiated;
    channel::Word withdraw_finalized;
};
const Topics& topics();

}  // namespace millrace::ledger::chain
