#include "api/x402/refund_settler.hpp"

#include "api/x402/payment_rules.hpp"
#include "api/x402/reasons.hpp"
#include "channel/error.hpp"
#include "channel/keccak.hpp"
#include "channel/uint256.hpp"
#include "ledger/channel_reader.hpp"
#include "ledger/settlement/claim_plan.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>

namespace millrace::api::x402 {

namespace chain = ledger::chain;
using channel::Error;
using channel::Refusal;
using ledger::FacilitatedAction;

namespace {

/// A refund without claims.
constexpr std::uint64_t kRefundGasMax = 150'000;
/// Of a nonce that the books can hold; no channel has been refunded as often.
constexpr std::uint64_t kNonceMax = std::numeric_limits<std::int64_t>::max();

channel::Amount refunded(const chain::Receipt& receipt, const channel::Address& contract,
                         const channel::ChannelId& id) {
    for (const auto& log : receipt.logs) {
        if (log.address != contract) continue;
        const auto event = chain::decode(log);
        if (!event || !*event) continue;
        const auto* one = std::get_if<chain::Refunded>(&**event);
        if (one && one->channel == id) return one->amount;
    }
    return {};
}

Objection another_nonce(std::uint64_t nonce) {
    return {channel::reason(Error::refund_simulation_failed),
            "The contract's refundNonce is another; nothing was signed. It is " +
                std::to_string(nonce) + "."};
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
                             Relay& relay, ClaimSettler& claims, Refunds& refunds,
                             SigningShare& share)
    : context_(context),
      network_(network),
      verifier_(verifier),
      relay_(relay),
      claims_(claims),
      refunds_(refunds),
      share_(share) {}

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
    if (!is_signed)
        if (auto wrong = object_to_signing(request, payload))
            co_return refused(payer, std::move(*wrong));
    co_return co_await settle_for_others(std::move(request), std::move(payload));
}

std::optional<Objection> RefundSettler::object_to_signing(const FacilitatorRequest& request,
                                                          const RefundPayload& payload) const {
    const auto& config = payload.paid.config;
    if (config.receiver_authorizer != context_.signer.authorizer())
        return Objection{kAuthorizerAddressMismatch,
                         "The receiver authorizer is not the one that signs here: send its "
                         "refundAuthorizerSignature."};
    if (request.caller != config.receiver || request.delegate)
        return Objection{kAuthorizerAddressMismatch,
                         "A refund is signed here only for the channel's receiver itself: log in "
                         "with its own key and send the token, Authorization: Bearer …"};
    return std::nullopt;
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
    auto begun = co_await begin_in_books(terms, *request.caller, payload);
    if (auto* wrong = std::get_if<Objection>(&begun))
        co_return refused(terms.config.payer, std::move(*wrong));
    co_return co_await answer(payload, std::move(std::get<Relay::Name>(begun)));
}

Task<std::variant<Relay::Name, Objection>> RefundSettler::begin_in_books(
    const ledger::ChannelTerms& terms, channel::Address caller, const RefundPayload& payload) {
    auto before = co_await find_in_books(payload);
    if (before) co_return std::move(*before);
    if (payload.completion) {
        const std::vector<channel::ChannelId> ids{terms.id};
        const auto found = co_await verifier_.views(ids);
        if (!found) co_return unreadable_channel();
        const auto nonce = found->front().refund_nonce;
        if (payload.completion->refund_nonce != channel::word_from(nonce))
            co_return another_nonce(nonce);
    }
    channel::AskRefund asked{payload.amount, payload.paid.voucher, 0};
    auto sent = co_await refunds_.refund(terms, caller, asked);
    const auto* refusal = std::get_if<Refusal>(&sent);
    if (refusal && refusal->error == Error::refund_amount_invalid && asked.amount) {
        asked.amount.reset();
        sent = co_await refunds_.refund(terms, caller, asked);
        refusal = std::get_if<Refusal>(&sent);
    }
    if (refusal) co_return objection(*refusal);
    const auto id = terms.id;
    const auto reading = [id](pqxx::transaction_base& transaction) {
        return ledger::newest_refund(transaction, id, std::nullopt);
    };
    const auto key = co_await context_.read(reading);
    co_return Relay::Name{ledger::Purpose::refund, ledger::refund_reference(key.value())};
}

/// The same request again: a refund that was sent under the same nonce for the same voucher and
/// amount, or for all where more was asked for.
Task<std::optional<Relay::Name>> RefundSettler::find_in_books(const RefundPayload& payload) {
    if (!payload.completion) co_return std::nullopt;
    const auto nonce = channel::uint64_from(payload.completion->refund_nonce);
    if (!nonce || *nonce > kNonceMax) co_return std::nullopt;
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
    if (!found) co_return std::nullopt;
    const auto& sent = found->second;
    const bool is_all = !sent.asked && payload.amount && *payload.amount >= sent.amount;
    if ((sent.asked != payload.amount && !is_all) ||
        sent.voucher_max != payload.paid.voucher.max_claimable)
        co_return std::nullopt;
    co_return Relay::Name{ledger::Purpose::refund, ledger::refund_reference(found->first)};
}

Task<Settlement> RefundSettler::settle_for_others(FacilitatorRequest request,
                                                  RefundPayload payload) {
    const auto& config = payload.paid.config;
    const auto& completion = *payload.completion;
    auto digest =
        chain::refund_digest(network_.escrow, config, completion.refund_nonce, *payload.amount);
    // With what is claimed before it, it is another request.
    if (!completion.claims.empty())
        digest = channel::keccak256(
            {digest.view(), chain::claims_digest(network_.escrow, completion.claims).view()});
    const Relay::Name name{ledger::Purpose::facilitated,
                           ledger::facilitated_reference(FacilitatedAction::refund, digest)};
    const auto before = co_await relay_.find(name);
    if (!ledger::stands(before)) {
        const ledger::Facilitated what{FacilitatedAction::refund, network_.config.network,
                                       config.receiver, config.token, request.caller};
        auto left = co_await left_of(payload);
        if (auto* wrong = std::get_if<Objection>(&left))
            co_return co_await unsent(payload, name, std::move(*wrong), before);
        if (auto dear = co_await relay_.object_to_cost(what))
            co_return refused(config.payer, Relay::unsent(std::move(*dear), before));
        // What is signed here has the payer's word as well, and is for no more than there is.
        if (!payload.completion->refund_signature) {
            auto signer =
                co_await verifier_.signer_of(config, payload.paid.channel, payload.paid.voucher);
            if (auto* wrong = std::get_if<Objection>(&signer))
                co_return refused(config.payer, std::move(*wrong));
            payload.amount = std::min(*payload.amount, std::get<channel::Amount>(left));
        }
        auto made = co_await call_for(payload, std::move(request.requirements), request.caller);
        if (auto* wrong = std::get_if<Objection>(&made))
            co_return co_await unsent(payload, name, std::move(*wrong), before);
        auto& call = std::get<Call>(made);
        auto wrong =
            co_await relay_.simulate_and_send(what, name, std::move(call.data), call.gas_max,
                                              channel::reason(Error::refund_simulation_failed));
        if (wrong) co_return co_await unsent(payload, name, std::move(*wrong), before);
    }
    co_return co_await answer(payload, name);
}

/// The same request may have come twice at once: what stands by now is its answer, too.
Task<Settlement> RefundSettler::unsent(const RefundPayload& payload, Relay::Name name,
                                       Objection objection,
                                       std::optional<ledger::OutboxEntry> before) {
    const auto meanwhile = co_await relay_.find(name);
    if (ledger::stands(meanwhile)) co_return co_await answer(payload, std::move(name));
    co_return refused(payload.paid.config.payer, Relay::unsent(std::move(objection), before));
}

Task<std::variant<channel::Amount, Objection>> RefundSettler::left_of(
    const RefundPayload& payload) {
    const auto id = payload.paid.channel;
    const std::vector<channel::ChannelId> ids{id};
    const auto found = co_await verifier_.views(ids);
    if (!found) co_return unreadable_channel();
    const auto& totals = found->front().totals;
    if (totals.balance.is_zero()) co_return objection(Error::channel_not_found);
    auto claimed = totals.total_claimed;
    for (const auto& row : payload.completion->claims)
        if (row.config == payload.paid.config) claimed = std::max(claimed, row.total_claimed);
    const auto left = channel::subtract(totals.balance, claimed);
    if (!left) co_return objection(Refusal{Error::cumulative_exceeds_balance, totals.balance});
    if (left->is_zero()) co_return objection(Error::refund_no_balance);
    const auto nonce = found->front().refund_nonce;
    if (payload.completion->refund_nonce != channel::word_from(nonce))
        co_return another_nonce(nonce);
    co_return *left;
}

Task<std::variant<RefundSettler::Call, Objection>> RefundSettler::call_for(
    RefundPayload payload, Requirements requirements, std::optional<channel::Address> caller) {
    const auto& completion = *payload.completion;
    const auto reason = channel::reason(Error::refund_simulation_failed);
    if (const auto& given = completion.refund_signature) {
        const auto& config = payload.paid.config;
        const auto digest =
            chain::refund_digest(network_.escrow, config, completion.refund_nonce, *payload.amount);
        auto wrong =
            co_await verifier_.object_to_consent(config.receiver_authorizer, digest, *given);
        if (wrong) co_return std::move(*wrong);
    }
    ClaimSettler::Consented claim;
    if (!completion.claims.empty()) {
        auto consented = co_await claims_.consent(completion.claims, completion.claim_signature,
                                                  std::move(requirements), caller, reason);
        if (auto* wrong = std::get_if<Objection>(&consented)) co_return std::move(*wrong);
        claim = std::move(std::get<ClaimSettler::Consented>(consented));
    }
    auto signature = completion.refund_signature;
    if (!signature) {
        auto made = co_await sign(payload);
        if (auto* wrong = std::get_if<Objection>(&made)) co_return std::move(*wrong);
        signature = std::move(std::get<channel::VoucherSignature>(made));
    }
    Call call;
    call.gas_max = kRefundGasMax + chain::kErc1271GasMax;
    call.data = chain::refund_with_signature_call(payload.paid.config, *payload.amount,
                                                  completion.refund_nonce, *signature);
    if (claim.rows.empty()) co_return call;
    std::vector<channel::Bytes> calls;
    calls.push_back(chain::claim_with_signature_call(claim.rows, claim.signature));
    calls.push_back(std::move(call.data));
    call.data = chain::multicall_call(std::move(calls));
    call.gas_max += ledger::claim_gas(claim.weight) + chain::kErc1271GasMax;
    co_return call;
}

Task<std::variant<channel::VoucherSignature, Objection>> RefundSettler::sign(
    const RefundPayload& payload) {
    const auto& config = payload.paid.config;
    const auto nonce = payload.completion->refund_nonce;
    const auto amount = *payload.amount;
    const SigningShare::Moved moved{chain::refund_digest(network_.escrow, config, nonce, amount),
                                    config.receiver, config.token, amount};
    if (auto wrong = share_.take(now(), moved)) co_return std::move(*wrong);
    auto* const signer = &context_.signer;
    const auto escrow = network_.escrow;
    const auto signing = [signer, escrow, config, nonce, amount](pqxx::connection&) {
        return signer->sign_refund(escrow, config, nonce, amount);
    };
    std::string refusal;
    try {
        const auto made = co_await context_.database.run_at_once(signing);
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
    // The official resource server takes no success without the state.
    if (!done.state) co_return refused(payer, Relay::unread(fate));
    co_return done;
}

}  // namespace millrace::api::x402
