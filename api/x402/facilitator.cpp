#include "api/x402/facilitator.hpp"

#include "api/x402/payment_rules.hpp"
#include "api/x402/reasons.hpp"
#include "channel/error.hpp"
#include "channel/keccak.hpp"
#include "channel/uint256.hpp"

namespace millrace::api::x402 {

namespace chain = ledger::chain;
using channel::Error;
using ledger::FacilitatedAction;
using ledger::Purpose;

namespace {

/// A request for a settlement that comes later is no repeat.
constexpr std::chrono::minutes kRepeatedWithin{5};
/// One storage slot and one transfer of a token.
constexpr std::uint64_t kSettleGasMax = 300'000;

Settlement refused(Objection objection) {
    Settlement settlement;
    settlement.objection = std::move(objection);
    return settlement;
}

/// What one settlement pays: it is another once something was settled.
channel::Digest settlement_digest(const chain::EscrowContract& escrow, const SettlePayload& payload,
                                  channel::Amount settled_before) {
    return channel::keccak256({channel::word_from(escrow.network.chain_id).view(),
                               escrow.address.view(), payload.receiver.view(), payload.token.view(),
                               channel::to_word(settled_before).view()});
}

channel::Amount paid_out(const chain::Receipt& receipt, const channel::Address& contract,
                         const SettlePayload& payload) {
    for (const auto& log : receipt.logs) {
        if (log.address != contract) continue;
        const auto event = chain::decode(log);
        if (!event || !*event) continue;
        const auto* one = std::get_if<chain::SettledOnChain>(&**event);
        if (one && one->receiver == payload.receiver && one->token == payload.token)
            return one->amount;
    }
    return {};
}

}  // namespace

Facilitator::Facilitator(ChainContext& context, ChainNetwork& network, OutboxSender& sender,
                         Deposits& deposits, Refunds& refunds)
    : context_(context),
      network_(network),
      deposits_(deposits),
      share_(context.config, network.config),
      verifier_(context, network, deposits, sender),
      relay_(context, network, sender, share_),
      claims_(context, network, verifier_, relay_, share_),
      refunds_(context, network, verifier_, relay_, claims_, refunds, share_) {}

Task<Verdict> Facilitator::verify(FacilitatorRequest request) {
    co_return co_await verifier_.verify(std::move(request));
}

Task<Settlement> Facilitator::settle(FacilitatorRequest request) {
    if (auto wrong = object_to_accepted(request)) co_return refused(std::move(*wrong));
    if (!network_.cursor || !network_.is_followed)
        co_return refused(objection(Error::rpc_read_failed));
    auto payload = std::move(request.payment.payload);
    if (auto* deposit = std::get_if<DepositPayload>(&payload))
        co_return co_await settle_deposit(std::move(request), std::move(*deposit));
    if (auto* claim = std::get_if<ClaimPayload>(&payload))
        co_return co_await claims_.settle(std::move(request), std::move(*claim));
    if (auto* refund = std::get_if<RefundPayload>(&payload))
        co_return co_await refunds_.settle(std::move(request), std::move(*refund));
    if (auto* receiver = std::get_if<SettlePayload>(&payload))
        co_return co_await settle_receiver(std::move(request), *receiver);
    co_return refused({kUnknownSettleAction,
                       "A voucher is settled by whoever serves its payer; what is sent to the "
                       "chain is deposit, claim, settle or refund."});
}

/// The reference of a deposit is the same on the stream, so that one that was relayed there is not
/// relayed again here.
Task<Settlement> Facilitator::settle_deposit(FacilitatorRequest request, DepositPayload payload) {
    const auto config = payload.paid.config;
    const auto id = payload.paid.channel;
    const auto before = co_await deposits_.find(config, payload.deposit);
    const auto deposit = payload.deposit;
    const ledger::Facilitated what{FacilitatedAction::deposit, network_.config.network,
                                   config.receiver, config.token, request.caller};
    auto checked =
        co_await verifier_.check_deposit(std::move(payload), std::move(request.requirements));
    std::optional<Objection> wrong;
    Relay::Name name{Purpose::deposit, {}};
    bool is_reverted = false;
    if (auto* objection = std::get_if<Objection>(&checked)) {
        wrong = std::move(*objection);
    } else {
        auto& good = std::get<Verifier::GoodDeposit>(checked);
        auto& prepared = good.prepared;
        is_reverted = good.is_reverted;
        name.reference = prepared.draft.reference;
        if (!prepared.sent_before) wrong = co_await relay_.send(what, std::move(prepared.draft));
        // The same request may have come twice at once.
        if (wrong) {
            const auto meanwhile = co_await deposits_.find(config, deposit);
            if (ledger::stands(meanwhile)) wrong.reset();
        }
    }
    Settlement settlement;
    if (wrong) {
        settlement = Relay::unsent(std::move(*wrong), before);
    } else {
        const auto fate = co_await relay_.await(std::move(name));
        const bool is_done = fate.kind == Relay::Fate::Kind::succeeded;
        if (is_done) settlement.state = co_await verifier_.state_after(id, fate.receipt);
        if (!is_done) {
            settlement = Relay::unsettled(fate, channel::reason(Error::deposit_transaction_failed));
        } else if (!settlement.state || is_reverted) {
            // Mined in vain, and then again in another block: the voucher is still to be looked at.
            settlement = Relay::unread(fate);
        } else {
            settlement.transaction = fate.transaction;
            settlement.amount = deposit.amount;
        }
    }
    settlement.payer = config.payer;
    co_return settlement;
}

/// While something is owed, a request is for the one settlement that pays it. When nothing is, it
/// repeats the one of the last minutes, if there was one: its caller may not have had the answer.
Task<Settlement> Facilitator::settle_receiver(FacilitatorRequest request, SettlePayload payload) {
    if (payload.receiver != request.requirements.pay_to)
        co_return refused(objection(Error::receiver_mismatch));
    if (payload.token != request.requirements.asset || !network_.token_config(payload.token))
        co_return refused(objection(Error::token_mismatch));
    const auto totals = co_await network_.node.receiver_totals(payload.receiver, payload.token);
    if (!totals) co_return refused(objection(Error::rpc_read_failed));
    Relay::Name name{Purpose::facilitated, {}};
    if (totals->total_claimed > totals->total_settled) {
        const auto digest = settlement_digest(network_.escrow, payload, totals->total_settled);
        name.reference = ledger::facilitated_reference(FacilitatedAction::settle, digest);
        auto unsent = co_await send_settlement(request.caller, payload, name);
        if (unsent) co_return std::move(*unsent);
    } else {
        const auto network = network_.config.network;
        const auto since = now() - kRepeatedWithin;
        const auto reading = [network, payload, since](pqxx::transaction_base& transaction) {
            return ledger::newest_settlement(transaction, network, payload.receiver, payload.token,
                                             since);
        };
        auto done = co_await context_.read(reading);
        if (!done) co_return refused(objection(Error::nothing_to_settle));
        name.reference = std::move(*done);
    }
    co_return co_await settled(payload, std::move(name));
}

Task<std::optional<Settlement>> Facilitator::send_settlement(std::optional<channel::Address> caller,
                                                             SettlePayload payload,
                                                             Relay::Name name) {
    const auto before = co_await relay_.find(name);
    if (ledger::stands(before)) co_return std::nullopt;
    auto call = chain::settle_call(payload.receiver, payload.token);
    const ledger::Facilitated what{FacilitatedAction::settle, network_.config.network,
                                   payload.receiver, payload.token, caller};
    auto wrong = co_await relay_.simulate_and_send(what, name, std::move(call), kSettleGasMax,
                                                   kSettleSimulationFailed);
    if (!wrong) co_return std::nullopt;
    // The same request may have come twice at once.
    const auto meanwhile = co_await relay_.find(std::move(name));
    if (ledger::stands(meanwhile)) co_return std::nullopt;
    co_return Relay::unsent(std::move(*wrong), before);
}

Task<Settlement> Facilitator::settled(SettlePayload payload, Relay::Name name) {
    const auto fate = co_await relay_.await(std::move(name));
    if (fate.kind != Relay::Fate::Kind::succeeded)
        co_return Relay::unsettled(fate, kSettleTransactionFailed);
    Settlement done;
    done.transaction = fate.transaction;
    if (fate.receipt) done.amount = paid_out(*fate.receipt, network_.config.contract, payload);
    co_return done;
}

}  // namespace millrace::api::x402
