#include "api/x402/claim_settler.hpp"

#include "api/x402/payment_rules.hpp"
#include "api/x402/reasons.hpp"
#include "channel/error.hpp"
#include "channel/hex.hpp"
#include "channel/payer_signature.hpp"
#include "ledger/settlement/claim_plan.hpp"

namespace millrace::api::x402 {

namespace chain = ledger::chain;
using channel::Error;
using channel::Refusal;
using ledger::FacilitatedAction;

ClaimSettler::ClaimSettler(ChainContext& context, ChainNetwork& network, Verifier& verifier,
                           Relay& relay)
    : context_(context), network_(network), verifier_(verifier), relay_(relay) {}

channel::ChannelId ClaimSettler::id_of(const chain::VoucherClaim& row) const {
    return channel::channel_id(network_.escrow_separator, row.config);
}

Task<Settlement> ClaimSettler::settle(FacilitatorRequest request, ClaimPayload payload) {
    const auto digest = chain::claims_digest(network_.escrow, payload.claims);
    const Relay::Name name{ledger::Purpose::facilitated,
                           ledger::facilitated_reference(FacilitatedAction::claim, digest)};
    const auto before = co_await relay_.find(name);
    if (!Relay::stands(before)) {
        const ledger::Facilitated what{FacilitatedAction::claim, network_.config.network,
                                       request.requirements.pay_to, request.requirements.asset,
                                       request.caller};
        auto consented = co_await consent(std::move(payload.claims), std::move(payload.signature),
                                          std::move(request.requirements), request.caller,
                                          kClaimSimulationFailed);
        if (auto* objection = std::get_if<Objection>(&consented))
            co_return Relay::unsent(std::move(*objection), before);
        const auto& claim = std::get<Consented>(consented);
        if (claim.rows.empty()) co_return Settlement{};
        auto call = chain::claim_with_signature_call(claim.rows, claim.signature);
        const auto gas_max = ledger::claim_gas(claim.weight) + chain::kErc1271GasMax;
        auto draft =
            co_await relay_.simulate(name, std::move(call), gas_max, kClaimSimulationFailed);
        if (auto* objection = std::get_if<Objection>(&draft))
            co_return Relay::unsent(std::move(*objection), before);
        auto refused = co_await relay_.send(what, std::move(std::get<ledger::OutboxDraft>(draft)));
        if (refused) co_return Relay::unsent(std::move(*refused), before);
    }
    const auto fate = co_await relay_.await(name);
    if (fate.kind != Relay::Fate::Kind::succeeded)
        co_return Relay::unsettled(fate, kClaimTransactionFailed);
    Settlement done;
    done.transaction = fate.transaction;
    co_return done;
}

Task<std::variant<ClaimSettler::Consented, Objection>> ClaimSettler::consent(
    Rows rows, AuthorizerSignature given, Requirements requirements,
    std::optional<channel::Address> caller, std::string_view refused_reason) {
    if (auto wrong = object_to_rows(network_.escrow_separator, rows, requirements))
        co_return std::move(*wrong);
    if (!network_.token_config(requirements.asset)) co_return objection(Error::token_mismatch);
    const auto authorizer = rows.front().config.receiver_authorizer;
    const auto digest = chain::claims_digest(network_.escrow, rows);
    auto due = rows;
    std::size_t weight = 0;
    if (auto wrong = co_await leave_what_is_due(due, weight)) co_return std::move(*wrong);
    if (due.empty()) co_return Consented{};
    if (given) {
        auto signature = *given;
        if (auto wrong = co_await verifier_.object_to_consent(authorizer, digest, *given))
            co_return std::move(*wrong);
        co_return Consented{std::move(rows), std::move(signature), weight};
    }
    if (authorizer != context_.signer.authorizer())
        co_return Objection{kAuthorizerAddressMismatch,
                            "The receiver authorizer is not the one that signs here: send its "
                            "claimAuthorizerSignature."};
    if (auto wrong = co_await object_to_delegation(due, caller)) co_return std::move(*wrong);
    co_return co_await sign(std::move(due), weight, refused_reason);
}

/// Those that raise what is claimed; the contract passes over the others.
Task<std::optional<Objection>> ClaimSettler::leave_what_is_due(Rows& rows, std::size_t& weight) {
    weight = rows.size();
    std::vector<channel::ChannelId> ids;
    for (const auto& row : rows) ids.push_back(id_of(row));
    const auto found = co_await verifier_.views(ids, chain::BlockTag::latest());
    if (!found) co_return unreadable_channel();
    Rows due;
    for (std::size_t at = 0; at < rows.size(); ++at) {
        const auto& row = rows[at];
        const auto& totals = (*found)[at].totals;
        if (row.total_claimed <= totals.total_claimed) continue;
        if (row.total_claimed > totals.balance)
            co_return about(ids[at],
                            objection(Refusal{Error::cumulative_exceeds_balance, totals.balance}));
        const channel::SignedVoucher voucher{row.max_claimable, row.signature};
        auto wrong = co_await verifier_.object_to_signature(row.config, ids[at], voucher);
        if (wrong) co_return about(ids[at], std::move(*wrong));
        const bool is_of_key = channel::is_signed_by_payer(
            row.config, network_.escrow_separator, ids[at], row.max_claimable, row.signature);
        if (!is_of_key) weight += ledger::kContractRowWeight - 1;
        due.push_back(row);
    }
    rows = std::move(due);
    co_return std::nullopt;
}

/// What is charged of a channel of the books stands there, whatever its voucher allows. Of others
/// only the receiver knows: a voucher that stands in an earlier claim is public, and with it
/// anybody could have the receiver paid what was never charged.
Task<std::optional<Objection>> ClaimSettler::object_to_delegation(
    const Rows& rows, std::optional<channel::Address> caller) {
    std::vector<channel::ChannelId> ids;
    for (const auto& row : rows) ids.push_back(id_of(row));
    const auto reading = [ids](pqxx::transaction_base& transaction) {
        return ledger::charged_of(transaction, ids);
    };
    const auto charged = co_await context_.read(reading);
    for (std::size_t at = 0; at < rows.size(); ++at) {
        const auto found = charged.find(ids[at]);
        if (found == charged.end()) {
            if (caller == rows[at].config.receiver) continue;
            co_return about(ids[at], {kAuthorizerAddressMismatch,
                                      "A claim is signed here only for the channel's receiver: log "
                                      "in as the receiver and send its token, Authorization: "
                                      "Bearer …"});
        }
        if (rows[at].total_claimed <= found->second) continue;
        co_return about(ids[at],
                        {channel::reason(Error::charge_exceeds_signed_cumulative),
                         "It claims more than is charged in this service's books, which is " +
                             channel::to_string(found->second) + "."});
    }
    co_return std::nullopt;
}

Task<std::variant<ClaimSettler::Consented, Objection>> ClaimSettler::sign(
    Rows rows, std::size_t weight, std::string_view refused_reason) {
    Consented consented{std::move(rows), {}, weight};
    auto* const signer = &context_.signer;
    const auto escrow = network_.escrow;
    const auto signing = [&claims = consented.rows, signer, escrow](pqxx::connection&) {
        return signer->sign_claims(escrow, claims);
    };
    std::string refusal;
    try {
        consented.signature = co_await context_.database.run(signing);
        co_return consented;
    } catch (const chain::SignerRefused& error) {
        refusal = error.what();
    }
    co_return Objection{refused_reason, "It is not signed here: " + refusal + "."};
}

}  // namespace millrace::api::x402
