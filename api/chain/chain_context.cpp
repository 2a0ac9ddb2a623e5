#include "api/chain/chain_context.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>

namespace millrace::api {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kOpeningsAtOnce = 64;
/// So that a long pause does not hold up the end of the service.
constexpr std::chrono::milliseconds kPauseStep = 50ms;

}  // namespace

ledger::Time now() {
    return std::chrono::time_point_cast<std::chrono::microseconds>(
        std::chrono::system_clock::now());
}

std::optional<channel::Refusal> ChainContext::refuse_payer(
    const channel::Address& receiver_authorizer, channel::VoucherSigner voucher_signer) const {
    const bool is_contract = voucher_signer == channel::VoucherSigner::contract;
    if (!is_contract || receiver_authorizer != signer.authorizer()) return std::nullopt;
    if (signer.contract_payers() == ledger::chain::ContractPayers::believed) return std::nullopt;
    return channel::Refusal{channel::Error::contract_payer_refused};
}

Task<void> ChainContext::commit_in_order(Work work) {
    const auto committing = [this, work = std::move(work)](pqxx::connection& connection) {
        const ledger::CommitOrder::Turn turn(order);
        pqxx::work transaction(connection);
        const auto events = work(transaction);
        transaction.commit();
        for (const auto& event : events) publish(event);
    };
    co_await database.run_at_once(committing);
}

Task<void> ChainContext::pause(std::chrono::milliseconds duration) const {
    for (auto left = duration; left > 0ms && !stopping; left -= kPauseStep) {
        asio::steady_timer timer(executor, std::min(left, kPauseStep));
        co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
    }
}

ChainNetwork::ChainNetwork(ChainContext& context, const NetworkConfig& settings)
    : config(settings),
      escrow{settings.network, settings.contract},
      escrow_separator(ledger::chain::domain_separator(escrow)),
      node(context.executor, settings, context.signer.relayer()),
      wallet_signatures(context.executor, node),
      cursor_gate(context.executor, kOpeningsAtOnce),
      nonces(context.executor, 1),
      claims(context.executor, 1),
      looked(context.executor) {
    coin = asset_of(context, {});
    if (!coin)
        throw ConfigError("no asset is registered for the coin of " +
                          channel::to_string(settings.network));
}

const ledger::Asset* ChainNetwork::asset_of(const ChainContext& context,
                                            const channel::Address& token) const {
    for (const auto& [id, asset] : context.assets)
        if (asset.network == config.network && asset.token == token) return &asset;
    return nullptr;
}

const TokenConfig* ChainNetwork::token_config(const channel::Address& token) const {
    for (const auto& one : config.tokens)
        if (one.address == token) return &one;
    return nullptr;
}

}  // namespace millrace::api
