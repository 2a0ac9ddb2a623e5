#include "api/service.hpp"

#include "api/auth/challenges.hpp"
#include "api/auth/tokens.hpp"
#include "api/chain/chain_service.hpp"
#include "api/clock.hpp"
#include "api/database.hpp"
#include "api/ending.hpp"
#include "api/metrics.hpp"
#include "api/months_ahead.hpp"
#include "api/posting.hpp"
#include "api/rest/routes.hpp"
#include "api/server.hpp"
#include "api/shards.hpp"
#include "api/transparency/log_key.hpp"
#include "api/transparency/sealing.hpp"
#include "channel/address.hpp"
#include "channel/eip712.hpp"
#include "ledger/migrate.hpp"
#include "ledger/stats_reader.hpp"

#include <spdlog/spdlog.h>
#include <boost/asio/ip/host_name.hpp>

#include <unistd.h>

#include <algorithm>
#include <atomic>

namespace millrace::api {
namespace {

constexpr int kLostExitCode = 3;
constexpr int kCoinDecimals = 18;

std::vector<ledger::Asset> wanted_assets(const Config& config) {
    std::vector<ledger::Asset> wanted;
    for (const auto& network : config.networks) {
        const auto separator = channel::domain_separator(
            channel::escrow_domain(network.network.chain_id, network.contract));
        for (const auto& token : network.tokens)
            wanted.push_back({0, network.network, token.address, token.name, token.symbol,
                              token.decimals, network.contract, separator});
        wanted.push_back({0,
                          network.network,
                          {},
                          network.coin,
                          network.coin,
                          kCoinDecimals,
                          network.contract,
                          separator});
    }
    return wanted;
}

ledger::Assets prepare_database(const Config& config) {
    pqxx::connection connection(config.ledger.postgres);
    for (const auto& name : ledger::migrate(connection, now()))
        spdlog::info("applied migration {}", name);
    auto assets = ledger::register_assets(connection, wanted_assets(config));
    for (const auto& [network, token, channels] : ledger::unserved_assets(connection, assets))
        spdlog::error(
            "{} channels hold money in token {} on {}, which is not in the configuration: "
            "they are neither served nor claimed; put it back",
            channels, channel::to_checksum(token), network);
    return assets;
}

ShardsSettings shards_settings(const Config& config, Metrics& metrics) {
    ShardsSettings settings;
    settings.postgres = config.ledger.postgres;
    settings.shards_wanted = std::max(1u, config.ledger.shards);
    settings.limits.reservations_max = config.limits.reservations_per_channel_max;
    settings.queue_max = config.limits.shard_queue_max;
    settings.lease_duration = config.ledger.lease_duration;
    settings.commit_timeout = config.ledger.commit_timeout;
    settings.post_later = config.ledger.post_within.count() > 0;
    settings.checking = config.ledger.check_every_signature ? ledger::Checking::each
                                                            : ledger::Checking::newest_first;
    settings.key_tables_max = config.ledger.key_tables_max;
    settings.observed = [&metrics](std::size_t requests, std::chrono::nanoseconds took) {
        metrics.batch(requests, took);
    };
    settings.worked = [&metrics](Stage stage, std::chrono::nanoseconds cpu) {
        metrics.worked(stage, cpu);
    };
    settings.waited = [&metrics](CommitWait what, std::chrono::nanoseconds time) {
        metrics.waited(what, time);
    };
    boost::system::error_code ignored;
    settings.holder = boost::asio::ip::host_name(ignored) + ":" + std::to_string(::getpid());
    return settings;
}

std::uint64_t newest_seq(const Config& config) {
    pqxx::connection connection(config.ledger.postgres);
    return ledger::read_stats(connection).last_seq;
}

/// Everything of one run, in the order in which it depends on each other.
class Service {
public:
    explicit Service(const Config& config)
        : config_(config),
          tokens_(config.auth),
          challenges_(config),
          assets_(prepare_database(config)),
          months_ahead_(config.ledger.postgres),
          server_(config, metrics_),
          shards_(
              shards_settings(config, metrics_), assets_,
              [this](std::uint32_t gateway, std::vector<ledger::Answer> answers) {
                  if (gateway == ChainService::kGateway)
                      chain_.deliver(std::move(answers));
                  else
                      server_.deliver(gateway, std::move(answers));
              },
              [this](std::span<const ledger::Answer> answers) { server_.publish(answers); },
              [this](const std::string& why) {
                  spdlog::error("this process can no longer write: {}", why);
                  ending_.ask(kLostExitCode);
              }),
          database_(config.ledger.postgres, std::max(1u, config.ledger.readers)),
          posting_(config.ledger.postgres, config.ledger.commit_timeout, config.ledger.post_within,
                   shards_.commit_order(), metrics_),
          chain_(config, assets_, database_, shards_,
                 [this](const ChainService::SettlementEvent& event) { server_.publish(event); }),
          rest_{{config_, assets_, database_, shards_, chain_, tokens_, challenges_, metrics_},
                server_.draining()},
          sealing_(open_sealing(config)),
          ending_([this] { shards_.give_up_waiting(); }) {}

    int run() {
        try {
            return serve_until_asked();
        } catch (...) {
            end();
            throw;
        }
    }

private:
    int serve_until_asked() {
        if (sealing_)
            shards_.commit_order().posted = [this](ledger::CommittedBatch batch) {
                sealing_->hand_over(std::move(batch));
            };
        database_.read_after(shards_.commit_order().backlog);
        posting_.start();
        const bool begun = shards_.start([](const std::string& holder) {
            spdlog::info("waiting for {} to give up its lease", holder);
        });
        if (!begun) return ending_.wait();
        server_.begin_after(newest_seq(config_));
        chain_.start();
        if (sealing_) sealing_->start();
        server_.start(rest_,
                      [this](HttpRequest request) { return route(rest_, std::move(request)); });
        spdlog::info("ready: http://{}:{}, stream ws://{}:{}/v1/stream, {} channels",
                     config_.server.host, server_.port(), config_.server.host, server_.port(),
                     shards_.channel_count());
        const int exit_code = ending_.wait();
        if (exit_code == 0) server_.drain();
        end();
        spdlog::info("ended");
        return exit_code;
    }

    std::unique_ptr<Sealing> open_sealing(const Config& config) {
        auto signer = open_log_signer(config);
        if (!signer) {
            spdlog::warn("no transparency log: transparency.key_file is not set");
            return nullptr;
        }
        rest_.log_key = signer->key();
        return std::make_unique<Sealing>(config.ledger.postgres, std::move(*signer),
                                         config.transparency, assets_, metrics_);
    }

    void end() {
        chain_.stop();
        // Without a backlog, what is handed over points into the channels of the shards.
        if (sealing_) sealing_->stop();
        shards_.stop();
        posting_.stop();
        if (sealing_) sealing_->finish();
        rest_.exports.stop();
        server_.stop();
    }

    const Config& config_;
    Tokens tokens_;
    Challenges challenges_;
    Metrics metrics_;
    ledger::Assets assets_;
    MonthsAhead months_ahead_;
    Server server_;
    // Its backlog is waited for by whoever reads.
    Shards shards_;
    Database database_;
    Posting posting_;
    ChainService chain_;
    RestContext rest_;
    std::unique_ptr<Sealing> sealing_;
    Ending ending_;
};

}  // namespace

int serve(const Config& config) {
    Service service(config);
    return service.run();
}

}  // namespace millrace::api
