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

}  // namespace

Deposits::Deposits(ChainContext& context, ChainNetwork& network, OutboxSender& sender)
    : context_(context), network_(network), sender_(sender) {}

Task<Deposits::Outcome<OpenedChannel>> Deposits::open(channel::ChannelConfig config,
                                                      std::string app,
                                                      std::optional<GaslessDeposit> deposit) {
    if (const auto refused = check_terms(config)) co_return *refused;
    const auto id = channel::channel_id(network_.escrow_separator, config);
    if (co_await has_too_many(config.payer)) {
        const auto work = [id](pqxx::connection& connection) {
            return ledger::read_channel(connection, id).has_value();
        };
        const auto known = co_await context_.database.run(work);
        if (!known)
            co_return Refusal{Error::rate_limited,
                              channel::Amount{context_.config.limits.channels_per_payer_max},
                              "channelConfig.payer"};
    }
    Prepared prepared;
    if (deposit) {
        auto outcome = co_await prepare(id, config, *deposit);
        if (const auto* refused = std::get_if<Refusal>(&outcome)) co_return *refused;
        prepared = std::move(std::get<Prepared>(outcome));
    }
    const ledger::ChannelTerms terms{id, network_.asset_of(context_, config.token)->id, config,
                                     std::move(app)};
    const auto outcome = co_await take_under_care(terms, deposit.has_value());
    if (const auto* refused = std::get_if<Refusal>(&outcome)) co_return *refused;
    const auto& state = std::get<channel::State>(outcome);
    OpenedChannel opened{id, state.status, state.balance, {}};
    if (deposit) opened.transaction = co_await send(prepared);
    co_return opened;
}

Task<Deposits::Outcome<OpenedChannel>> Deposits::top_up(ledger::ChannelRecord record,
                                                        GaslessDeposit deposit) {
    const auto id = record.terms.id;
    if (!network_.token_config(record.terms.config.token)) co_return Error::token_mismatch;
    auto outcome = co_await prepare(id, record.terms.config, std::move(deposit));
    if (const auto* refused = std::get_if<Refusal>(&outcome)) co_return *refused;
    OpenedChannel opened{id, record.state.status, record.state.balance, {}};
    opened.transaction = co_await send(std::get<Prepared>(outcome));
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
    if (!network_.cursor) return Error::unavailable;
    return std::nullopt;
}

Task<bool> Deposits::has_too_many(const channel::Address& payer) {
    const auto most = context_.config.limits.channels_per_payer_max;
    const auto address = payer;
    const auto work = [address, most](pqxx::transaction_base& transaction) {
        return ledger::has_channels(transaction, address, most);
    };
    co_return co_await context_.read(work);
}

/// A deposit that was sent and did not fail is answered as it was, never sent again: its
/// authorization can be used only once.
Task<Deposits::Outcome<Deposits::Prepared>> Deposits::prepare(channel::ChannelId id,
                                                              channel::ChannelConfig config,
                                                              GaslessDeposit deposit) {
    Prepared prepared;
    const auto reference = chain::deposit_reference(id, deposit);
    const auto work = [reference](pqxx::transaction_base& transaction) {
        return ledger::find_outbox(transaction, Purpose::deposit, reference);
    };
    auto before = co_await context_.read(work);
    if (before && before->status != ledger::OutboxStatus::failed) {
        prepared.sent_before = std::move(before);
        co_return prepared;
    }
    const auto& token = *network_.token_config(config.token);
    const chain::DepositTerms terms{
        channel::domain_separator(
            {token.name, token.version, network_.config.network.chain_id, token.address}),
        network_.config.erc3009_collector, token.deposit_min};
    if (const auto refused =
            chain::refuse_deposit(terms, id, config.payer, deposit, unix_seconds()))
        co_return *refused;
    prepared.draft.purpose = Purpose::deposit;
    prepared.draft.reference = reference;
    prepared.draft.to = network_.config.contract;
    prepared.draft.data = chain::deposit_call(config, network_.config.erc3009_collector, deposit);
    if (const auto refused = co_await check_on_chain(config, deposit, prepared)) co_return *refused;
    co_return prepared;
}

Task<Deposits::Refused> Deposits::check_on_chain(const channel::ChannelConfig& config,
                                                 const GaslessDeposit& deposit,
                                                 Prepared& prepared) {
    const auto held = co_await network_.node.token_balance(config.token, config.payer);
    if (!held) co_return Refusal{Error::rpc_read_failed};
    if (*held < channel::to_word(deposit.amount)) {
        const auto limit = channel::amount_from_word(*held);
        co_return limit ? Refusal{Error::insufficient_balance, *limit}
                        : Refusal{Error::insufficient_balance};
    }
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
    prepared.draft.gas_limit = chain::gas_limit_for(*estimate);
    prepared.draft.fees = sender_.fees();
    co_return std::nullopt;
}

Task<channel::TransactionHash> Deposits::send(const Prepared& prepared) {
    if (prepared.sent_before) co_return prepared.sent_before->hash;
    const auto draft = prepared.draft;
    const OutboxSender::Write work = [draft](pqxx::connection& connection,
                                             const ledger::Sender& sender) {
        pqxx::work transaction(connection);
        // The same request may have come twice at once.
        auto before = ledger::find_outbox(transaction, draft.purpose, draft.reference);
        if (before && before->status != ledger::OutboxStatus::failed)
            return std::vector<ledger::OutboxEntry>{std::move(*before)};
        auto written = ledger::enqueue(transaction, sender, {draft}, now());
        transaction.commit();
        return written;
    };
    auto entries = co_await sender_.write_down(work);
    const auto hash = entries.front().hash;
    co_await sender_.broadcast(std::move(entries.front()));
    co_return hash;
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
    const ledger::Request request = ledger::OpenChannel{{}, terms, contract->state, contract->block};
    const auto answer = co_await context_.shards.call_one(request);
    if (const auto* refused = std::get_if<Refusal>(&answer.outcome)) co_return *refused;
    co_return std::get<ledger::ChannelChanged>(answer.outcome).state;
}

}  // namespace millrace::api
