#pragma once

#include "channel/amount.hpp"
#include "channel/bytes.hpp"
#include "channel/network.hpp"
#include "ledger/chain/fees.hpp"
#include "ledger/chain/signer.hpp"
#include "ledger/time.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <pqxx/pqxx>

namespace millrace::ledger {

/// What a transaction is for: relaying a deposit, claiming and sweeping, giving a payer its unspent
/// money back, doing any but the first of these for others who ask a facilitator to, or using up a
/// nonce that nothing else will use, so that those behind it can be mined.
enum class Purpose { deposit, claim, refund, filler, facilitated };
std::string_view to_string(Purpose purpose);

enum class OutboxStatus { queued, sent, confirmed, failed };
std::string_view to_string(OutboxStatus status);

/// A transaction that is still to be given its nonce.
struct OutboxDraft {
    Purpose purpose = Purpose::deposit;
    /// Deposits: `deposit_reference`; claims: the claim's id; refunds: `refund_reference`; for
    /// others: `facilitated_reference`.
    std::string reference;
    channel::Address to;
    channel::Bytes data;
    std::uint64_t gas_limit = 0;
    chain::Fees fees;
};

/// A transaction that is written down, whatever becomes of it on the way to the chain.
struct OutboxEntry {
    std::int64_t id = 0;
    channel::Network network;
    channel::Address signer;
    std::uint64_t nonce = 0;
    Purpose purpose = Purpose::deposit;
    std::string reference;
    channel::Address to;
    channel::Bytes data;
    std::uint64_t gas_limit = 0;
    chain::Fees fees;
    channel::Bytes raw;
    channel::TransactionHash hash;
    OutboxStatus status = OutboxStatus::queued;

    /// It only uses up its nonce, although it was to be something else: see `fill_nonce`.
    bool is_filled() const { return purpose != Purpose::filler && data.empty(); }
    /// It was written down for another call than this.
    bool is_for_another(const channel::Bytes& call) const { return !is_filled() && data != call; }
};

/// Who signs on which network. `nonce_min` is what the chain said: nonces below are used up.
struct Sender {
    channel::Network network;
    chain::Signer& signer;
    std::uint64_t nonce_min = 0;
};

/// Gives each draft the next nonce of the sender and has it signed; writes nothing. Waits for the
/// signer, so that nothing else may wait for `transaction`, and throws as `chain::Signer` does.
std::vector<OutboxEntry> sign_drafts(pqxx::transaction_base& transaction, const Sender& sender,
                                     const std::vector<OutboxDraft>& drafts);

/// Writes signed transactions down, inside the caller's transaction. To be broadcast only after
/// that has committed. A concurrent writer makes one of the two fail with pqxx::unique_violation:
/// nothing was written then, and it may be repeated from `sign_drafts` on.
std::vector<OutboxEntry> enqueue(pqxx::transaction_base& transaction,
                                 std::vector<OutboxEntry> entries, Time now);
/// Both in one, for a transaction that has written nothing yet.
std::vector<OutboxEntry> enqueue(pqxx::transaction_base& transaction, const Sender& sender,
                                 const std::vector<OutboxDraft>& drafts, Time now);

/// The newest transaction of that purpose and reference.
std::optional<OutboxEntry> find_outbox(pqxx::transaction_base& transaction, Purpose purpose,
                                       const std::string& reference);

/// There is one, and it was not in vain, as far as is known.
bool stands(const std::optional<OutboxEntry>& entry);

/// Neither confirmed nor failed, in the order of nonces.
std::vector<OutboxEntry> unfinished_outbox(pqxx::transaction_base& transaction,
                                           channel::Network network);

/// The node has taken it. Repeating it changes nothing.
void mark_sent(pqxx::transaction_base& transaction, std::int64_t outbox_id, Time now);

/// The first nonce from `unused` (the next that the chain takes) up to `before` that is in no
/// transaction of the signer here: whoever had it, it is not ours, and what is behind it waits.
/// One that ended because another took its nonce counts as none: that other is gone as well.
std::optional<std::uint64_t> missing_nonce(pqxx::transaction_base& transaction,
                                           channel::Network network, const channel::Address& signer,
                                           std::uint64_t unused, std::uint64_t before);

/// Writes down a transfer of nothing from the sender to itself with that nonce, which must be
/// missing. Where one with that nonce had ended, it takes that one's place under its purpose and
/// reference, with no lower fees. As `enqueue`.
OutboxEntry fill_nonce(pqxx::transaction_base& transaction, const Sender& sender,
                       std::uint64_t nonce, const chain::Fees& fees, Time now);

/// The same transaction with higher fees takes the place of the one in the outbox, which is kept as
/// a former attempt. Gives what is to be broadcast now. Signed before anything is written; throws
/// as `chain::Signer` does, and std::runtime_error, when nothing may be committed, unless both fees
/// rise and `entry` is what is in the outbox, unfinished.
OutboxEntry raise_fees(pqxx::transaction_base& transaction, const OutboxEntry& entry,
                       chain::Signer& signer, const chain::Fees& fees, Time now);

/// Hashes under which the transaction was broadcast before its fees were raised.
std::vector<channel::TransactionHash> former_hashes(pqxx::transaction_base& transaction,
                                                    std::int64_t outbox_id);

/// What became of a transaction in the end.
struct OutboxResult {
    /// Of the attempt that was mined.
    channel::TransactionHash hash;
    bool succeeded = false;
    std::uint64_t block_number = 0;
    std::uint64_t gas_used = 0;
    channel::Amount fee;
    /// Why it failed; empty otherwise.
    std::string error;
};
void finish_outbox(pqxx::transaction_base& transaction, std::int64_t outbox_id,
                   const OutboxResult& result, Time now);

}  // namespace millrace::ledger
