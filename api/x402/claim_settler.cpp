#include "api/x402/claim_settler.hpp"

#include "api/x402/payment_rules.hpp"
#include "api/x402/reasons.hpp"
#include "channel/error.hpp"
#include "channel/hex.hpp"
#include "ledger/settlement/claim_plan.hpp"

namespace millrace::api::x402 {

namespace chain = ledger::chain;
using channel::Error;
using channel::Refusal;
using ledger::FacilitatedAction;

ClaimSettler::ClaimSettler(ChainContext& context, ChainNetwork& network, Verifier& verifier,
                           Relay& relay, SigningShare& share)
    : context_(context), network_(network), verifier_(verifier), relay_(relay), share_(share) {}

channel::ChannelId ClaimSettler::id_of(const chain::VoucherClaim& row) const {
    return channel::channel_id(network_.escrow_separator, row.config);
}

Task<Settlement> ClaimSettler::settle(FacilitatorRequest request, ClaimPayload payload) {
    const auto digest = chain::claims_digest(network_.escrow, payload.claims);
    const Relay::Name name{ledger::Purpose::facilitated,
                           ledger::facilitated_reference(FacilitatedAction::claim, digest)};
    const auto before = co_await relay_.find(name);
    if (!ledger::stands(before)) {
        const ledger::Facilitated what{FacilitatedAction::claim, network_.config.network,
                                       request.requirements.pay_to, request.requirements.asset,
                                       request.caller};
        auto found = co_await due_of(payload.claims, std::move(request.requirements));
        if (auto* objection = std::get_if<Objection>(&found))
            co_return co_await unsent(name, std::move(*objection), before);
        auto& due = std::get<Due>(found);
        if (due.rows.empty()) co_return co_await unsent(name, std::nullopt, before);
        if (auto dear = co_await relay_.object_to_cost(what))
            co_return co_await unsent(name, std::move(*dear), before);
        auto consented = co_await consent_to(std::move(due), std::move(payload.claims),
                                             std::move(payload.signature), request.caller,
                                             kClaimSimulationFailed);
        if (auto* objection = std::get_if<Objection>(&consented))
            co_return co_await unsent(name, std::move(*objection), before);
        const auto& claim = std::get<Consented>(consented);
        auto call = chain::claim_with_signature_call(claim.rows, claim.signature);
        const auto gas_max = ledger::claim_gas(claim.weight) + chain::kErc1271GasMax;
        auto refused = co_await relay_.simulate_and_send(what, name, std::move(call), gas_max,
                                                         kClaimSimulationFailed);
        if (refused) co_return co_await unsent(name, std::move(*refused), before);
    }
    co_return co_await settled(name);
}

/// The same request may have come twice at once: what stands by now is its answer, too. Without an
/// objection there is nothing to claim.
Task<Settlement> ClaimSettler::unsent(Relay::Name name, std::optional<Objection> objection,
                                      std::optional<ledger::OutboxEntry> before) {
    const auto meanwhile = co_await relay_.find(name);
    if (ledger::stands(meanwhile)) co_return co_await settled(std::move(name));
    if (!objection) co_return Settlement{};
    co_return Relay::unsent(std::move(*objection), before);
}

Task<Settlement> ClaimSettler::settled(Relay::Name name) {
    const auto fate = co_await relay_.await(std::move(name));
    if (fate.kind != Relay::Fate::Kind::succeeded)
        co_return Relay::unsettled(fate, kClaimTransactionFailed);
    Settlement done;
    done.transaction = fate.transaction;
    co_return done;
}

Task<std::variant<ClaimSettler::Consented, Objection>> ClaimSettler::consent(
    Rows rows, AuthorizerSignature given, Requirements requirements,
    std::optional<channel::Address> caller, std::string_view refused_reason) {
    auto found = co_await due_of(rows, std::move(requirements));
    if (auto* wrong = std::get_if<Objection>(&found)) co_return std::move(*wrong);
    auto& due = std::get<Due>(found);
    if (due.rows.empty()) co_return Consented{};
    co_return co_await consent_to(std::move(due), std::move(rows), std::move(given), caller,
                                  refused_reason);
}

Task<std::variant<ClaimSettler::Consented, Objection>> ClaimSettler::consent_to(
    Due due, Rows rows, AuthorizerSignature given, std::optional<channel::Address> caller,
    std::string_view refused_reason) {
    const auto authorizer = rows.front().config.receiver_authorizer;
    const auto digest = chain::claims_digest(network_.escrow, rows);
    if (given) {
        auto signature = *given;
        if (auto wrong = co_await verifier_.object_to_consent(authorizer, digest, *given))
            co_return std::move(*wrong);
        co_return Consented{std::move(rows), std::move(signature), due.weight};
    }
    if (authorizer != context_.signer.authorizer())
        co_return Objection{kAuthorizerAddressMismatch,
                            "The receiver authorizer is not the one that signs here: send its "
                            "claimAuthorizerSignature."};
    if (auto wrong = co_await object_to_delegation(due.rows, caller)) co_return std::move(*wrong);
    co_return co_await sign(std::move(due), refused_reason);
}

/// The contract passes over rows that claim nothing more.
Task<std::variant<ClaimSettler::Due, Objection>> ClaimSettler::due_of(Rows rows,
                                                                      Requirements requirements) {
    if (auto wrong = object_to_rows(network_.escrow_separator, rows, requirements))
        co_return std::move(*wrong);
    if (!network_.token_config(requirements.asset)) co_return objection(Error::token_mismatch);
    std::vector<channel::ChannelId> ids;
    for (const auto& row : rows) ids.push_back(id_of(row));
    const auto found = co_await verifier_.views(ids);
    if (!found) co_return unreadable_channel();
    Due due;
    due.weight = rows.size();
    for (std::size_t at = 0; at < rows.size(); ++at) {
        const auto& row = rows[at];
        const auto& totals = (*found)[at].totals;
        const auto more = channel::subtract(row.total_claimed, totals.total_claimed);
        if (!more || more->is_zero()) continue;
        if (row.total_claimed > totals.balance)
            co_return about(ids[at],
                            objection(Refusal{Error::cumulative_exceeds_balance, totals.balance}));
        const channel::SignedVoucher voucher{row.max_claimable, row.signature};
        auto signer = co_await verifier_.signer_of(row.config, ids[at], voucher);
        if (auto* wrong = std::get_if<Objection>(&signer))
            co_return about(ids[at], std::move(*wrong));
        if (std::get<channel::VoucherSigner>(signer) == channel::VoucherSigner::contract)
            due.weight += ledger::kContractRowWeight - 1;
        const auto value = channel::add(due.value, *more);
        due.value = value ? *value : channel::Amount::max();
        due.rows.push_back(row);
    }
    co_return due;
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
    const auto charged = co_await context_.read_with_payments(reading);
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
    Due due, std::string_view refused_reason) {
    const auto& config = due.rows.front().config;
    const SigningShare::Moved moved{chain::claims_digest(network_.escrow, due.rows),
                                    config.receiver, config.token, due.value};
    if (auto wrong = share_.take(now(), moved)) co_return std::move(*wrong);
    Consented consented{std::move(due.rows), {}, due.weight};
    auto* const signer = &context_.signer;
    const auto escrow = network_.escrow;
    const auto signing = [&claims = consented.rows, signer, escrow](pqxx::connection&) {
        return signer->sign_claims(escrow, claims);
    };
    std::string refusal;
    try {
        consented.signature = co_await context_.database.run_at_once(signing);
        co_return consented;
    } catch (const chain::SignerRefused& error) {
        refusal = error.what();
    }
    co_return Objection{refused_reason, "It is not signed here: " + refusal + "."};
}

}  // namespace millrace::api::x402
