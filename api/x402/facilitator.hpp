#pragma once

#include "api/chain/chain_context.hpp"
#include "api/chain/deposits.hpp"
#include "api/chain/outbox_sender.hpp"
#include "api/chain/refunds.hpp"
#include "api/x402/claim_settler.hpp"
#include "api/x402/refund_settler.hpp"
#include "api/x402/relay.hpp"
#include "api/x402/signing_share.hpp"
#include "api/x402/verifier.hpp"

namespace millrace::api::x402 {

/// The x402 facilitator of one network (x402-batch-settlement, "Facilitator interface"): says
/// whether payments are good, and brings to the chain what resource servers hand in. Used on the
/// chain thread.
class Facilitator {
public:
    Facilitator(ChainContext& context, ChainNetwork& network, OutboxSender& sender,
                Deposits& deposits, Refunds& refunds);

    Task<Verdict> verify(FacilitatorRequest request);
    /// Waits for the transaction, at most x402.wait. The same request again is the same
    /// transaction, whenever it comes. Throws chain::SignerUnavailable.
    Task<Settlement> settle(FacilitatorRequest request);

private:
    Task<Settlement> settle_deposit(FacilitatorRequest request, DepositPayload payload);
    Task<Settlement> settle_receiver(FacilitatorRequest request, SettlePayload payload);
    /// Nothing when the settlement is on its way.
    Task<std::optional<Settlement>> send_settlement(std::optional<channel::Address> caller,
                                                    SettlePayload payload, Relay::Name name);
    Task<Settlement> settled(SettlePayload payload, Relay::Name name);

    ChainContext& context_;
    ChainNetwork& network_;
    Deposits& deposits_;
    SigningShare share_;
    Verifier verifier_;
    Relay relay_;
    ClaimSettler claims_;
    RefundSettler refunds_;
};

}  // namespace millrace::api::x402
