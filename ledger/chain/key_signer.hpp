#pragma once

#include "channel/secp256k1.hpp"
#include "ledger/chain/signer.hpp"

namespace millrace::ledger::chain {

/// Signs with keys in this process whatever it is asked to, at once. For development, and for the
/// process that holds the keys behind its own rules.
class KeySigner final : public Signer {
public:
    KeySigner(channel::SecretKey authorizer, channel::SecretKey relayer);

    channel::Address authorizer() const override { return authorizer_address_; }
    channel::Address relayer() const override { return relayer_address_; }
    SignerHealth health() const override { return {true, 0}; }
    ContractPayers contract_payers() const override { return ContractPayers::believed; }
    channel::Signature sign_claims(const EscrowContract& escrow,
                                   std::span<const VoucherClaim> rows) override;
    channel::Signature sign_refund(const EscrowContract& escrow,
                                   const channel::ChannelConfig& config, const channel::Word& nonce,
                                   channel::Amount amount) override;
    channel::Signature sign_transaction(const Transaction& transaction) override;

private:
    channel::SecretKey authorizer_;
    channel::SecretKey relayer_;
    channel::Address authorizer_address_;
    channel::Address relayer_address_;
};

}  // namespace millrace::ledger::chain
