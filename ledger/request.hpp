#pragma once

#include "channel/accept.hpp"
#include "channel/config.hpp"
#include "channel/refund.hpp"
#include "channel/state.hpp"
#include "channel/step.hpp"
#include "ledger/time.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>

namespace millrace::ledger {

/// Where an answer goes; the ledger hands it back unread. `gateway` is the index of the I/O thread.
struct ReplyTo {
    std::uint32_t gateway = 0;
    std::uint64_t connection = 0;
    std::uint64_t request = 0;
};

/// What of a channel never changes.
struct ChannelTerms {
    channel::ChannelId id;
    std::int32_t asset_id = 0;
    channel::ChannelConfig config;
    /// Free text of the payer's, empty when it gave none.
    std::string app;
    channel::VoucherSigner voucher_signer = channel::VoucherSigner::key;
    /// In which it was first put under care, as its row says; set by whoever writes that row.
    Day month{};
};

/// Whose side of a channel an address is on (stream-protocol, "A party sees only its own
/// channels").
bool is_payer_side(const channel::ChannelConfig& config, const channel::Address& address);
bool is_provider_side(const channel::ChannelConfig& config, const channel::Address& address);
/// The payer's side, and the receiver, to whom the payer may have given its voucher for that.
bool may_ask_for_refund(const channel::ChannelConfig& config, const channel::Address& address);

using PaymentCommand = std::variant<channel::Pay, channel::Authorize, channel::Accept,
                                    channel::Charge, channel::Release>;
/// What a payment was recorded as; an accept is an authorization whose voucher the receiver
/// brought.
enum class PaymentKind { pay, authorize, charge, release };
std::string_view to_string(PaymentKind kind);

/// Whether a voucher that a contract has to judge (ERC-1271) was put to it, which a shard, busy
/// with others, never does. Means nothing for a voucher that a key signs.
enum class ContractVerdict { none, valid };

/// One payment.* call of the stream.
struct PaymentRequest {
    ReplyTo reply_to;
    channel::Address caller;
    channel::ChannelId channel;
    PaymentCommand command;
    /// The rest of the request as given, compact JSON: model, app, units, requestHash; usage,
    /// receipt, reason. Its size has been limited by the caller.
    std::string detail;
    ContractVerdict verdict = ContractVerdict::none;
    /// What a new inference is refused with; one that is there already gets its answer.
    std::optional<channel::Refusal> refusal{};
    /// Its voucher was found to be signed by the channel's key while it waited
    /// (`Shard::check_ahead`).
    bool is_signed = false;
};

/// A block of one branch of a chain.
struct BlockId {
    std::uint64_t number = 0;
    channel::BlockHash hash;
};

/// Puts a channel under this shard's care. `snapshot` is the contract's state at `block`, up to
/// which the network's events have been read; its balance is booked as a deposit. A channel that is
/// known already is left as it is and answered with its state.
struct OpenChannel {
    ReplyTo reply_to;
    ChannelTerms terms;
    channel::State snapshot;
    BlockId block{};
};

/// Begins a refund that a payer asked for, itself or by a voucher that the receiver hands in.
/// Answered with the state after it, in which the last refund begun is this one.
struct BeginRefund {
    ReplyTo reply_to;
    channel::Address caller;
    channel::ChannelId channel;
    channel::AskRefund asked;
    ContractVerdict verdict = ContractVerdict::none;
};

/// Gives back what the refund of that number was to take, because it will never be carried out.
/// Nothing happens when it is no longer on its way.
struct AbandonRefund {
    ReplyTo reply_to;
    channel::ChannelId channel;
    channel::RefundAbandoned abandoned;
};

/// A log of the contract at its confirmations. A log that was posted before (same network,
/// transaction, log index and block) and is not undone is answered without effect. While events of
/// its transaction are posted as of another block, and not undone, it is refused as
/// `idempotency_conflict`: a transaction is in one block only.
struct ChainLog {
    channel::TransactionHash transaction;
    std::uint32_t log_index = 0;
    std::uint64_t block_number = 0;
    channel::BlockHash block_hash;
};

/// The receiver's claimed total left the escrow for its own address.
struct Settled {
    channel::Address receiver;
    channel::Amount amount;
};
/// A transaction of this service cost `amount` of the network's coin.
struct FeePaid {
    channel::Amount amount;
};

using ChannelChainEvent =
    std::variant<channel::DepositConfirmed, channel::ClaimConfirmed, channel::WithdrawalRequested,
                 channel::WithdrawalFinalized, channel::RefundConfirmed>;

/// Posts one event of the chain to a channel of this shard, which must know it.
struct PostChannelEvent {
    ReplyTo reply_to;
    channel::ChannelId channel;
    ChainLog log;
    ChannelChainEvent event;
};

/// Posts an event that belongs to no channel. Goes to shard 0.
struct PostAssetEvent {
    ReplyTo reply_to;
    std::int32_t asset_id = 0;
    ChainLog log;
    std::variant<Settled, FeePaid> event;
};

/// Undoes what was posted under `event_seq`, because the chain no longer has it. Later events of
/// the channel are to be undone before. Undone already, or never posted: answered without effect.
struct UndoChannelEvent {
    ReplyTo reply_to;
    channel::ChannelId channel;
    std::uint64_t event_seq = 0;
};
/// The same for an event that belongs to no channel. Goes to shard 0.
struct UndoAssetEvent {
    ReplyTo reply_to;
    std::int32_t asset_id = 0;
    std::uint64_t event_seq = 0;
};

/// Undoes the opening of a channel under `event_seq` and opens it again with the contract's state
/// at another block, at once.
struct ReplaceSnapshot {
    ReplyTo reply_to;
    channel::ChannelId channel;
    std::uint64_t event_seq = 0;
    channel::State snapshot;
    BlockId block;
};

/// Ends a channel's doubt if `contract`, read at the block up to which events have been posted,
/// agrees with its state.
struct ReconcileChannel {
    ReplyTo reply_to;
    channel::ChannelId channel;
    channel::State contract;
};

using Request =
    std::variant<PaymentRequest, OpenChannel, PostChannelEvent, PostAssetEvent, UndoChannelEvent,
                 UndoAssetEvent, ReplaceSnapshot, ReconcileChannel, BeginRefund, AbandonRefund>;

/// The channel that a request is about, if it is about one.
const channel::ChannelId* channel_of(const Request& request);

const channel::InferenceId& inference_of(const PaymentRequest& request);
/// Whether its inference is to be new to the channel: all but charges and releases.
bool opens_inference(const PaymentRequest& request);

/// stream-protocol, Payment result.
struct PaymentResult {
    std::uint64_t seq = 0;
    channel::ChannelId channel;
    channel::InferenceId inference;
    channel::Amount amount;
    channel::Amount charged;
    channel::Amount reserved;
    channel::Amount signed_max;
    channel::Amount balance;
};

/// A payment that is committed. `repeated`: it was before this request, and is answered again.
struct PaymentCommitted {
    PaymentKind kind;
    bool repeated = false;
    PaymentResult result;
    std::string detail;
};

/// A channel's state after it was opened or an event of the chain was posted. `name` is that of
/// the event in topic `channel`: opened, topped_up, closing, closed, refunding, refund_failed,
/// refunded, claimed; reversed or reopened when the chain took something back, reconciled when the
/// contract agrees again; empty when nothing changed. `seq` is 0 then.
struct ChannelChanged {
    std::string name;
    std::uint64_t seq = 0;
    channel::State state;
    channel::Amount amount;
    /// The event's data as stored and delivered: a JSON object, see `channel_event_data`.
    std::string data;
};

struct AssetEventPosted {
    std::uint64_t seq = 0;
};

using Outcome = std::variant<PaymentCommitted, ChannelChanged, AssetEventPosted, channel::Refusal>;

/// What became of a request, sent only when it is durable. `terms` is null when the channel is
/// unknown or there is none.
struct Answer {
    ReplyTo reply_to;
    std::shared_ptr<const ChannelTerms> terms;
    Outcome outcome;
};

}  // namespace millrace::ledger
