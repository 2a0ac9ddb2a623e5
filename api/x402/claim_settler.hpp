#pragma once

#include "api/chain/chain_context.hpp"
#include "api/x402/relay.hpp"
#include "api/x402/signing_share.hpp"
#include "api/x402/verifier.hpp"

#include <cstddef>
#include <string_view>
#include <variant>
#include <vector>

namespace millrace::api::x402 {

/// Claims for others on one network: what they bring with their receiver authorizer's signature,
/// and what this service's authorizer signs for those that leave it to it. Used on the chain
/// thread.
class ClaimSettler {
public:
    ClaimSettler(ChainContext& context, ChainNetwork& network, Verifier& verifier, Relay& relay,
                 SigningShare& share);

    /// A claim whose rows are all claimed already is a success without a transaction, whatever has
    /// been spent.
    Task<Settlement> settle(FacilitatorRequest request, ClaimPayload payload);

    /// Rows that the contract will take, with their consent. Empty: all of them are claimed
    /// already.
    struct Consented {
        std::vector<ledger::chain::VoucherClaim> rows;
        channel::VoucherSignature signature;
        /// As ledger::claim_weight counts.
        std::size_t weight = 0;
    };
    /// Checks each row as the contract will. With a signature given the rows stay as they are;
    /// otherwise those that are left to claim are signed here: of a channel of the books never
    /// above what is charged, of others only for `caller`, the receiver, and no more than
    /// SigningShare allows. What the signer refuses is told under `refused_reason`; throws
    /// chain::SignerUnavailable.
    Task<std::variant<Consented, Objection>> consent(std::vector<ledger::chain::VoucherClaim> rows,
                                                     AuthorizerSignature given,
                                                     Requirements requirements,
                                                     std::optional<channel::Address> caller,
                                                     std::string_view refused_reason);

private:
    using Rows = std::vector<ledger::chain::VoucherClaim>;
    /// Rows that raise what is claimed.
    struct Due {
        Rows rows;
        std::size_t weight = 0;
        /// By so much, together.
        channel::Amount value;
    };
    Task<Settlement> unsent(Relay::Name name, std::optional<Objection> objection,
                            std::optional<ledger::OutboxEntry> before);
    Task<Settlement> settled(Relay::Name name);
    /// Checks each row as the contract will; signs nothing.
    Task<std::variant<Due, Objection>> due_of(Rows rows, Requirements requirements);
    /// Of rows of which some are due.
    Task<std::variant<Consented, Objection>> consent_to(Due due, Rows rows,
                                                        AuthorizerSignature given,
                                                        std::optional<channel::Address> caller,
                                                        std::string_view refused_reason);
    Task<std::optional<Objection>> object_to_delegation(const Rows& rows,
                                                        std::optional<channel::Address> caller);
    Task<std::variant<Consented, Objection>> sign(Due due, std::string_view refused_reason);
    channel::ChannelId id_of(const ledger::chain::VoucherClaim& row) const;

    ChainContext& context_;
    ChainNetwork& network_;
    Verifier& verifier_;
    Relay& relay_;
    SigningShare& share_;
};

}  // namespace millrace::api::x402
