#pragma once

#include "api/task.hpp"

#include "api/chain/chain_service.hpp"
#include "api/config.hpp"
#include "api/database.hpp"
#include "api/shards.hpp"
#include "tests/support/anvil.hpp"
#include "tests/support/postgres.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace support {

using namespace millrace;

/// A chain, a database, shards and the chain service on them, as the service runs them.
class ChainStack {
public:
    /// `change` may change the configuration before anything starts.
    using Change = std::function<void(api::Config&)>;
    explicit ChainStack(std::vector<std::string> anvil_arguments = {}, Change change = {});
    ~ChainStack();

    void start();
    void stop();

    Anvil anvil;
    Postgres postgres{Postgres::Contents::migrated};
    api::Config config;

    api::ChainService& chain() { return *chain_; }
    api::Shards& shards() { return *shards_; }
    api::Database& database() { return *database_; }
    const ledger::Assets& assets() const { return assets_; }
    api::NetworkConfig& network() { return config.networks.front(); }
    const ledger::Asset& asset() const;

    /// Runs a task of the service to its end.
    template <class T>
    T run(api::Task<T> task) {
        boost::asio::io_context io;
        auto future = boost::asio::co_spawn(io, std::move(task), boost::asio::use_future);
        io.run();
        return future.get();
    }

    /// Of the anvil account, paying `receiver`, authorised by the service.
    channel::ChannelConfig terms(unsigned payer, const channel::Address& receiver,
                                 std::uint64_t salt = 0) const;
    channel::ChannelId id(const channel::ChannelConfig& config) const;
    api::GaslessDeposit deposit(unsigned payer, const channel::ChannelConfig& config,
                                std::uint64_t amount, std::uint64_t salt = 0) const;
    api::GaslessDeposit permit2_deposit(unsigned payer, const channel::ChannelConfig& config,
                                        std::uint64_t amount, std::uint64_t nonce = 0) const;
    /// The payer's own transaction, without which Permit2 moves nothing.
    void approve_permit2(unsigned payer, std::uint64_t amount);
    /// The payer's own transaction, without the service.
    channel::TransactionHash deposit_directly(unsigned payer, const channel::ChannelConfig& config,
                                              std::uint64_t amount, std::uint64_t salt = 0);
    /// Opens with a deposit and waits until it counts.
    channel::ChannelId opened(unsigned payer, const channel::ChannelConfig& config,
                              std::uint64_t amount);
    /// Pays at once; the refusal, if any.
    std::optional<channel::Error> pay(unsigned payer, const channel::ChannelConfig& config,
                                      std::uint64_t amount, std::uint64_t max_claimable);

    /// A request of a party about its payments; the refusal, if any.
    std::optional<channel::Error> command(
        const channel::Address& caller, const channel::ChannelId& id,
        ledger::PaymentCommand command,
        ledger::ContractVerdict verdict = ledger::ContractVerdict::none);
    channel::SignedVoucher voucher(unsigned payer, const channel::ChannelConfig& config,
                                   std::uint64_t max_claimable) const;
    /// The same with a voucher of one's own, and what the edge says of it.
    std::optional<channel::Error> pay_with(const channel::ChannelConfig& config,
                                           std::uint64_t amount,
                                           const channel::SignedVoucher& voucher,
                                           ledger::ContractVerdict verdict);

    /// The newest state that the shards have told of the channel.
    channel::State state(const channel::ChannelId& id);
    std::vector<std::string> channel_events(const channel::ChannelId& id);
    std::vector<api::ChainService::SettlementEvent> settlement_events();

    /// Until the condition holds, looking again whenever something was committed; false when it
    /// does not hold in time.
    bool wait(const std::function<bool()>& condition);
    /// Until something is committed, or for a few milliseconds.
    void wait_a_moment();
    bool wait_for_status(const channel::ChannelId& id, channel::Status status);
    bool wait_for_event(const channel::ChannelId& id, const std::string& name);
    /// Until the follower has looked at the newest block and at what it brought.
    bool wait_until_followed();
    bool wait_for_claim(const std::string& claim_id, const std::string& name);

    std::string query(const std::string& sql);
    /// Debits less credits over all accounts, and whether every account agrees with its transfers.
    std::string trial_balance();

private:
    void write_key(const std::string& name, unsigned account);
    void take(std::vector<ledger::Answer> answers);
    void publish(std::span<const ledger::Answer> answers);

    std::filesystem::path directory_;
    ledger::Assets assets_;
    std::unique_ptr<api::Database> database_;
    std::unique_ptr<api::Shards> shards_;
    std::unique_ptr<api::ChainService> chain_;

    std::recursive_mutex mutex_;
    std::condition_variable_any changed_;
    std::map<channel::ChannelId, channel::State> states_;
    std::map<channel::ChannelId, std::vector<std::string>> channel_events_;
    std::vector<api::ChainService::SettlementEvent> settlement_events_;
    std::vector<ledger::Answer> answers_;
    unsigned payments_ = 0;
};

template <class T>
std::optional<channel::Error> error_of(const api::ChainService::Outcome<T>& outcome) {
    if (const auto* refusal = std::get_if<channel::Refusal>(&outcome)) return refusal->error;
    return std::nullopt;
}

}  // namespace support
