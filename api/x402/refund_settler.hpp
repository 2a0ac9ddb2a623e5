#pragma once

#include "api/chain/chain_context.hpp"
#include "api/chain/refunds.hpp"
#include "api/x402/claim_settler.hpp"
#include "api/x402/relay.hpp"
#include "api/x402/signing_share.hpp"
#include "api/x402/verifier.hpp"

#include <optional>
#include <variant>

namespace millrace::api::x402 {

/// Refunds for others on one network. One that its receiver authorizer has signed is sent as it is.
/// This service's authorizer signs for a channel of the books what the books allow, when a party
/// asks; and for any other channel only what its receiver itself asks for, because a refund takes
/// money from under vouchers that nobody here knows of, and no more than is left in the contract.
/// More than is left is all that is left. Used on the chain thread.
class RefundSettler {
public:
    RefundSettler(ChainContext& context, ChainNetwork& network, Verifier& verifier, Relay& relay,
                  ClaimSettler& claims, Refunds& refunds, SigningShare& share);

    Task<Settlement> settle(FacilitatorRequest request, RefundPayload payload);

private:
    std::optional<Objection> object_to_refund(const RefundPayload& payload,
                                              const Requirements& requirements) const;
    std::optional<Objection> object_to_signing(const FacilitatorRequest& request,
                                               const RefundPayload& payload) const;
    Task<Settlement> settle_in_books(const ledger::ChannelTerms& terms,
                                     const FacilitatorRequest& request,
                                     const RefundPayload& payload);
    Task<std::variant<Relay::Name, Objection>> begin_in_books(const ledger::ChannelTerms& terms,
                                                              channel::Address caller,
                                                              const RefundPayload& payload);
    Task<std::optional<Relay::Name>> find_in_books(const RefundPayload& payload);
    Task<Settlement> settle_for_others(FacilitatorRequest request, RefundPayload payload);
    /// What can be refunded once the rows for this channel are claimed, under the given nonce.
    Task<Settlement> unsent(const RefundPayload& payload, Relay::Name name, Objection objection,
                            std::optional<ledger::OutboxEntry> before);
    Task<std::variant<channel::Amount, Objection>> left_of(const RefundPayload& payload);
    /// What the contract is to be called with, and how much gas that may need.
    struct Call {
        channel::Bytes data;
        std::uint64_t gas_max = 0;
    };
    Task<std::variant<Call, Objection>> call_for(RefundPayload payload, Requirements requirements,
                                                 std::optional<channel::Address> caller);
    Task<std::variant<channel::VoucherSignature, Objection>> sign(const RefundPayload& payload);
    Task<Settlement> answer(const RefundPayload& payload, Relay::Name name);

    ChainContext& context_;
    ChainNetwork& network_;
    Verifier& verifier_;
    Relay& relay_;
    ClaimSettler& claims_;
    Refunds& refunds_;
    SigningShare& share_;
};

}  // namespace millrace::api::x402
