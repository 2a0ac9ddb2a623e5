#include "api/x402/verifier.hpp"

#include "api/x402/reasons.hpp"
#include "channel/payer_signature.hpp"
#include "channel/secp256k1.hpp"
#include "channel/voucher.hpp"
#include "ledger/chain/gasless_deposit.hpp"
#include "ledger/chain/revert.hpp"

#include <algorithm>
#include <chrono>

namespace millrace::api::x402 {

namespace chain = ledger::chain;
using chain::BlockTag;
using channel::Error;

namespace {

/// Nodes are behind each other for less.
constexpr std::chrono::seconds kStateWait{5};

bool is_signed_by_key(const channel::Address& signer, const channel::Digest& digest,
                      const channel::VoucherSignature& signature) {
    const auto* of_key = signature.as_of_key();
    if (!of_key || !channel::check_form(*of_key)) return false;
    const auto key = channel::recover(digest, *of_key);
    return key && channel::address_of(*key) == signer;
}

Verdict refused(const channel::Address& payer, Objection objection) {
    Verdict verdict;
    verdict.objection = std::move(objection);
    verdict.payer = payer;
    return verdict;
}

Verdict good(const channel::Address& payer, ChannelState state) {
    Verdict verdict;
    verdict.payer = payer;
    verdict.state = state;
    return verdict;
}

}  // namespace

Objection unreadable_channel() {
    return {kChannelStateReadFailed,
            "The network's nodes do not tell the channel's state now; ask again."};
}

Verifier::Verifier(ChainContext& context, ChainNetwork& network, Deposits& deposits,
                   OutboxSender& sender)
    : context_(context), network_(network), deposits_(deposits), sender_(sender) {}

Task<Verdict> Verifier::verify(FacilitatorRequest request) {
    if (auto objection = object_to_accepted(request)) {
        Verdict verdict;
        verdict.objection = std::move(objection);
        co_return verdict;
    }
    auto& payload = request.payment.payload;
    if (auto* deposit = std::get_if<DepositPayload>(&payload)) {
        const auto payer = deposit->paid.config.payer;
        auto checked = co_await check_deposit(std::move(*deposit), std::move(request.requirements));
        if (auto* objection = std::get_if<Objection>(&checked))
            co_return refused(payer, std::move(*objection));
        const auto& found = std::get<GoodDeposit>(checked);
        if (found.is_reverted)
            co_return refused(payer, objection(Error::deposit_transaction_failed));
        co_return good(payer, found.state);
    }
    if (auto* voucher = std::get_if<VoucherPayload>(&payload))
        co_return co_await verify_voucher(std::move(voucher->paid), std::move(request.requirements),
                                          VoucherUse::payment);
    if (auto* refund = std::get_if<RefundPayload>(&payload)) {
        if (refund->amount && refund->amount->is_zero())
            co_return refused(refund->paid.config.payer, objection(Error::refund_amount_invalid));
        co_return co_await verify_voucher(std::move(refund->paid), std::move(request.requirements),
                                          VoucherUse::refund);
    }
    Verdict verdict;
    verdict.objection =
        Objection{kPayloadType, "Only what payers send is verified: voucher, deposit, refund."};
    co_return verdict;
}

std::optional<Objection> Verifier::object_to_service(const channel::Address& token) const {
    if (!network_.token_config(token) || !network_.asset_of(context_, token))
        return objection(Error::token_mismatch);
    if (!network_.cursor || !network_.is_followed) return objection(Error::rpc_read_failed);
    return std::nullopt;
}

/// A refund needs no more than that the payer wants it, a payment has to be claimable.
std::optional<Objection> Verifier::object_to_payer(const channel::ChannelConfig& config,
                                                   channel::VoucherSigner signer) const {
    const auto refused = context_.refuse_payer(config.receiver_authorizer, signer);
    if (!refused) return std::nullopt;
    return objection(*refused);
}

Task<Verdict> Verifier::verify_voucher(ChannelVoucher paid, Requirements requirements,
                                       VoucherUse use) {
    const auto payer = paid.config.payer;
    auto objection = object_to_channel(network_.escrow_separator, paid, requirements);
    if (!objection) objection = object_to_service(paid.config.token);
    if (objection) co_return refused(payer, std::move(*objection));
    auto signer = co_await signer_of(paid.config, paid.channel, paid.voucher);
    if (auto* wrong = std::get_if<Objection>(&signer)) co_return refused(payer, std::move(*wrong));
    if (use == VoucherUse::payment)
        objection = object_to_payer(paid.config, std::get<channel::VoucherSigner>(signer));
    if (objection) co_return refused(payer, std::move(*objection));
    const std::vector<channel::ChannelId> ids{paid.channel};
    const auto found = co_await views(ids);
    if (!found) co_return refused(payer, unreadable_channel());
    objection = object_to_voucher(found->front().totals, {}, paid.voucher.max_claimable, use);
    if (objection) co_return refused(payer, std::move(*objection));
    co_return good(payer, {paid.channel, found->front()});
}

Task<std::variant<Verifier::GoodDeposit, Objection>> Verifier::check_deposit(
    DepositPayload payload, Requirements requirements) {
    const auto& paid = payload.paid;
    auto objection = object_to_channel(network_.escrow_separator, paid, requirements);
    if (!objection) objection = object_to_service(paid.config.token);
    if (!objection) objection = object_to_method(payload.deposit, requirements);
    if (objection) co_return std::move(*objection);
    auto signer = co_await signer_of(paid.config, paid.channel, paid.voucher);
    if (auto* wrong = std::get_if<Objection>(&signer)) co_return std::move(*wrong);
    objection = object_to_payer(paid.config, std::get<channel::VoucherSigner>(signer));
    if (objection) co_return std::move(*objection);
    // Read before the deposit is looked for: whatever brings it in between counts as still to come.
    const auto found = co_await newest(paid.channel);
    if (!found) co_return unreadable_channel();
    auto prepared = co_await deposits_.prepare(paid.channel, paid.config, payload.deposit);
    if (const auto* refusal = std::get_if<channel::Refusal>(&prepared))
        co_return co_await object_to_preparation(*refusal, payload);
    GoodDeposit good{std::get<Deposits::Prepared>(std::move(prepared)), found->state};
    auto coming = payload.deposit.amount;
    if (good.prepared.sent_before) {
        const auto brings = co_await brought(*good.prepared.sent_before, found->block);
        if (!brings) co_return x402::objection(Error::rpc_read_failed);
        good.is_reverted = *brings == Brought::nothing;
        if (good.is_reverted) co_return good;
        if (*brings == Brought::already) coming = {};
    }
    objection = object_to_voucher(found->state.views.totals, coming, paid.voucher.max_claimable,
                                  VoucherUse::payment);
    if (objection) co_return std::move(*objection);
    co_return good;
}

Task<std::optional<Verifier::Brought>> Verifier::brought(ledger::OutboxEntry entry,
                                                         std::uint64_t block) {
    // Of one that was confirmed long ago no node need know.
    const bool is_confirmed = entry.status == ledger::OutboxStatus::confirmed;
    const auto receipt = co_await sender_.receipt_of(entry);
    if (!receipt && !is_confirmed) co_return std::nullopt;
    if (!receipt || !*receipt) co_return is_confirmed ? Brought::already : Brought::later;
    if (!(*receipt)->succeeded || (entry.is_filled() && (*receipt)->logs.empty()))
        co_return Brought::nothing;
    co_return (*receipt)->block_number <= block ? Brought::already : Brought::later;
}

/// With what the contract says, where it is the contract that refuses.
Task<Objection> Verifier::object_to_preparation(channel::Refusal refusal, DepositPayload payload) {
    auto made = objection(refusal);
    if (refusal.error != Error::deposit_simulation_failed) co_return made;
    const auto terms = deposits_.deposit_terms(*network_.token_config(payload.paid.config.token));
    const auto again = co_await network_.node.estimate_gas(
        chain::deposit_call(terms, payload.paid.config, payload.deposit));
    if (!again && again.error().reverted())
        made.message += " It says: " + chain::revert_reason(again.error().data) + ".";
    co_return made;
}

Task<std::variant<channel::VoucherSigner, Objection>> Verifier::signer_of(
    channel::ChannelConfig config, channel::ChannelId id, channel::SignedVoucher voucher) {
    const auto signer = co_await deposits_.voucher_signer(config);
    if (!signer) co_return objection(Error::rpc_read_failed);
    if (*signer == channel::VoucherSigner::key) {
        if (channel::is_signed_by_payer(config, network_.escrow_separator, id,
                                        voucher.max_claimable, voucher.signature))
            co_return *signer;
        co_return objection(Error::voucher_signature);
    }
    const auto digest =
        channel::digest(network_.escrow_separator, channel::Voucher{id, voucher.max_claimable});
    const auto refused = co_await network_.wallet_signatures.refuse(config.payer, digest,
                                                                    std::move(voucher.signature));
    if (refused) co_return objection(channel::Refusal{*refused});
    co_return *signer;
}

Task<std::optional<Objection>> Verifier::object_to_consent(channel::Address authorizer,
                                                           channel::Digest digest,
                                                           channel::VoucherSignature signature) {
    if (is_signed_by_key(authorizer, digest, signature)) co_return std::nullopt;
    const auto refused =
        co_await network_.wallet_signatures.refuse(authorizer, digest, std::move(signature));
    if (!refused) co_return std::nullopt;
    if (*refused != Error::voucher_signature) co_return objection(channel::Refusal{*refused});
    co_return Objection{kAuthorizerAddressMismatch,
                        "The authorizer signature is not of the channel's receiver authorizer over "
                        "what is to be sent."};
}

Task<channel::Result<std::vector<chain::ChannelViews>>> Verifier::views(
    std::vector<channel::ChannelId> ids, BlockTag as_of) {
    const auto answer = co_await network_.node.call(network_.config.contract,
                                                    chain::channel_views_call(ids), as_of);
    if (!answer) co_return Error::rpc_read_failed;
    co_return chain::decode_channel_views(*answer, ids.size());
}

Task<std::optional<Verifier::AsOf>> Verifier::newest(channel::ChannelId id) {
    const auto block = co_await network_.node.block(BlockTag::latest());
    if (!block || !*block) co_return std::nullopt;
    const auto number = (*block)->number;
    const std::vector<channel::ChannelId> ids{id};
    const auto found = co_await views(ids, BlockTag::number(number));
    if (!found) co_return std::nullopt;
    co_return AsOf{number, {id, found->front()}};
}

Task<std::optional<ChannelState>> Verifier::state_after(channel::ChannelId id,
                                                        std::optional<chain::Receipt> receipt) {
    const auto patience =
        std::min<std::chrono::milliseconds>(kStateWait, context_.config.x402.wait);
    const auto deadline = std::chrono::steady_clock::now() + patience;
    for (;;) {
        const auto found = co_await newest(id);
        if (found && (!receipt || found->block >= receipt->block_number)) co_return found->state;
        if (context_.stopping || std::chrono::steady_clock::now() >= deadline)
            co_return std::nullopt;
        co_await network_.looked.wait(deadline);
    }
}

}  // namespace millrace::api::x402
