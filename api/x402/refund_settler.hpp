#pragma once

#include "api/chain/chain_context.hpp"
#include "api/chain/refunds.hpp"
#include "api/x402/claim_settler.hpp"
#include "api/x402/relay.hpp"
#include "api/x402/verifier.hpp"

#include <optional>
#include <variant>

namespace millrace::api::x402 {

/// Refunds for others on one network. One that its receiver authorizer has signed is sent as it is.
/// This service's authorizer signs for a channel of the books what the books allow, when a party
/// asks; and for any other channel only what its receiver asks for, because a refund takes money
/// from under vouchers that nobody here knows of. Used on the chain thread.
class RefundSettler {
public:
    RefundSettler(ChainContext& context, ChainNetwork& network, Verifier& verifier, Relay& relay,
                  ClaimSettler& claims, Refunds& refunds);

    Task<Settlement> settle(FacilitatorRequest request, RefundPayload payload);

private:
    std::optional<Objection> object_to_refund(const RefundPayload& payload,
                                              const Requirements& requirements) const;
    Task<Settlement> settle_in_books(const ledger::ChannelTerms& terms,
                                     const FacilitatorRequest& request,
                                     const RefundPayload& payload);
    Task<std::optional<Relay::Name>> find_in_books(const RefundPayload& payload);
    Task<Settlement> settle_for_others(FacilitatorRequest request, RefundPayload payload);
    Task<std::optional<Objection>> object_to_state(const RefundPayload& payload);
    /// What the contract is to be called with, and how much gas that may need.
    struct Call {
        channel::Bytes data;
        std::uint64_t gas_max = 0;
    };
    Task<std::variant<Call, Objection>> call_for(RefundPayload payload, Requirements requirements,
                                                 std::optional<channel::Address> caller);
    Task<std::variant<channel::VoucherSignature, Objection>> consent(const RefundPayload& payload);
    Task<Settlement> answer(const RefundPayload& payload, Relay::Name name);

    ChainContext& context_;
    ChainNetwork& network_;
    Verifier& verifier_;
    Relay& relay_;
    ClaimSettler& claims_;
    Refunds& refunds_;
};

}  // namespace millrace::api::x402
