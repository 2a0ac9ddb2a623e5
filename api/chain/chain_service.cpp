#include "api/chain/chain_service.hpp"

#include "api/chain/network_loop.hpp"
#include "api/chain/reconciliation.hpp"

#include "api/shards.hpp"
#include "api/signer/open_signer.hpp"
#include "channel/error.hpp"
#include "channel/voucher.hpp"
#include "ledger/wallet_channel_reader.hpp"

#include <spdlog/spdlog.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include <stdexcept>
#include <thread>

namespace millrace::api {

namespace asio = boost::asio;
using channel::Error;
using channel::Refusal;

class ChainService::Loop {
public:
    Loop(const Config& config, ledger::Assets assets, Database& database, Shards& shards,
         std::function<void(const SettlementEvent&)> publish)
        : assets_(std::move(assets)),
          signer_(open_signer(config)),
          context_{config,
                   assets_,
                   database,
                   shards.commit_order(),
                   [publish = std::move(publish)](const ledger::SettlementEvent& event) {
                       publish({event.seq, event.name, event.receiver, event.data});
                   },
                   *signer_,
                   io_.get_executor(),
                   ShardCalls(io_.get_executor(), shards, kGateway)} {
        for (const auto& network : config.networks) add(network);
    }
    ~Loop() { stop(); }

    void start() {
        thread_ = std::thread([this] { io_.run(); });
        try {
            asio::co_spawn(io_, start_networks(), asio::use_future).get();
        } catch (...) {
            stop();
            throw;
        }
        // The loops catch what they can go on after.
        const auto ended = [](const std::exception_ptr& failure) {
            if (failure) std::rethrow_exception(failure);
        };
        for (auto& network : networks_) {
            asio::co_spawn(io_, network->follow(), ended);
            asio::co_spawn(io_, network->claim(), ended);
        }
    }

    void stop() {
        if (!thread_.joinable()) return;
        context_.stopping = true;
        asio::post(io_, [this] {
            context_.shards.close();
            for (auto& network : networks_) network->close();
        });
        work_.reset();
        thread_.join();
    }

    /// Runs a task on the chain thread; the caller goes on where it was.
    template <class T>
    Task<Outcome<T>> on_chain_thread(Task<Outcome<T>> task) {
        if (context_.stopping) co_return Refusal{Error::unavailable};
        co_return co_await asio::co_spawn(io_, guarded(std::move(task)), asio::use_awaitable);
    }

    Task<Outcome<OpenedChannel>> open(channel::Network network, channel::ChannelConfig config,
                                      std::string app, std::optional<GaslessDeposit> deposit) {
        auto* loop = find(network);
        if (!loop) co_return Refusal{Error::network_mismatch};
        co_return co_await loop->deposits().open(config, std::move(app), std::move(deposit));
    }

    Task<Outcome<OpenedChannel>> top_up(channel::ChannelId id, channel::Address caller,
                                        GaslessDeposit deposit) {
        const auto work = [id](pqxx::connection& connection) {
            return ledger::read_channel(connection, id);
        };
        auto record = co_await context_.database.run(work);
        if (!record) co_return Refusal{Error::channel_unknown};
        if (!ledger::is_payer_side(record->terms.config, caller))
            co_return Refusal{Error::forbidden};
        auto* loop = find(assets_.at(record->terms.asset_id).network);
        if (!loop) co_return Refusal{Error::network_mismatch};
        co_return co_await loop->deposits().top_up(std::move(*record), std::move(deposit));
    }

    Task<Outcome<RelayedDeposit>> await_deposit(
        channel::Network network, channel::ChannelConfig config, GaslessDeposit deposit,
        std::shared_ptr<const std::atomic<bool>> is_unwanted) {
        auto* loop = find(network);
        if (!loop) co_return Refusal{Error::network_mismatch};
        co_return co_await loop->deposits().wait(config, std::move(deposit), is_unwanted);
    }

    Task<Outcome<RefundSent>> refund(channel::ChannelId id, channel::Address caller,
                                     channel::AskRefund asked) {
        const auto work = [id](pqxx::connection& connection) {
            return ledger::read_channel(connection, id);
        };
        const auto record = co_await context_.database.run(work);
        if (!record) co_return Refusal{Error::channel_unknown};
        if (!ledger::may_ask_for_refund(record->terms.config, caller))
            co_return Refusal{Error::forbidden};
        auto* loop = find(assets_.at(record->terms.asset_id).network);
        if (!loop) co_return Refusal{Error::network_mismatch};
        co_return co_await loop->refunds().refund(record->terms, caller, asked);
    }

    Task<Outcome<ClaimSummary>> claim(channel::Address receiver,
                                      std::optional<channel::Network> network,
                                      std::optional<channel::Address> token) {
        if (network && !find(*network)) co_return Refusal{Error::network_mismatch};
        std::optional<ClaimSummary> first;
        std::optional<Refusal> failure;
        bool matched = false;
        for (const auto& [id, asset] : assets_) {
            auto* loop = find(asset.network);
            if (!loop || asset.token.is_zero()) continue;
            if (network && asset.network != *network) continue;
            if (token && asset.token != *token) continue;
            matched = true;
            auto outcome = co_await loop->claims().claim(asset, receiver);
            if (auto* summary = std::get_if<ClaimSummary>(&outcome)) {
                if (!first) first = std::move(*summary);
            } else if (std::get<Refusal>(outcome).error != Error::nothing_to_settle) {
                failure = std::get<Refusal>(outcome);
            }
        }
        if (first) co_return std::move(*first);
        if (failure) co_return *failure;
        co_return Refusal{matched ? Error::nothing_to_settle : Error::token_mismatch};
    }

    Task<Outcome<ClaimSummary>> get_claim(std::string claim_id, channel::Address receiver) {
        const auto work = [claim_id](pqxx::transaction_base& transaction) {
            return ledger::read_claim(transaction, claim_id);
        };
        const auto record = co_await context_.read(work);
        if (!record) co_return Refusal{Error::invalid_params};
        if (record->receiver != receiver) co_return Refusal{Error::forbidden};
        co_return summary_of(*record);
    }

    Task<Outcome<std::vector<ClaimSummary>>> list_claims(channel::Address receiver,
                                                         std::string after, std::size_t limit) {
        const auto work = [receiver, after, limit](pqxx::transaction_base& transaction) {
            return ledger::list_claims(transaction, receiver, after, limit);
        };
        const auto records = co_await context_.read(work);
        std::vector<ClaimSummary> claims;
        for (const auto& record : records) claims.push_back(summary_of(record));
        co_return claims;
    }

    Task<Outcome<std::vector<ledger::QuarantinedChannel>>> list_quarantine(
        channel::Address receiver, std::optional<channel::ChannelId> after, std::size_t limit) {
        const auto work = [receiver, after, limit](pqxx::transaction_base& transaction) {
            return ledger::list_quarantine(transaction, receiver, after, limit);
        };
        co_return co_await context_.read(work);
    }

    Task<Outcome<ClaimSummary>> retry_channel(channel::ChannelId id, channel::Address receiver) {
        const auto work = [id](pqxx::connection& connection) {
            return ledger::read_channel(connection, id);
        };
        const auto record = co_await context_.database.run(work);
        if (!record) co_return Refusal{Error::channel_unknown};
        if (record->terms.config.receiver != receiver) co_return Refusal{Error::forbidden};
        const std::vector<channel::ChannelId> ids{id};
        co_return co_await retry(ids, record->terms.asset_id, receiver);
    }

    Task<Outcome<ClaimSummary>> retry_claim(std::string claim_id, channel::Address receiver) {
        const auto work = [claim_id](pqxx::transaction_base& transaction) {
            return std::pair(ledger::read_claim(transaction, claim_id),
                             ledger::claimed_channels(transaction, claim_id));
        };
        const auto [record, channels] = co_await context_.read(work);
        if (!record) co_return Refusal{Error::invalid_params};
        if (record->receiver != receiver) co_return Refusal{Error::forbidden};
        co_return co_await retry(channels, record->asset_id, receiver);
    }

    Task<Outcome<Valid>> ask_wallet(channel::ChannelId channel, channel::SignedVoucher voucher) {
        const auto wallet = context_.wallet_channels.find(channel);
        auto* loop = wallet ? find(wallet->network) : nullptr;
        if (!loop) co_return Refusal{Error::network_mismatch};
        const auto digest = channel::digest(loop->network().escrow_separator,
                                            channel::Voucher{channel, voucher.max_claimable});
        const auto refused = co_await loop->network().wallet_signatures.refuse(
            wallet->address, digest, std::move(voucher.signature));
        if (refused) co_return Refusal{*refused};
        co_return Valid{};
    }

    Task<Outcome<Valid>> ask_wallet(channel::Address wallet, channel::Digest digest,
                                    channel::VoucherSignature signature,
                                    std::optional<channel::Network> network) {
        auto* loop = network ? find(*network) : networks_.front().get();
        if (!loop) co_return Refusal{Error::network_mismatch};
        const auto refused =
            co_await loop->network().wallet_signatures.refuse(wallet, digest, std::move(signature));
        if (refused) co_return Refusal{*refused};
        co_return Valid{};
    }

    Task<Outcome<x402::Verdict>> verify(x402::FacilitatorRequest request) {
        auto* loop = find_named(request.requirements.network);
        x402::Verdict verdict;
        if (loop)
            verdict = co_await loop->facilitator().verify(std::move(request));
        else
            verdict.objection = x402::objection(Error::network_mismatch);
        co_return verdict;
    }

    Task<Outcome<x402::Settlement>> settle(x402::FacilitatorRequest request) {
        auto* loop = find_named(request.requirements.network);
        x402::Settlement settlement;
        if (loop)
            settlement = co_await loop->facilitator().settle(std::move(request));
        else
            settlement.objection = x402::objection(Error::network_mismatch);
        co_return settlement;
    }

    Task<Outcome<ledger::Reconciliation>> reconcile(Vouchers vouchers) {
        // Its own turn, and not a wait for it: each holds a view of the database open.
        if (is_reconciling_) co_return Refusal{Error::rate_limited};
        struct Turn {
            bool& taken;
            ~Turn() { taken = false; }
        };
        is_reconciling_ = true;
        const Turn turn{is_reconciling_};
        std::vector<ChainNetwork*> all;
        for (auto& network : networks_) all.push_back(&network->network());
        auto found = co_await api::reconcile(context_, std::move(all), vouchers);
        if (!found) co_return Refusal{static_cast<Error>(found.error().value())};
        co_return std::move(*found);
    }

    bool has_networks() const { return !networks_.empty(); }
    const WalletChannels& wallet_channels() const { return context_.wallet_channels; }
    std::optional<Refusal> refuse_wallet(const channel::ChannelId& channel) const {
        const auto wallet = context_.wallet_channels.find(channel);
        if (!wallet) return std::nullopt;
        return context_.refuse_payer(wallet->receiver_authorizer, channel::VoucherSigner::contract);
    }
    ShardCalls& shards() { return context_.shards; }
    channel::Address authorizer() const { return context_.signer.authorizer(); }
    channel::Address relayer() const { return context_.signer.relayer(); }

    ledger::chain::SignerHealth signer_health() const { return signer_->health(); }

    std::vector<NetworkHealth> health() const {
        std::vector<NetworkHealth> all;
        for (const auto& network : networks_) all.push_back(network->health());
        return all;
    }

private:
    Task<Outcome<ClaimSummary>> retry(std::vector<channel::ChannelId> ids, std::int32_t asset_id,
                                      channel::Address receiver) {
        const auto& asset = assets_.at(asset_id);
        auto* loop = find(asset.network);
        if (!loop) co_return Refusal{Error::network_mismatch};
        const auto work = [ids](pqxx::connection& connection) {
            pqxx::work transaction(connection);
            const auto released = ledger::release_from_quarantine(transaction, ids);
            transaction.commit();
            return released;
        };
        co_await context_.database.run_at_once(work);
        co_return co_await loop->claims().claim(asset, receiver);
    }

    void add(const NetworkConfig& network) {
        try {
            networks_.push_back(std::make_unique<NetworkLoop>(context_, network));
        } catch (const std::invalid_argument& error) {
            throw ConfigError("networks: " + channel::to_string(network.network) +
                              ": rpc_urls: " + error.what());
        }
    }

    Task<void> start_networks() {
        const auto work = [](pqxx::transaction_base& transaction) {
            return ledger::wallet_channels(transaction);
        };
        const auto wallets = co_await context_.read(work);
        std::size_t refused = 0;
        for (const auto& one : wallets) {
            const auto asset = assets_.find(one.asset_id);
            if (asset != assets_.end())
                context_.wallet_channels.add(
                    one.id, {asset->second.network, one.payer, one.receiver_authorizer});
            if (refuse_wallet(one.id)) ++refused;
        }
        if (refused > 0)
            spdlog::warn(
                "{} channels are of payers that are contracts, for which the signer signs no "
                "claims: they take no new payments, and what is charged there waits for "
                "signer.contract_payers",
                refused);
        for (auto& network : networks_) co_await network->start();
    }

    /// The one door where what the database throws becomes a value.
    template <class T>
    static Task<Outcome<T>> guarded(Task<Outcome<T>> task) {
        try {
            co_return co_await std::move(task);
        } catch (const ledger::ClaimInTheWay& error) {
            spdlog::info("a claim was not made: {}", error.what());
        } catch (const ledger::chain::SignerUnavailable& error) {
            spdlog::warn("a request about the chain was not carried out: {}", error.what());
        } catch (const std::exception& error) {
            spdlog::error("a request about the chain failed: {}", error.what());
        }
        co_return Refusal{Error::unavailable};
    }

    NetworkLoop* find(channel::Network network) {
        for (auto& one : networks_)
            if (one->id() == network) return one.get();
        return nullptr;
    }

    NetworkLoop* find_named(std::string_view text) {
        const auto network = channel::parse_network(text);
        return network ? find(*network) : nullptr;
    }

    asio::io_context io_{1};
    asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
    ledger::Assets assets_;
    std::unique_ptr<ledger::chain::Signer> signer_;
    ChainContext context_;
    std::vector<std::unique_ptr<NetworkLoop>> networks_;
    bool is_reconciling_ = false;
    std::thread thread_;
};

ChainService::ChainService(const Config& config, ledger::Assets assets, Database& database,
                           Shards& shards, std::function<void(const SettlementEvent&)> publish)
    : loop_(std::make_unique<Loop>(config, std::move(assets), database, shards,
                                   std::move(publish))) {}

ChainService::~ChainService() = default;

void ChainService::start() {
    loop_->start();
}

void ChainService::stop() {
    loop_->stop();
}

void ChainService::deliver(std::vector<ledger::Answer> answers) {
    loop_->shards().deliver(std::move(answers));
}

Task<ChainService::Outcome<OpenedChannel>> ChainService::open(
    channel::Network network, channel::ChannelConfig config, std::string app,
    std::optional<GaslessDeposit> deposit) {
    return loop_->on_chain_thread(loop_->open(network, config, std::move(app), std::move(deposit)));
}

Task<ChainService::Outcome<OpenedChannel>> ChainService::top_up(channel::ChannelId id,
                                                                channel::Address caller,
                                                                GaslessDeposit deposit) {
    return loop_->on_chain_thread(loop_->top_up(id, caller, std::move(deposit)));
}

Task<ChainService::Outcome<RelayedDeposit>> ChainService::await_deposit(
    channel::Network network, channel::ChannelConfig config, GaslessDeposit deposit,
    std::shared_ptr<const std::atomic<bool>> is_unwanted) {
    return loop_->on_chain_thread(
        loop_->await_deposit(network, config, std::move(deposit), std::move(is_unwanted)));
}

Task<ChainService::Outcome<RefundSent>> ChainService::refund(channel::ChannelId id,
                                                             channel::Address caller,
                                                             channel::AskRefund asked) {
    return loop_->on_chain_thread(loop_->refund(id, caller, asked));
}

Task<ChainService::Outcome<ClaimSummary>> ChainService::claim(
    channel::Address receiver, std::optional<channel::Network> network,
    std::optional<channel::Address> token) {
    return loop_->on_chain_thread(loop_->claim(receiver, network, token));
}

Task<ChainService::Outcome<ClaimSummary>> ChainService::get_claim(std::string claim_id,
                                                                  channel::Address receiver) {
    return loop_->on_chain_thread(loop_->get_claim(std::move(claim_id), receiver));
}

Task<ChainService::Outcome<std::vector<ClaimSummary>>> ChainService::list_claims(
    channel::Address receiver, std::string after, std::size_t limit) {
    return loop_->on_chain_thread(loop_->list_claims(receiver, std::move(after), limit));
}

Task<ChainService::Outcome<std::vector<ledger::QuarantinedChannel>>> ChainService::list_quarantine(
    channel::Address receiver, std::optional<channel::ChannelId> after, std::size_t limit) {
    return loop_->on_chain_thread(loop_->list_quarantine(receiver, after, limit));
}

Task<ChainService::Outcome<ClaimSummary>> ChainService::retry_channel(channel::ChannelId id,
                                                                      channel::Address receiver) {
    return loop_->on_chain_thread(loop_->retry_channel(id, receiver));
}

Task<ChainService::Outcome<ClaimSummary>> ChainService::retry_claim(std::string claim_id,
                                                                    channel::Address receiver) {
    return loop_->on_chain_thread(loop_->retry_claim(std::move(claim_id), receiver));
}

std::optional<channel::Address> ChainService::wallet_of(const channel::ChannelId& channel) const {
    const auto wallet = loop_->wallet_channels().find(channel);
    return wallet ? std::optional(wallet->address) : std::nullopt;
}

std::optional<Refusal> ChainService::refuse_wallet(const channel::ChannelId& channel) const {
    return loop_->refuse_wallet(channel);
}

Task<ChainService::Outcome<ChainService::Valid>> ChainService::ask_wallet(
    channel::ChannelId channel, channel::SignedVoucher voucher) {
    return loop_->on_chain_thread(loop_->ask_wallet(channel, std::move(voucher)));
}

Task<ChainService::Outcome<ChainService::Valid>> ChainService::ask_wallet(
    channel::Address wallet, channel::Digest digest, channel::VoucherSignature signature,
    std::optional<channel::Network> network) {
    if (!loop_->has_networks()) co_return Refusal{Error::voucher_signature};
    co_return co_await loop_->on_chain_thread(
        loop_->ask_wallet(wallet, digest, std::move(signature), network));
}

Task<ChainService::Outcome<x402::Verdict>> ChainService::verify(x402::FacilitatorRequest request) {
    return loop_->on_chain_thread(loop_->verify(std::move(request)));
}

Task<ChainService::Outcome<x402::Settlement>> ChainService::settle(
    x402::FacilitatorRequest request) {
    return loop_->on_chain_thread(loop_->settle(std::move(request)));
}

Task<ChainService::Outcome<ledger::Reconciliation>> ChainService::reconcile(Vouchers vouchers) {
    return loop_->on_chain_thread(loop_->reconcile(vouchers));
}

channel::Address ChainService::receiver_authorizer() const {
    return loop_->authorizer();
}

channel::Address ChainService::relayer() const {
    return loop_->relayer();
}

ledger::chain::SignerHealth ChainService::signer_health() const {
    return loop_->signer_health();
}

std::vector<ChainService::NetworkHealth> ChainService::health() const {
    return loop_->health();
}

}  // namespace millrace::api
