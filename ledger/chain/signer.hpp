#pragma once

#include "channel/amount.hpp"
#include "channel/bytes.hpp"
#include "channel/config.hpp"
#include "channel/network.hpp"
#include "ledger/chain/escrow_calls.hpp"
#include "ledger/chain/transaction.hpp"

#include <cstdint>
#include <span>
#include <stdexcept>

namespace millrace::ledger::chain {

/// The escrow contract of a network: claims and refunds are signed under its EIP-712 domain
/// (x402-batch-settlement, EIP-712).
struct EscrowContract {
    channel::Network network;
    channel::Address address;

    friend auto operator<=>(const EscrowContract&, const EscrowContract&) = default;
};
channel::Digest domain_separator(const EscrowContract& escrow);
/// What the receiver authorizer signs: ClaimBatch over the rows in their order, and Refund.
channel::Digest claims_digest(const EscrowContract& escrow, std::span<const VoucherClaim> rows);
channel::Digest refund_digest(const EscrowContract& escrow, const channel::ChannelConfig& config,
                              const channel::Word& nonce, channel::Amount amount);

/// The signer will not sign this, however often it is asked; the text says what and why.
struct SignerRefused : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// The signer does not answer, or not now: ask again later. Nothing is known to be signed.
struct SignerUnavailable : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct SignerHealth {
    /// Whether the last look found it able to sign.
    bool available = false;
    /// How often it has refused, as far as this process knows.
    std::uint64_t refusals = 0;
};

/// What becomes of claims for payers that are contracts: their vouchers (ERC-1271) can only be
/// checked by asking the chain, which a signer does not.
enum class ContractPayers { refused, believed };

/// Whoever holds the two keys of the service: the receiver authorizer's, which consents to claims
/// and refunds for receivers, and the relayer's, which pays for gas. It is told what is to be
/// signed, never a bare hash. Calls may wait (call them where a database is waited for, never under
/// a lock that payments need), may be made from any thread, and may be repeated: the same question
/// has the same answer. All throw SignerRefused and SignerUnavailable.
class Signer {
public:
    Signer() = default;
    Signer(const Signer&) = delete;
    Signer& operator=(const Signer&) = delete;
    virtual ~Signer() = default;

    /// Known without asking, and the same for the life of this object.
    virtual channel::Address authorizer() const = 0;
    virtual channel::Address relayer() const = 0;
    /// Does not wait.
    virtual SignerHealth health() const = 0;
    /// As last known; does not wait. What it refuses can never be claimed.
    virtual ContractPayers contract_payers() const = 0;

    /// ClaimBatch over the rows, in their order.
    virtual channel::Signature sign_claims(const EscrowContract& escrow,
                                           std::span<const VoucherClaim> rows) = 0;
    /// Refund of `amount` to the channel's payer under the contract's `refundNonce`.
    virtual channel::Signature sign_refund(const EscrowContract& escrow,
                                           const channel::ChannelConfig& config,
                                           const channel::Word& nonce, channel::Amount amount) = 0;
    /// By the relayer; `with_signature` makes of it what is broadcast.
    virtual channel::Signature sign_transaction(const Transaction& transaction) = 0;
};

}  // namespace millrace::ledger::chain
