#pragma once

#include "channel/secp256k1.hpp"
#include "ledger/asset.hpp"
#include "ledger/batch.hpp"
#include "ledger/batch_stage.hpp"
#include "ledger/payment_history.hpp"
#include "ledger/posted_event.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <variant>
#include <vector>

namespace millrace::ledger {

/// A channel in the memory of its shard.
struct LiveChannel {
    std::shared_ptr<const ChannelTerms> terms;
    const Asset* asset = nullptr;
    channel::State state;
    /// Known since the first voucher that was checked.
    std::optional<channel::PublicKey> signer;
    /// Its opening is committed: the row alone may have been left by a crash before its batch.
    bool opened = false;
    /// It may have payments that this process has not seen.
    bool was_there_before = false;
    /// How many of the signer's vouchers there were since it is known; stops at its most.
    std::uint32_t signatures = 0;
};

using LiveChannels = std::unordered_map<channel::ChannelId, LiveChannel>;

/// True if the voucher was signed for this channel by the key of its voucher signer, v included:
/// what is stored as evidence must pass the contract's `ecrecover` as well. Not for channels whose
/// voucher signer is a contract.
bool check_signature(LiveChannel& channel, const channel::SignedVoucher& voucher);

/// What a request asks, hashed: kind, inference id, amount, finality and detail, but not the
/// voucher, so that a repeat may come with a newer one.
ContentHash content_hash(const PaymentRequest& request);

/// One request of a batch, and what became of it.
struct BatchItem {
    const Request* request = nullptr;
    ContentHash content;
    /// The inference may have been seen before: look at the history.
    bool suspect = false;
    /// All steps of the inference are known, and this is none of them.
    bool is_known_new = false;
    /// Its voucher was found to be signed as `check_signature` says, ahead of the decision.
    bool is_signed = false;

    struct Accepted {
        PaymentKind kind;
        std::int32_t step = 0;
        PaymentResult result;
        channel::Amount increment;
        const channel::SignedVoucher* voucher = nullptr;
        /// The voucher's signature passes `ecrecover`, or its contract's verdict: it is stored.
        bool proven = false;
        /// Else the payment whose voucher is proven and stands for this one.
        const BatchItem* covered_by = nullptr;
    };
    struct Repeated {
        RecordedStep step;
        /// Set when the first request is in this very batch.
        const BatchItem* first = nullptr;
    };
    struct Changed {
        std::string name;
        channel::Amount amount;
        channel::ChainEffect effect;
        channel::State state;
        /// Of the withdrawal that was requested, or was pending before; Unix seconds.
        std::uint64_t requested_at = 0;
        /// Of the withdrawal that was pending before.
        channel::Amount withdraw_amount{};
    };
    /// A log that was posted before, an opening of a channel that is known, something that is
    /// undone already, or no end of a doubt.
    struct Nothing {};

    std::variant<std::monostate, channel::Refusal, Accepted, Repeated, Changed, Nothing> outcome;
    Ordinal ordinal = 0;
    /// Of a log to be posted.
    Standing standing{};
    /// Of what is to be undone; null when there is nothing to undo.
    std::shared_ptr<const PostedEvent> undoes{};
};

/// The signature checks of a shard.
struct Checks {
    std::uint64_t count = 0;
    /// Told before a check while requests are decided, `verify`, and after it, `decide`; if there
    /// is anybody.
    std::function<void(BatchStage)> entered{};
};

/// Decides the requests of one channel in their order, against and into its state. Where a contract
/// signs, each voucher is judged by itself: by the verdict that came with the request. What the
/// receiver hands in (payment.accept) is judged at once by its own signature, because the payer did
/// not ask for it itself. True if all other vouchers were taken for signed, and `check_channel` has
/// to follow.
bool decide_channel(LiveChannel& channel, const std::vector<BatchItem*>& items,
                    const PaymentHistory& history, const channel::Limits& limits, Checks& checks);

/// Checks the signatures of what was decided, newest first: a valid voucher covers those below it
/// that came before it, back to the last event of the channel, which tells the highest voucher's
/// signature to all. When any signature is bad, all is decided again from the state `before`, and
/// every voucher of the group judged by its own signature instead, so that a bad one harms no other
/// (stream-protocol, Voucher rule). With `Checking::each` the covered ones are checked as well,
/// save for v; since v is not proven, their evidence is still the covering one. Whatever is stored
/// as a signature passes `ecrecover`. Does not check again what `is_signed` already.
enum class Checking { newest_first, each };
void check_channel(LiveChannel& channel, const channel::State& before,
                   const std::vector<BatchItem*>& items, const PaymentHistory& history,
                   const channel::Limits& limits, Checking checking, Checks& checks);

/// The vouchers whose signatures will be asked for, as far as can be told before it.
std::vector<BatchItem*> likely_checks(const LiveChannel& channel,
                                      const std::vector<BatchItem*>& items, Checking checking);
/// That a payment request came with; null for others.
const channel::SignedVoucher* voucher_of(const BatchItem& item);
/// What the payer signs: the voucher of this channel.
channel::Digest digest_of(const LiveChannel& channel, const channel::SignedVoucher& voucher);

/// Adds the rows of what was accepted and numbered: payments, the channel, its reservations against
/// those `before`, and one transfer for all that was charged between two events of the chain.
void add_rows(Batch& batch, const LiveChannel& channel, const channel::State& before,
              const std::vector<BatchItem*>& items);

}  // namespace millrace::ledger
