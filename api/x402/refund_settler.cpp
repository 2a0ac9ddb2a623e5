#include "api/x402/refund_settler.hpp"

#include "api/x402/payment_rules.hpp"
#include "api/x402/reasons.hpp"
#include "channel/error.hpp"
#include "channel/uint256.hpp"
#include "ledger/channel_reader.hpp"
#include "ledger/settlement/claim_plan.hpp"

#include <algorithm>

namespace millrace::api::x402 {

namespace chain = ledger::chain;
using channel::Error;
using channel::Refusal;
using ledger::FacilitatedAction;

namespace {

/// A refund without claims.
constexpr std::uint64_t kRefundGasMax = 150'000;

std::optional<channel::Amount> refunded(const chain::Receipt& receipt,
                                        const channel::Address& contract,
                                        const channel::ChannelId& id) {
    for (const auto& log : receipt.logs) {
        if (log.address != contract) continue;
        const auto event = chain::decode(log);
        if (!event || !*event) continue;
        const auto* one = std::get_if<chain::Refunded>(&**event);
        if (one && one->channel == id) return one->amount;
    }
    return std::nullopt;
}

bool is_party(const channel::ChannelConfig& config, const FacilitatorRequest& request) {
    if (!request.caller) return false;
    return *request.caller == config.receiver ||
           (!request.delegate && ledger::is_payer_side(config, *request.caller));
}

Settlement refused(const channel::Address& payer, Settlement settlement) {
    settlement.payer = payer;
    return settlement;
}

Settlement refused(const channel::Address& payer, Objection objection) {
    Settlement settlement;
    settlement.objection = std::move(objection);
    return refused(payer, std::move(settlement));
}

}  // namespace

RefundSettler::RefundSettler(ChainContext& context, ChainNetwork& network, Verifier& verifier,
                             Relay& relay, ClaimSettler& claims, Refunds& refunds)
    : context_(context),
      network_(network),
      verifier_(verifier),
      relay_(relay),
      claims_(claims),
      refunds_(refunds) {}

Task<Settlement> RefundSettler::settle(FacilitatorRequest request, RefundPayload payload) {
    const auto& config = payload.paid.config;
    const auto payer = config.payer;
    if (auto wrong = object_to_refund(payload, request.requirements))
        co_return refused(payer, std::move(*wrong));
    const bool is_signed = payload.completion && payload.completion->refund_signature;
    const bool is_ours = config.receiver_authorizer == context_.signer.authorizer();
    if (is_ours && !is_signed) {
        const auto id = payload.paid.channel;
        const auto reading = [id](pqxx::connection& connection) {
            return ledger::read_channel(connection, id);
        };
        const auto record = co_await context_.database.run(reading);
        if (record) co_return co_await settle_in_books(record->terms, request, payload);
    }
    if (!payload.completion)
        co_return refused(payer, Objection{kRefundPayload,
                                           "The resource server has to add amount, refundNonce and "
                                           "claims."});
    if (!is_ours && !is_signed)
        co_return refused(payer, Objection{kAuthorizerAddressMismatch,
                                           "The receiver authorizer is not the one that signs "
                                           "here: send its refundAuthorizerSignature."});
    if (!is_signed && request.caller != config.receiver)
        co_return refused(payer, Objection{kAuthorizerAddressMismatch,
                                           "A refund is signed here only for the channel's "
                                           "receiver: log in as the receiver and send its token, "
                                           "Authorization: Bearer …"});
    co_return co_await settle_for_others(std::move(request), std::move(payload));
}

std::optional<Objection> RefundSettler::object_to_refund(const RefundPayload& payload,
                                                         const Requirements& requirements) const {
    const auto& config = payload.paid.config;
    if (channel::channel_id(network_.escrow_separator, config) != payload.paid.channel)
        return objection(Error::channel_id_mismatch);
    if (config.receiver != requirements.pay_to) return objection(Error::receiver_mismatch);
    if (config.token != requirements.asset || !network_.token_config(config.token))
        return objection(Error::token_mismatch);
    if (payload.amount && payload.amount->is_zero()) return objection(Error::refund_amount_invalid);
    return std::nullopt;
}

Task<Settlement> RefundSettler::settle_in_books(const ledger::ChannelTerms& terms,
                                                const FacilitatorRequest& request,
                                                const RefundPayload& payload) {
    if (!is_party(terms.config, request))
        co_return refused(terms.config.payer,
                          Objection{kAuthorizerAddressMismatch,
                                    "A refund is signed here only for a party of the channel: log "
                                    "in and send the token, Authorization: Bearer …"});
    auto name = co_await find_in_books(payload);
    if (!name) {
        const channel::AskRefund asked{payload.amount, payload.paid.voucher, 0};
        const auto sent = co_await refunds_.refund(terms, *request.caller, asked);
        if (const auto* refusal = std::get_if<Refusal>(&sent))
            co_return refused(terms.config.payer, objection(*refusal));
        const auto id = terms.id;
        const auto reading = [id](pqxx::transaction_base& transaction) {
            return ledger::newest_refund(transaction, id, std::nullopt);
        };
        const auto key = co_await context_.read(reading);
        name = Relay::Name{ledger::Purpose::refund, ledger::refund_reference(key.value())};
    }
    co_return co_await answer(payload, std::move(*name));
}

/// The same request again: a refund that was sent under the same nonce for the same voucher and
/// amount.
Task<std::optional<Relay::Name>> RefundSettler::find_in_books(const RefundPayload& payload) {
    if (!payload.completion) co_return std::nullopt;
    const auto nonce = channel::uint64_from(payload.completion->refund_nonce);
    if (!nonce) co_return std::nullopt;
    const auto id = payload.paid.channel;
    const auto under = *nonce;
    using Found = std::optional<std::pair<ledger::RefundKey, ledger::SentRefund>>;
    const auto reading = [id, under](pqxx::transaction_base& transaction) -> Found {
        const auto key = ledger::newest_refund(transaction, id, under);
        const auto sent = key ? ledger::find_refund(transaction, *key) : std::nullopt;
        if (!sent) return std::nullopt;
        return std::pair(*key, *sent);
    };
    const auto found = co_await context_.read(reading);
    if (!found || found->second.asked != payload.amount ||
        found->second.voucher_max != payload.paid.voucher.max_claimable)
        co_return std::nullopt;
    co_return Relay::Name{ledger::Purpose::refund, ledger::refund_reference(found->first)};
}

Task<Settlement> RefundSettler::settle_for_others(FacilitatorRequest request,
                                                  RefundPayload payload) {
    const auto& config = payload.paid.config;
    const auto digest = chain::refund_digest(network_.escrow, config,
                                             payload.completion->refund_nonce, *payload.amount);
    const Relay::Name name{ledger::Purpose::facilitated,
                           ledger::facilitated_reference(FacilitatedAction::refund, digest)};
    const auto before = co_await relay_.find(name);
    if (!Relay::stands(before)) {
        const ledger::Facilitated what{FacilitatedAction::refund, network_.config.network,
                                       config.receiver, config.token, request.caller};
        if (auto wrong = co_await object_to_state(payload))
            co_return refused(config.payer, Relay::unsent(std::move(*wrong), before));
        // What is signed here has the payer's word as well.
        if (!payload.completion->refund_signature) {
            auto wrong = co_await verifier_.object_to_signature(config, payload.paid.channel,
                                                                payload.paid.voucher);
            if (wrong) co_return refused(config.payer, std::move(*wrong));
        }
        auto made = co_await call_for(payload, std::move(request.requirements), request.caller);
        if (auto* wrong = std::get_if<Objection>(&made))
            co_return refused(config.payer, Relay::unsent(std::move(*wrong), before));
        auto& call = std::get<Call>(made);
        auto draft = co_await relay_.simulate(name, std::move(call.data), call.gas_max,
                                              channel::reason(Error::refund_simulation_failed));
        if (auto* wrong = std::get_if<Objection>(&draft))
            co_return refused(config.payer, Relay::unsent(std::move(*wrong), before));
        auto wrong = co_await relay_.send(what, std::move(std::get<ledger::OutboxDraft>(draft)));
        if (wrong) co_return refused(config.payer, Relay::unsent(std::move(*wrong), before));
    }
    co_return co_await answer(payload, name);
}

/// That something is left to refund, once the rows for this channel are claimed.
Task<std::optional<Objection>> RefundSettler::object_to_state(const RefundPayload& payload) {
    const auto id = payload.paid.channel;
    const std::vector<channel::ChannelId> ids{id};
    const auto found = co_await verifier_.views(ids, chain::BlockTag::latest());
    if (!found) co_return unreadable_channel();
    const auto& totals = found->front().totals;
    if (totals.balance.is_zero()) co_return objection(Error::channel_not_found);
    auto claimed = totals.total_claimed;
    for (const auto& row : payload.completion->claims)
        if (row.config == payload.paid.config) claimed = std::max(claimed, row.total_claimed);
    if (claimed > totals.balance)
        co_return objection(Refusal{Error::cumulative_exceeds_balance, totals.balance});
    if (claimed == totals.balance) co_return objection(Error::refund_no_balance);
    co_return std::nullopt;
}

Task<std::variant<RefundSettler::Call, Objection>> RefundSettler::call_for(
    RefundPayload payload, Requirements requirements, std::optional<channel::Address> caller) {
    const auto& completion = *payload.completion;
    const auto reason = channel::reason(Error::refund_simulation_failed);
    ClaimSettler::Consented claim;
    if (!completion.claims.empty()) {
        auto consented = co_await claims_.consent(completion.claims, completion.claim_signature,
                                                  std::move(requirements), caller, reason);
        if (auto* wrong = std::get_if<Objection>(&consented)) co_return std::move(*wrong);
        claim = std::move(std::get<ClaimSettler::Consented>(consented));
    }
    auto consent_to_refund = co_await consent(payload);
    if (auto* wrong = std::get_if<Objection>(&consent_to_refund)) co_return std::move(*wrong);
    Call call;
    call.gas_max = kRefundGasMax + chain::kErc1271GasMax;
    call.data = chain::refund_with_signature_call(
        payload.paid.config, *payload.amount, completion.refund_nonce,
        std::get<channel::VoucherSignature>(consent_to_refund));
    if (claim.rows.empty()) co_return call;
    std::vector<channel::Bytes> calls;
    calls.push_back(chain::claim_with_signature_call(claim.rows, claim.signature));
    calls.push_back(std::move(call.data));
    call.data = chain::multicall_call(std::move(calls));
    call.gas_max += ledger::claim_gas(claim.weight) + chain::kErc1271GasMax;
    co_return call;
}

Task<std::variant<channel::VoucherSignature, Objection>> RefundSettler::consent(
    const RefundPayload& payload) {
    const auto& config = payload.paid.config;
    const auto nonce = payload.completion->refund_nonce;
    const auto amount = *payload.amount;
    if (const auto& given = payload.completion->refund_signature) {
        const auto digest = chain::refund_digest(network_.escrow, config, nonce, amount);
        auto wrong =
            co_await verifier_.object_to_consent(config.receiver_authorizer, digest, *given);
        if (wrong) co_return std::move(*wrong);
        co_return *given;
    }
    auto* const signer = &context_.signer;
    const auto escrow = network_.escrow;
    const auto signing = [signer, escrow, config, nonce, amount](pqxx::connection&) {
        return signer->sign_refund(escrow, config, nonce, amount);
    };
    std::string refusal;
    try {
        const auto made = co_await context_.database.run(signing);
        co_return channel::VoucherSignature{made};
    } catch (const chain::SignerRefused& error) {
        refusal = error.what();
    }
    co_return Objection{channel::reason(Error::refund_simulation_failed),
                        "It is not signed here: " + refusal + "."};
}

Task<Settlement> RefundSettler::answer(const RefundPayload& payload, Relay::Name name) {
    const auto payer = payload.paid.config.payer;
    const auto id = payload.paid.channel;
    const auto fate = co_await relay_.await(std::move(name));
    if (fate.kind != Relay::Fate::Kind::succeeded)
        co_return refused(payer, Relay::unsettled(fate, kRefundTransactionFailed));
    Settlement done;
    done.payer = payer;
    done.transaction = fate.transaction;
    if (fate.receipt) done.amount = refunded(*fate.receipt, network_.config.contract, id);
    done.state = co_await verifier_.state_after(id, fate.receipt);
    co_return done;
}

}  // namespace millrace::api::x402
