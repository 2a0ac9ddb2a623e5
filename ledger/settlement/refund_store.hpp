#pragma once

#include "channel/amount.hpp"
#include "channel/bytes.hpp"
#include "channel/network.hpp"
#include "channel/refund.hpp"
#include "ledger/settlement/outbox.hpp"
#include "ledger/time.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <pqxx/pqxx>

namespace millrace::ledger {

/// Which refund: the channel counts those begun, from 1.
struct RefundKey {
    channel::ChannelId channel;
    std::uint64_t number = 0;
};

/// Names the transaction of a refund in the outbox.
std::string refund_reference(const RefundKey& key);

/// A refund that a shard has begun and that is to be sent.
struct NewRefund {
    RefundKey key;
    channel::Amount amount;
    /// The nonce in `asked` is the one that is signed.
    channel::AskRefund asked;
    OutboxDraft draft;
};

/// A refund's row is written once: by whoever sends it, or by whoever gives it up. So a refund is
/// never sent after its money was given back, and money is never given back of one that was sent.

/// Writes down that the refund is sent, with its transaction (of `sign_drafts`). Empty when it was
/// given up before; throws pqxx::unique_violation as `enqueue` does.
std::vector<OutboxEntry> record_refund(pqxx::transaction_base& transaction, const NewRefund& refund,
                                       std::vector<OutboxEntry> transactions, Time now);

/// Writes down that the refund is never sent. False when it was.
bool give_up_refund(pqxx::transaction_base& transaction, const RefundKey& key,
                    channel::Amount amount, std::uint64_t refund_nonce, const std::string& error,
                    Time now);

/// A refund that was sent.
struct SentRefund {
    channel::Amount amount;
    std::optional<channel::Amount> asked;
    channel::Amount voucher_max;
    channel::TransactionHash transaction;
};
std::optional<SentRefund> find_refund(pqxx::transaction_base& transaction, const RefundKey& key);

/// A channel where money is held back although no refund is on its way: the last one was never
/// written down, given up, failed, or carried out without moving anything.
struct StrandedRefund {
    /// The last one that was begun.
    RefundKey key;
    /// What is held.
    channel::Amount amount;
    std::uint64_t refund_nonce = 0;
    bool is_written_down = false;
    /// Of those that were ever sent, the one with the highest nonce: while the contract's is not
    /// past that, anybody can carry it out.
    struct Signed {
        RefundKey key;
        channel::Amount amount;
        std::uint64_t nonce = 0;
        /// How many of its transactions were reverted on chain, and when the last one was found so.
        unsigned reverted = 0;
        Time last_reverted_at;
    };
    std::optional<Signed> last_signed;
};

/// When another transaction of it may be paid for: at once after the first that was reverted, then
/// after a minute, doubled each time, at most six hours.
Time next_attempt(const StrandedRefund::Signed& refund);

std::vector<StrandedRefund> stranded_refunds(pqxx::transaction_base& transaction,
                                             channel::Network network);

}  // namespace millrace::ledger
