#pragma once

#include "api/chain/chain_context.hpp"
#include "api/chain/deposits.hpp"
#include "api/chain/outbox_sender.hpp"
#include "api/x402/answers.hpp"
#include "api/x402/payment_rules.hpp"
#include "channel/result.hpp"

#include <cstdint>
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
    Verifier(ChainContext& context, ChainNetwork& network, Deposits& deposits,
             OutboxSender& sender);

    /// x402's verify, of a voucher, deposit or refund.
    Task<Verdict> verify(FacilitatorRequest request);

    /// A deposit that is good, or was sent before: then its channel is looked at, and the voucher
    /// against the balance, in which the deposit counts once.
    struct GoodDeposit {
        Deposits::Prepared prepared;
        ChannelState state;
        /// It was sent before, and mined in vain: the voucher was not looked at then.
        bool is_reverted = false;
    };
    Task<std::variant<GoodDeposit, Objection>> check_deposit(DepositPayload payload,
                                                             Requirements requirements);

    /// Who made this signature over the voucher: the payer authorizer's key, or the payer, whose
    /// code is asked wherever it has some, as the contract does.
    Task<std::variant<channel::VoucherSigner, Objection>> signer_of(channel::ChannelConfig config,
                                                                    channel::ChannelId id,
                                                                    channel::SignedVoucher voucher);
    /// Whether the address did, over a digest: its key, or it itself when it is a contract. The
    /// reason is `authorizer_address_mismatch`.
    Task<std::optional<Objection>> object_to_consent(channel::Address authorizer,
                                                     channel::Digest digest,
                                                     channel::VoucherSignature signature);

    /// All of one block.
    Task<channel::Result<std::vector<ledger::chain::ChannelViews>>> views(
        std::vector<channel::ChannelId> ids,
        ledger::chain::BlockTag as_of = ledger::chain::BlockTag::latest());

    /// Of a channel in the newest block, once that is not before the receipt's. Nothing when it
    /// cannot be read within some seconds, or x402.wait.
    Task<std::optional<ChannelState>> state_after(channel::ChannelId id,
                                                  std::optional<ledger::chain::Receipt> receipt);

private:
    Task<Verdict> verify_voucher(ChannelVoucher paid, Requirements requirements, VoucherUse use);
    /// The channel, and as of which block.
    struct AsOf {
        std::uint64_t block = 0;
        ChannelState state;
    };
    Task<std::optional<AsOf>> newest(channel::ChannelId id);
    /// Whether what was sent is in the balance of that block: it will be, it is, or it never will.
    enum class Brought { later, already, nothing };
    Task<std::optional<Brought>> brought(ledger::OutboxEntry entry, std::uint64_t block);
    Task<Objection> object_to_preparation(channel::Refusal refusal, DepositPayload payload);
    std::optional<Objection> object_to_payer(const channel::ChannelConfig& config,
                                             channel::VoucherSigner signer) const;
    std::optional<Objection> object_to_service(const channel::Address& token) const;

    ChainContext& context_;
    ChainNetwork& network_;
    Deposits& deposits_;
    OutboxSender& sender_;
};

/// The reason for a contract that cannot be read.
Objection unreadable_channel();

}  // namespace millrace::api::x402
