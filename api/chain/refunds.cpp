#include "api/chain/refunds.hpp"

#include "channel/hex.hpp"
#include "channel/uint256.hpp"
#include "channel/voucher.hpp"
#include "ledger/chain/erc1271.hpp"
#include "ledger/chain/revert.hpp"
#include "ledger/settlement/claim_plan.hpp"

#include <spdlog/spdlog.h>

#include <array>

namespace millrace::api {

namespace chain = ledger::chain;
using chain::BlockTag;
using channel::Error;
using channel::Refusal;
using ledger::NewRefund;
using ledger::RefundKey;

namespace {

/// What claiming one channel and refunding it may cost: a payer that is a contract could burn more.
constexpr std::uint64_t kRefundGasMax = 300'000 + chain::kErc1271GasMax;
constexpr std::chrono::seconds kPauseBetweenAttempts{60};

/// Takes a channel's place in the set, and gives it back when it goes.
class InHand {
public:
    InHand(std::set<channel::ChannelId>& all, const channel::ChannelId& id)
        : all_(all), id_(id), is_first_(all.insert(id).second) {}
    InHand(const InHand&) = delete;
    InHand& operator=(const InHand&) = delete;
    ~InHand() {
        if (is_first_) all_.erase(id_);
    }
    bool is_first() const { return is_first_; }

private:
    std::set<channel::ChannelId>& all_;
    channel::ChannelId id_;
    bool is_first_;
};

}  // namespace

Refunds::Refunds(ChainContext& context, ChainNetwork& network, OutboxSender& sender)
    : context_(context), network_(network), sender_(sender) {}

Task<Refunds::Outcome<RefundSent>> Refunds::refund(ledger::ChannelTerms terms,
                                                   channel::Address caller,
                                                   channel::AskRefund asked) {
    if (terms.config.receiver_authorizer != context_.signer.authorizer())
        co_return Refusal{Error::receiver_authorizer_mismatch};
    if (!network_.cursor || !network_.is_followed) co_return Refusal{Error::unavailable};
    const InHand place(in_hand_, terms.id);
    if (!place.is_first()) co_return Refusal{Error::channel_busy};
    co_return co_await carry_out(terms, caller, asked);
}

Task<Refunds::Outcome<RefundSent>> Refunds::carry_out(const ledger::ChannelTerms& terms,
                                                      channel::Address caller,
                                                      channel::AskRefund asked) {
    if (const auto refused = co_await refuse_by_wallet(terms, asked.voucher)) co_return *refused;
    const auto begun = co_await begin(terms.id, caller, asked);
    if (const auto* refused = std::get_if<Refusal>(&begun)) {
        if (refused->error == Error::channel_busy) co_return co_await answer_again(terms.id, asked);
        co_return *refused;
    }
    const auto& state = std::get<channel::State>(begun);
    const RefundKey key{terms.id, state.refunds_begun};
    std::string objection;
    try {
        co_return co_await sign_and_send(terms, state, key, asked);
    } catch (const chain::SignerUnavailable& error) {
        objection = error.what();
    } catch (const chain::SignerRefused& error) {
        objection = error.what();
    }
    // Whatever is not signed is not written down either.
    co_await give_up(key, state.refunding, state.refund_nonce, objection);
    co_return Refusal{Error::unavailable};
}

Task<Refunds::Outcome<RefundSent>> Refunds::sign_and_send(const ledger::ChannelTerms& terms,
                                                          const channel::State& state,
                                                          RefundKey key, channel::AskRefund asked) {
    auto draft = co_await draft_first(terms, state);
    if (const auto* refused = std::get_if<Refusal>(&draft)) {
        co_await give_up(key, state.refunding, state.refund_nonce,
                         std::string(channel::sentence(refused->error)));
        co_return *refused;
    }
    NewRefund refund{key, state.refunding, asked, std::move(std::get<ledger::OutboxDraft>(draft))};
    refund.asked.refund_nonce = state.refund_nonce;
    refund.draft.reference = ledger::refund_reference(key);
    co_return co_await send(refund);
}

/// A claim that the signer refuses, of a voucher that it does not believe or beyond its cap, holds
/// up no refund: what is charged stays in the channel then.
Task<Refunds::Outcome<ledger::OutboxDraft>> Refunds::draft_first(const ledger::ChannelTerms& terms,
                                                                 const channel::State& state) {
    try {
        co_return co_await draft_for(terms, state, Claiming::first);
    } catch (const chain::SignerRefused&) {
        // Nothing can be awaited here.
    }
    co_return co_await draft_for(terms, state, Claiming::apart);
}

/// A payer that is a contract is asked here, because a shard asks nobody.
Task<std::optional<Refusal>> Refunds::refuse_by_wallet(const ledger::ChannelTerms& terms,
                                                       const channel::SignedVoucher& voucher) {
    if (terms.voucher_signer == channel::VoucherSigner::key) co_return std::nullopt;
    const auto digest = channel::digest(network_.escrow_separator,
                                        channel::Voucher{terms.id, voucher.max_claimable});
    const auto refused =
        co_await network_.wallet_signatures.refuse(terms.config.payer, digest, voucher.signature);
    if (refused) co_return Refusal{*refused};
    co_return std::nullopt;
}

/// The nonce is read as of the cursor's block while the cursor cannot move: it goes with the state
/// that the shard has. From then on whatever advances it is an event that the shard will see, or
/// makes the transaction fail.
Task<Refunds::Outcome<channel::State>> Refunds::begin(channel::ChannelId id,
                                                      channel::Address caller,
                                                      channel::AskRefund asked) {
    const auto pass = co_await network_.cursor_gate.take();
    const auto tag = BlockTag::number(network_.cursor->block_number);
    const auto nonce = co_await network_.node.refund_nonce(id, tag);
    if (!nonce) co_return Refusal{Error::rpc_read_failed};
    asked.refund_nonce = *nonce;
    const ledger::Request request =
        ledger::BeginRefund{{}, caller, id, asked, ledger::ContractVerdict::valid};
    const auto answer = co_await context_.shards.call_one(request);
    if (const auto* refused = std::get_if<Refusal>(&answer.outcome)) co_return *refused;
    co_return std::get<ledger::ChannelChanged>(answer.outcome).state;
}

/// The same request again gets the transaction that is on its way already.
Task<Refunds::Outcome<RefundSent>> Refunds::answer_again(channel::ChannelId id,
                                                         channel::AskRefund asked) {
    const auto reading_channel = [id](pqxx::connection& connection) {
        return ledger::read_channel(connection, id);
    };
    const auto record = co_await context_.database.run(reading_channel);
    if (!record) co_return Refusal{Error::channel_unknown};
    if (record->state.refunding.is_zero()) co_return Refusal{Error::channel_busy};
    const RefundKey key{id, record->state.refunds_begun};
    const auto reading_refund = [key](pqxx::transaction_base& transaction) {
        return ledger::find_refund(transaction, key);
    };
    const auto sent = co_await context_.read(reading_refund);
    if (!sent || sent->asked != asked.amount || sent->voucher_max != asked.voucher.max_claimable)
        co_return Refusal{Error::channel_busy};
    co_return RefundSent{id, sent->amount, sent->transaction};
}

Task<Refunds::Outcome<ledger::OutboxDraft>> Refunds::draft_for(const ledger::ChannelTerms& terms,
                                                               const channel::State& state,
                                                               Claiming claiming) {
    ledger::OutboxDraft draft;
    draft.purpose = ledger::Purpose::refund;
    draft.to = network_.config.contract;
    draft.data = co_await calldata_for(terms, state, claiming);
    const auto estimate = co_await network_.node.estimate_gas(draft.data);
    if (!estimate) {
        const bool reverted = estimate.error().reverted();
        spdlog::warn("{}: a refund of channel {} cannot be simulated: {} {}", network_.node.name(),
                     channel::to_hex(terms.id), estimate.error().message,
                     reverted ? chain::revert_reason(estimate.error().data) : std::string());
        co_return Refusal{reverted ? Error::refund_simulation_failed : Error::rpc_read_failed};
    }
    if (*estimate > kRefundGasMax) co_return Refusal{Error::refund_simulation_failed};
    draft.gas_limit = chain::gas_limit_for(*estimate);
    draft.fees = sender_.fees();
    co_return draft;
}

/// What is charged is claimed first: what is left then is the payer's.
Task<channel::Bytes> Refunds::calldata_for(const ledger::ChannelTerms& terms,
                                           const channel::State& state, Claiming claiming) {
    const std::array due{ledger::DueChannel{.id = terms.id,
                                            .config = terms.config,
                                            .balance = state.balance,
                                            .charged = state.charged,
                                            .total_claimed = state.total_claimed,
                                            .signed_max = state.signed_max,
                                            .signature = state.signature,
                                            .voucher_signer = terms.voucher_signer,
                                            .deadline = {}}};
    std::vector<ledger::PlannedRow> rows;
    if (claiming == Claiming::first) rows = ledger::plan_claim(due, ledger::ClaimPolicy{});
    const auto config = terms.config;
    const auto amount = state.refunding;
    const auto nonce = channel::word_from(state.refund_nonce);
    auto* const signer = &context_.signer;
    const auto escrow = network_.escrow;
    const auto work = [rows, config, amount, nonce, signer, escrow](pqxx::connection&) {
        const auto consent = signer->sign_refund(escrow, config, nonce, amount);
        auto refund = chain::refund_with_signature_call(config, amount, nonce, consent);
        if (rows.empty()) return refund;
        std::vector<channel::Bytes> calls;
        calls.push_back(ledger::claim_calldata(escrow, rows, *signer));
        calls.push_back(std::move(refund));
        return chain::multicall_call(std::move(calls));
    };
    co_return co_await context_.database.run_at_once(work);
}

Task<Refunds::Outcome<RefundSent>> Refunds::send(const NewRefund& refund) {
    const OutboxSender::Write work = [&refund](pqxx::connection& connection,
                                               const ledger::Sender& sender) {
        // Signed before anything is written, so that nobody waits for the signer.
        auto transactions = [&] {
            pqxx::work transaction(connection);
            return ledger::sign_drafts(transaction, sender, {refund.draft});
        }();
        pqxx::work transaction(connection);
        auto written = ledger::record_refund(transaction, refund, std::move(transactions), now());
        transaction.commit();
        return written;
    };
    auto entries = co_await sender_.write_down(work);
    // Another process took over and gave the refund up.
    if (entries.empty()) co_return Refusal{Error::unavailable};
    spdlog::info("{}: refund {} of channel {}, {} units", network_.node.name(), refund.key.number,
                 channel::to_hex(refund.key.channel), channel::to_string(refund.amount));
    const RefundSent sent{refund.key.channel, refund.amount, entries.front().hash};
    co_await sender_.broadcast(std::move(entries.front()));
    co_return sent;
}

Task<void> Refunds::look_after() {
    const auto network = network_.config.network;
    const auto reading = [network](pqxx::transaction_base& transaction) {
        return ledger::stranded_refunds(transaction, network);
    };
    const auto stranded = co_await context_.read(reading);
    for (const auto& one : stranded) {
        if (context_.stopping) co_return;
        const InHand place(in_hand_, one.key.channel);
        if (!place.is_first()) continue;
        auto standing = Stands::no;
        if (one.last_signed) standing = co_await stands(*one.last_signed);
        if (standing == Stands::unknown) continue;
        if (standing == Stands::yes)
            co_await send_again(*one.last_signed);
        else if (one.is_written_down)
            co_await abandon(one.key, one.amount);
        else
            co_await give_up(one.key, one.amount, one.refund_nonce,
                             "the service ended before it was sent");
    }
}

/// What is signed once can be carried out by anybody until its nonce is used up.
Task<Refunds::Stands> Refunds::stands(ledger::StrandedRefund::Signed refund) {
    const auto tag = BlockTag::number(network_.cursor->block_number);
    const auto nonce = co_await network_.node.refund_nonce(refund.key.channel, tag);
    if (!nonce) co_return Stands::unknown;
    co_return *nonce > refund.nonce ? Stands::no : Stands::yes;
}

/// Its transaction was mined and reverted, or never mined. As soon as it would succeed, it is sent
/// again, after ever longer pauses where blocks say otherwise; until then the money stays held, and
/// the provider claims what is charged by itself.
Task<void> Refunds::send_again(ledger::StrandedRefund::Signed refund) {
    if (now() < ledger::next_attempt(refund)) co_return;
    const auto now_steady = std::chrono::steady_clock::now();
    auto& next = next_attempt_[refund.key.channel];
    if (now_steady < next) co_return;
    next = now_steady + kPauseBetweenAttempts;
    const auto id = refund.key.channel;
    const auto reading = [id](pqxx::connection& connection) {
        return ledger::read_channel(connection, id);
    };
    const auto record = co_await context_.database.run(reading);
    if (!record) co_return;
    auto draft = co_await draft_again(*record, refund);
    if (std::holds_alternative<Refusal>(draft)) {
        spdlog::warn(
            "{}: refund {} of channel {} failed and may still be carried out: what it "
            "takes stays held",
            network_.node.name(), refund.key.number, channel::to_hex(id));
        co_return;
    }
    auto& ready = std::get<ledger::OutboxDraft>(draft);
    ready.reference = ledger::refund_reference(refund.key);
    const OutboxSender::Write work = [&ready](pqxx::connection& connection,
                                              const ledger::Sender& sender) {
        pqxx::work transaction(connection);
        auto written = ledger::enqueue(transaction, sender, {ready}, now());
        transaction.commit();
        return written;
    };
    const auto entries = co_await sender_.write_down(work);
    co_await sender_.broadcast(entries.front());
}

/// With what is charged, or without it where that is in the way: a voucher that the payer's
/// contract does not own up to in a block, or that the signer does not believe. What is charged
/// stays in the channel then.
Task<Refunds::Outcome<ledger::OutboxDraft>> Refunds::draft_again(
    const ledger::ChannelRecord& record, const ledger::StrandedRefund::Signed& refund) {
    auto state = record.state;
    state.refunding = refund.amount;
    state.refund_nonce = refund.nonce;
    if (refund.reverted == 0) {
        auto draft = co_await draft_if_signed(record.terms, state, Claiming::first);
        const auto* refused = std::get_if<Refusal>(&draft);
        if (!refused || refused->error != Error::refund_simulation_failed) co_return draft;
    }
    co_return co_await draft_if_signed(record.terms, state, Claiming::apart);
}

Task<Refunds::Outcome<ledger::OutboxDraft>> Refunds::draft_if_signed(
    const ledger::ChannelTerms& terms, const channel::State& state, Claiming claiming) {
    try {
        co_return co_await draft_for(terms, state, claiming);
    } catch (const chain::SignerUnavailable&) {
        co_return Refusal{Error::unavailable};
    } catch (const chain::SignerRefused&) {
        co_return Refusal{Error::refund_simulation_failed};
    }
}

/// Written down before the money is given back, so that nobody can send it afterwards.
Task<void> Refunds::give_up(RefundKey key, channel::Amount amount, std::uint64_t refund_nonce,
                            std::string why) {
    const auto work = [key, amount, refund_nonce, why](pqxx::connection& connection) {
        pqxx::work transaction(connection);
        const bool given_up =
            ledger::give_up_refund(transaction, key, amount, refund_nonce, why, now());
        transaction.commit();
        return given_up;
    };
    const bool given_up = co_await context_.database.run_at_once(work);
    if (!given_up) co_return;
    spdlog::warn("{}: refund {} of channel {} is given up: {}", network_.node.name(), key.number,
                 channel::to_hex(key.channel), why);
    co_await abandon(key, amount);
}

Task<void> Refunds::abandon(RefundKey key, channel::Amount amount) {
    next_attempt_.erase(key.channel);
    const ledger::Request request = ledger::AbandonRefund{{}, key.channel, {key.number, amount}};
    const auto answer = co_await context_.shards.call_one(request);
    const auto* refused = std::get_if<Refusal>(&answer.outcome);
    if (refused && !context_.stopping)
        spdlog::warn("{}: what a refund of channel {} holds is not given back yet: {}",
                     network_.node.name(), channel::to_hex(key.channel),
                     channel::sentence(refused->error));
}

}  // namespace millrace::api
