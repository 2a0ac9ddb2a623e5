#include "api/chain/deposits.hpp"

#include "api/chain/contract_state.hpp"
#include "channel/eip712.hpp"
#include "channel/hex.hpp"
#include "ledger/chain/gasless_deposit.hpp"
#include "ledger/chain/revert.hpp"
#include "ledger/settlement/payer_channels.hpp"

#include <spdlog/spdlog.h>

namespace millrace::api {

namespace chain = ledger::chain;
using chain::BlockTag;
using channel::Error;
using channel::Refusal;
using ledger::Purpose;

namespace {

std::uint64_t unix_seconds() {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::seconds>(now().time_since_epoch()).count());
}

/// The figure is left out where it is above any amount.
Refusal with_limit(Error error, const channel::Word& limit) {
    const auto amount = channel::amount_from_word(limit);
    return amount ? Refusal{error, *amount} : Refusal{error};
}

}  // namespace

Deposits::Deposits(ChainContext& context, ChainNetwork& network, OutboxSender& sender)
    : context_(context), network_(network), sender_(sender) {}

Task<Deposits::Outcome<OpenedChannel>> Deposits::open(channel::ChannelConfig config,
                                                      std::string app,
                                                      std::optional<GaslessDeposit> deposit) {
    if (const auto refused = check_terms(config)) co_return *refused;
    const auto id = channel::channel_id(network_.escrow_separator, config);
    if (co_await has_too_many(config.payer) && !co_await is_known(id))
        co_return Refusal{Error::rate_limited,
                          channel::Amount{context_.config.limits.channels_per_payer_max},
                          "channelConfig.payer"};
    const auto signer = co_await voucher_signer(config);
    if (!signer) co_return Refusal{Error::rpc_read_failed};
    const auto lost = context_.refuse_payer(config.receiver_authorizer, *signer);
    if (lost && (deposit || !co_await is_known(id))) co_return *lost;
    Prepared prepared;
    if (deposit) {
        auto outcome = co_await prepare(id, config, *deposit);
        if (const auto* refused = std::get_if<Refusal>(&outcome)) co_return *refused;
        prepared = std::move(std::get<Prepared>(outcome));
    }
    const ledger::ChannelTerms terms{id, network_.asset_of(context_, config.token)->id, config,
                                     std::move(app), *signer};
    const auto outcome = co_await take_under_care(terms, deposit.has_value());
    if (const auto* refused = std::get_if<Refusal>(&outcome)) co_return *refused;
    const auto& state = std::get<channel::State>(outcome);
    OpenedChannel opened{id, state.status, state.balance, {}};
    if (deposit) {
        const auto sent = co_await send(prepared);
        if (const auto* refused = std::get_if<Refusal>(&sent)) co_return *refused;
        opened.transaction = std::get<channel::TransactionHash>(sent);
    }
    co_return opened;
}

Task<Deposits::Outcome<OpenedChannel>> Deposits::top_up(ledger::ChannelRecord record,
                                                        GaslessDeposit deposit) {
    const auto id = record.terms.id;
    if (!network_.token_config(record.terms.config.token)) co_return Error::token_mismatch;
    if (!network_.is_followed) co_return Error::unavailable;
    const auto lost =
        context_.refuse_payer(record.terms.config.receiver_authorizer, record.terms.voucher_signer);
    if (lost) co_return *lost;
    auto outcome = co_await prepare(id, record.terms.config, std::move(deposit));
    if (const auto* refused = std::get_if<Refusal>(&outcome)) co_return *refused;
    OpenedChannel opened{id, record.state.status, record.state.balance, {}};
    const auto sent = co_await send(std::get<Prepared>(outcome));
    if (const auto* refused = std::get_if<Refusal>(&sent)) co_return *refused;
    opened.transaction = std::get<channel::TransactionHash>(sent);
    co_return opened;
}

Deposits::Refused Deposits::check_terms(const channel::ChannelConfig& config) const {
    if (const auto checked = channel::check_config(config); !checked)
        return static_cast<Error>(checked.error().value());
    if (!network_.token_config(config.token) || !network_.asset_of(context_, config.token))
        return Error::token_mismatch;
    const auto least = network_.config.withdraw_delay_seconds_min;
    const auto most = network_.config.withdraw_delay_seconds_max;
    if (config.withdraw_delay_seconds < least)
        return Refusal{Error::withdraw_delay_out_of_range, channel::Amount{least}};
    if (config.withdraw_delay_seconds > most)
        return Refusal{Error::withdraw_delay_out_of_range, channel::Amount{most}};
    if (!network_.cursor || !network_.is_followed) return Error::unavailable;
    return std::nullopt;
}

/// By the code at the payer's address now: what is decided when the channel is opened stays with
/// it. An authorizer is always a key (x402-batch-settlement, "Voucher signer").
Task<std::optional<channel::VoucherSigner>> Deposits::voucher_signer(
    const channel::ChannelConfig& config) {
    if (!config.payer_authorizer.is_zero()) co_return channel::VoucherSigner::key;
    const auto code = co_await network_.node.code(config.payer);
    if (!code) co_return std::nullopt;
    co_return code->empty() ? channel::VoucherSigner::key : channel::VoucherSigner::contract;
}

Task<bool> Deposits::has_too_many(const channel::Address& payer) {
    const auto most = context_.config.limits.channels_per_payer_max;
    const auto address = payer;
    const auto work = [address, most](pqxx::transaction_base& transaction) {
        return ledger::has_channels(transaction, address, most);
    };
    co_return co_await context_.read(work);
}

Task<bool> Deposits::is_known(channel::ChannelId id) {
    const auto work = [id](pqxx::connection& connection) {
        return ledger::read_channel(connection, id).has_value();
    };
    co_return co_await context_.database.run_at_once(work);
}

/// A method that the token is not taken by has no collector.
chain::DepositTerms Deposits::deposit_terms(const TokenConfig& token) const {
    chain::DepositTerms terms;
    terms.network = network_.config.network;
    terms.token = token.address;
    terms.amount_min = token.deposit_min;
    terms.token_separator = channel::domain_separator(
        {token.name, token.version, network_.config.network.chain_id, token.address});
    if (takes(token, TransferMethod::eip3009))
        terms.erc3009_collector = network_.config.erc3009_collector;
    if (takes(token, TransferMethod::permit2))
        terms.permit2_collector = network_.config.permit2_collector;
    return terms;
}

Deposits::Outcome<Deposits::Prepared> Deposits::joined(Prepared prepared,
                                                       ledger::OutboxEntry before) {
    // Under the same reference, which a Permit2 nonce allows: only one of the two can be mined.
    if (before.is_for_another(prepared.draft.data)) return Error::deposit_simulation_failed;
    prepared.sent_before = std::move(before);
    return prepared;
}

/// A deposit that was sent and did not fail is answered as it was, never sent again: its
/// authorization can be used only once.
Task<Deposits::Outcome<Deposits::Prepared>> Deposits::prepare(channel::ChannelId id,
                                                              channel::ChannelConfig config,
                                                              GaslessDeposit deposit) {
    Prepared prepared;
    const auto terms = deposit_terms(*network_.token_config(config.token));
    const auto reference = chain::deposit_reference(terms, id, config.payer, deposit);
    const auto work = [reference](pqxx::transaction_base& transaction) {
        return ledger::find_outbox(transaction, Purpose::deposit, reference);
    };
    prepared.draft.purpose = Purpose::deposit;
    prepared.draft.reference = reference;
    prepared.draft.to = network_.config.contract;
    prepared.draft.data = chain::deposit_call(terms, config, deposit);
    auto before = co_await context_.read(work);
    if (ledger::stands(before)) co_return joined(std::move(prepared), std::move(*before));
    if (const auto refused =
            chain::refuse_deposit(terms, id, config.payer, deposit, unix_seconds())) {
        if (!chain::is_for_contract_to_judge(*refused)) co_return *refused;
        const auto code = co_await network_.node.code(config.payer);
        if (!code) co_return Refusal{Error::rpc_read_failed};
        if (code->empty()) co_return *refused;
    }
    const auto refused = co_await check_on_chain(config, deposit, prepared);
    if (!refused) co_return prepared;
    // The same request may have come twice at once, and the other's be in a block by now.
    before = co_await context_.read(work);
    if (ledger::stands(before)) co_return joined(std::move(prepared), std::move(*before));
    co_return *refused;
}

Task<Deposits::Refused> Deposits::check_holdings(const channel::ChannelConfig& config,
                                                 const GaslessDeposit& deposit) {
    const auto held = co_await network_.node.token_balance(config.token, config.payer);
    if (!held) co_return Refusal{Error::rpc_read_failed};
    const auto needed = channel::to_word(deposit.amount);
    if (*held < needed) co_return with_limit(Error::insufficient_balance, *held);
    if (!std::holds_alternative<chain::Permit2Authorization>(deposit.authorization))
        co_return std::nullopt;
    const auto allowed =
        co_await network_.node.token_allowance(config.token, config.payer, chain::kPermit2);
    if (!allowed) co_return Refusal{Error::rpc_read_failed};
    if (*allowed < needed) co_return with_limit(Error::permit2_allowance_required, *allowed);
    co_return std::nullopt;
}

Task<Deposits::Refused> Deposits::check_on_chain(const channel::ChannelConfig& config,
                                                 const GaslessDeposit& deposit,
                                                 Prepared& prepared) {
    if (const auto refused = co_await check_holdings(config, deposit)) co_return *refused;
    const auto estimate = co_await network_.node.estimate_gas(prepared.draft.data);
    if (!estimate && estimate.error().reverted()) {
        spdlog::info("{}: a deposit of {} was refused by the contract: {}", network_.node.name(),
                     channel::to_hex(config.payer), chain::revert_reason(estimate.error().data));
        co_return Refusal{Error::deposit_simulation_failed};
    }
    if (!estimate) {
        spdlog::warn("{}: a deposit cannot be simulated: {}", network_.node.name(),
                     estimate.error().message);
        co_return Refusal{Error::rpc_read_failed};
    }
    if (*estimate > chain::kDepositGasMax) co_return Refusal{Error::deposit_simulation_failed};
    prepared.draft.gas_limit = chain::gas_limit_for(*estimate);
    prepared.draft.fees = sender_.fees();
    co_return std::nullopt;
}

Task<Deposits::Outcome<channel::TransactionHash>> Deposits::send(const Prepared& prepared) {
    if (prepared.sent_before) co_return prepared.sent_before->hash;
    const auto draft = prepared.draft;
    const OutboxSender::Write work = [draft](pqxx::connection& connection,
                                             const ledger::Sender& sender) {
        pqxx::work transaction(connection);
        // The same request may have come twice at once.
        auto before = ledger::find_outbox(transaction, draft.purpose, draft.reference);
        if (ledger::stands(before)) return std::vector<ledger::OutboxEntry>{std::move(*before)};
        auto written = ledger::enqueue(transaction, sender, {draft}, now());
        transaction.commit();
        return written;
    };
    auto entries = co_await sender_.write_down(work);
    if (entries.front().is_for_another(draft.data)) co_return Error::deposit_simulation_failed;
    const auto hash = entries.front().hash;
    co_await sender_.broadcast(std::move(entries.front()));
    co_return hash;
}

Task<std::optional<ledger::OutboxEntry>> Deposits::find(const channel::ChannelConfig& config,
                                                        const GaslessDeposit& deposit) {
    const auto* token = network_.token_config(config.token);
    if (!token) co_return std::nullopt;
    const auto id = channel::channel_id(network_.escrow_separator, config);
    const auto terms = deposit_terms(*token);
    const auto reference = chain::deposit_reference(terms, id, config.payer, deposit);
    const auto work = [reference](pqxx::transaction_base& transaction) {
        return ledger::find_outbox(transaction, Purpose::deposit, reference);
    };
    auto found = co_await context_.read(work);
    if (found && found->is_for_another(chain::deposit_call(terms, config, deposit))) found.reset();
    co_return found;
}

/// The outbox tells of the end of a transaction only when the books have followed up to it.
Task<Deposits::Outcome<RelayedDeposit>> Deposits::wait(
    channel::ChannelConfig config, GaslessDeposit deposit,
    std::shared_ptr<const std::atomic<bool>> is_unwanted) {
    const auto& limits = context_.config.limits;
    if (waiting_ >= limits.deposits_awaited_max)
        co_return Refusal{Error::overloaded, channel::Amount{limits.deposits_awaited_max}};
    struct Place {
        std::size_t& taken;
        ~Place() { --taken; }
    };
    ++waiting_;
    const Place place{waiting_};
    const auto deadline = std::chrono::steady_clock::now() + limits.deposit_wait;
    for (;;) {
        const auto sent = co_await find(config, deposit);
        if (!ledger::stands(sent)) co_return Error::deposit_transaction_failed;
        if (sent->status == ledger::OutboxStatus::confirmed)
            co_return RelayedDeposit{sent->hash, deposit.amount};
        if (*is_unwanted || context_.stopping || std::chrono::steady_clock::now() >= deadline)
            co_return Refusal{
                Error::unavailable,
                channel::Amount{static_cast<std::uint64_t>(limits.deposit_wait.count())},
                "deposit"};
        co_await network_.looked.wait(deadline);
    }
}

/// Reads the contract as of the cursor's block while the cursor cannot move, and has the channel
/// opened with that.
Task<Deposits::Outcome<channel::State>> Deposits::take_under_care(const ledger::ChannelTerms& terms,
                                                                  bool deposit_follows) {
    const auto pass = co_await network_.cursor_gate.take();
    const auto contract = co_await read_contract_state(network_, terms.id);
    if (!contract) co_return Refusal{Error::rpc_read_failed};
    if (contract->state.balance.is_zero() && !deposit_follows) {
        const auto newest = co_await network_.node.channel_totals(terms.id, BlockTag::latest());
        if (!newest) co_return Refusal{Error::rpc_read_failed};
        if (newest->balance.is_zero()) co_return Refusal{Error::channel_not_found};
    }
    const ledger::Request request =
        ledger::OpenChannel{{}, terms, contract->state, contract->block};
    const auto answer = co_await context_.shards.call_one(request);
    if (const auto* refused = std::get_if<Refusal>(&answer.outcome)) co_return *refused;
    if (answer.terms && answer.terms->voucher_signer == channel::VoucherSigner::contract)
        context_.wallet_channels.add(terms.id, {network_.config.network, terms.config.payer,
                                                terms.config.receiver_authorizer});
    co_return std::get<ledger::ChannelChanged>(answer.outcome).state;
}

}  // namespace millrace::api
