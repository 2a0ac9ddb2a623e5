#pragma once

#include "api/chain/chain_context.hpp"
#include "api/chain/outbox_sender.hpp"
#include "api/x402/answers.hpp"
#include "api/x402/signing_share.hpp"
#include "ledger/settlement/facilitated.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace millrace::api::x402 {

/// Sends transactions of one network for others, through the outbox: each is written down with what
/// was asked before it is broadcast, and the same asked again is the same transaction, until that
/// has failed. Used on the chain thread.
class Relay {
public:
    Relay(ChainContext& context, ChainNetwork& network, OutboxSender& sender, SigningShare& share);

    /// Under which an outbox row is found again.
    struct Name {
        ledger::Purpose purpose = ledger::Purpose::facilitated;
        std::string reference;
    };
    /// The newest transaction of that name.
    Task<std::optional<ledger::OutboxEntry>> find(Name name);

    /// That its costs are within x402.cost_per_hour_max and the parts of it: strangers together
    /// have a half, one receiver a quarter for what it asks for itself, and another for what others
    /// ask about it. Asked before anything is signed for a request, by the least that it can cost.
    Task<std::optional<Objection>> object_to_cost(ledger::Facilitated what);

    /// Writes the draft down, unless a transaction of its name stands, and broadcasts it. Refused
    /// as by `object_to_cost`, by SigningShare, and as `deposit_simulation_failed` when what stands
    /// under the name is another deposit: a Permit2 nonce can be signed for two. Throws
    /// chain::SignerUnavailable, when nothing is written.
    Task<std::optional<Objection>> send(ledger::Facilitated what, ledger::OutboxDraft draft);

    /// What is known of a transaction.
    struct Fate {
        enum class Kind { unknown, succeeded, failed };
        Kind kind = Kind::unknown;
        std::int64_t outbox_id = 0;
        channel::TransactionHash transaction;
        /// Of a mined one, unless it is long ago and no node has it any more.
        std::optional<ledger::chain::Receipt> receipt;
        /// Of a failed one, for people.
        std::string error;
    };
    /// Waits until the transaction of that name is mined, with x402.confirmations, or x402.wait is
    /// over. It has to be there.
    Task<Fate> await(Name name);

    /// The answer about a transaction of which no success can be told: it failed, or nothing is
    /// known yet, which is `settlement_pending`.
    static Settlement unsettled(const Fate& fate, std::string_view failed_reason);
    /// The answer about one that succeeded, where the channel's state cannot be told with it:
    /// `settlement_pending` as well.
    static Settlement unread(const Fate& fate);
    /// The answer about one that was not sent. Where one of the same name failed, and it still
    /// would, that is `transaction_reverted`.
    static Settlement unsent(Objection objection, const std::optional<ledger::OutboxEntry>& before);
    /// Sends a call of the escrow, as `send` does, with the gas that the nodes say it needs: at
    /// most `gas_max`, else it is refused for `simulation_reason`, which also tells of what the
    /// contract refuses.
    Task<std::optional<Objection>> simulate_and_send(ledger::Facilitated what, Name name,
                                                     channel::Bytes data, std::uint64_t gas_max,
                                                     std::string_view simulation_reason);

private:
    Task<std::variant<ledger::OutboxDraft, Objection>> simulate(Name name, channel::Bytes data,
                                                                std::uint64_t gas_max,
                                                                std::string_view simulation_reason);
    Task<Fate> look(Name name);
    Task<std::optional<ledger::chain::Receipt>> receipt_of(ledger::OutboxEntry entry);

    ChainContext& context_;
    ChainNetwork& network_;
    OutboxSender& sender_;
    SigningShare& share_;
    /// What the nodes have said since the newest block of receipts, so that all who wait for a
    /// transaction ask once a block; nothing: not mined, or being asked.
    channel::BlockHash head_;
    std::map<channel::TransactionHash, std::optional<ledger::chain::Receipt>> receipts_;
};

}  // namespace millrace::api::x402
