#pragma once

#include "api/chain/chain_context.hpp"
#include "api/chain/chain_service.hpp"
#include "api/chain/outbox_sender.hpp"
#include "channel/refund.hpp"
#include "ledger/channel_reader.hpp"
#include "ledger/settlement/refund_store.hpp"

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>

namespace millrace::api {

/// Gives payers of one network their unspent money back, at once and with the receiver authorizer's
/// signature (x402-batch-settlement, refundWithSignature).
///
/// A refund is begun in the shard, which holds its money back; then it is written down, claim and
/// refund in one transaction, and sent. What the chain says of it releases the money, and so does
/// `look_after` when it was never written down, for instance because the service ended. One that
/// was signed and failed is public: until its nonce is used up, its money stays held, and it is
/// sent again as soon as it would succeed, or later the oftener it was reverted.
class Refunds {
public:
    template <class T>
    using Outcome = ChainService::Outcome<T>;

    Refunds(ChainContext& context, ChainNetwork& network, OutboxSender& sender);

    /// As ChainService::refund.
    Task<Outcome<RefundSent>> refund(ledger::ChannelTerms terms, channel::Address caller,
                                     channel::AskRefund asked);

    /// Gives back what refunds hold that are no longer on their way.
    Task<void> look_after();

private:
    Task<Outcome<RefundSent>> carry_out(const ledger::ChannelTerms& terms, channel::Address caller,
                                        channel::AskRefund asked);
    Task<std::optional<channel::Refusal>> refuse_by_wallet(const ledger::ChannelTerms& terms,
                                                           const channel::SignedVoucher& voucher);
    Task<Outcome<channel::State>> begin(channel::ChannelId id, channel::Address caller,
                                        channel::AskRefund asked);
    Task<Outcome<RefundSent>> answer_again(channel::ChannelId id, channel::AskRefund asked);
    /// Throws as `chain::Signer` does; nothing is written down then.
    Task<Outcome<RefundSent>> sign_and_send(const ledger::ChannelTerms& terms,
                                            const channel::State& state, ledger::RefundKey key,
                                            channel::AskRefund asked);
    /// Whether what is charged is claimed in the same transaction.
    enum class Claiming { first, apart };
    Task<Outcome<ledger::OutboxDraft>> draft_first(const ledger::ChannelTerms& terms,
                                                   const channel::State& state);
    Task<Outcome<ledger::OutboxDraft>> draft_for(const ledger::ChannelTerms& terms,
                                                 const channel::State& state, Claiming claiming);
    Task<channel::Bytes> calldata_for(const ledger::ChannelTerms& terms,
                                      const channel::State& state, Claiming claiming);
    Task<Outcome<RefundSent>> send(const ledger::NewRefund& refund);
    Task<void> give_up(ledger::RefundKey key, channel::Amount amount, std::uint64_t refund_nonce,
                       std::string why);
    Task<void> abandon(ledger::RefundKey key, channel::Amount amount);
    enum class Stands { no, yes, unknown };
    Task<Stands> stands(ledger::StrandedRefund::Signed refund);
    Task<void> send_again(ledger::StrandedRefund::Signed refund);
    Task<Outcome<ledger::OutboxDraft>> draft_again(const ledger::ChannelRecord& record,
                                                   const ledger::StrandedRefund::Signed& refund);
    /// `refund_simulation_failed` also where the signer refuses.
    Task<Outcome<ledger::OutboxDraft>> draft_if_signed(const ledger::ChannelTerms& terms,
                                                       const channel::State& state,
                                                       Claiming claiming);

    ChainContext& context_;
    ChainNetwork& network_;
    OutboxSender& sender_;
    /// Channels of which a request is being carried out here.
    std::set<channel::ChannelId> in_hand_;
    /// When to try again what has failed.
    std::map<channel::ChannelId, std::chrono::steady_clock::time_point> next_attempt_;
};

}  // namespace millrace::api
