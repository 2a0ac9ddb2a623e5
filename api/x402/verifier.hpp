#pragma once

#include "api/chain/chain_context.hpp"
#include "api/chain/deposits.hpp"
#include "api/x402/answers.hpp"
#include "api/x402/payment_rules.hpp"
#include "channel/result.hpp"

#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace millrace::api::x402 {

/// Says of payments over one network whether they are good as of now: by their signatures, the
/// contract's state at the newest block, and for deposits what the payer holds and the contract
/// would do. Sends nothing. Used on the chain thread.
class Verifier {
public:
    Verifier(ChainContext& context, ChainNetwork& network, Deposits& deposits);

    /// x402's verify, of a voucher, deposit or refund.
    Task<Verdict> verify(FacilitatorRequest request);

    /// A deposit that is good, or was sent before: then only its channel and voucher are looked at.
    struct GoodDeposit {
        Deposits::Prepared prepared;
        ChannelState state;
    };
    Task<std::variant<GoodDeposit, Objection>> check_deposit(DepositPayload payload,
                                                             Requirements requirements);

    /// Whether the channel's payer side made this signature over the voucher.
    Task<std::optional<Objection>> object_to_signature(channel::ChannelConfig config,
                                                       channel::ChannelId id,
                                                       channel::SignedVoucher voucher);
    /// Whether the address did, over a digest: its key, or it itself when it is a contract. The
    /// reason is `authorizer_address_mismatch`.
    Task<std::optional<Objection>> object_to_consent(channel::Address authorizer,
                                                     channel::Digest digest,
                                                     channel::VoucherSignature signature);

    /// All of one block: the newest, or the one named.
    Task<channel::Result<std::vector<ledger::chain::ChannelViews>>> views(
        std::vector<channel::ChannelId> ids, ledger::chain::BlockTag tag);

    /// Of a channel after the transaction of that receipt; nothing when it cannot be read.
    Task<std::optional<ChannelState>> state_after(channel::ChannelId id,
                                                  std::optional<ledger::chain::Receipt> receipt);

private:
    Task<Verdict> verify_voucher(ChannelVoucher paid, Requirements requirements, VoucherUse use);
    Task<Objection> object_to_preparation(channel::Refusal refusal, DepositPayload payload);
    std::optional<Objection> object_to_service(const channel::Address& token) const;

    ChainContext& context_;
    ChainNetwork& network_;
    Deposits& deposits_;
};

/// The reason for a contract that cannot be read.
Objection unreadable_channel();

}  // namespace millrace::api::x402
