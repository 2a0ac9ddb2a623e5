#pragma once

#include "api/chain/chain_service.hpp"
#include "api/stage_clock.hpp"
#include "ledger/audit/breaks.hpp"
#include "ledger/request.hpp"
#include "ledger/stats_reader.hpp"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace millrace::api {

/// What operators see of the running service: Prometheus names begin with "millrace_". Whoever does
/// a thing counts it here; all of it may be called from any thread. What can be looked up is not
/// counted but observed when somebody asks.
class Metrics {
    prometheus::Registry registry_;

public:
    Metrics();

    /// Requests answered, by method ("payment.pay", "GET /v1/channels/{id}") and outcome: "ok" or
    /// the reason of the error. A method that does not exist is to be counted as "unknown"; beyond
    /// the first thousand pairs all count as "other".
    void request(std::string_view method, std::string_view outcome, std::uint64_t count = 1);

    /// Payments committed, repeats not included.
    void payment(ledger::PaymentKind kind, std::uint64_t count = 1);

    /// A shard has decided and committed a batch of so many requests in this time.
    void batch(std::size_t requests, std::chrono::nanoseconds took);

    /// CPU time that payments took in the service, by stage. The sum of all stages is less than
    /// the process's: the transparency log, the chain and readers have threads of their own.
    void worked(Stage stage, std::chrono::nanoseconds cpu);
    /// A shard waited for its turn to commit, or for Postgres.
    void waited(CommitWait what, std::chrono::nanoseconds time);

    /// What the newest reconciliation has found, by kind; nothing is told before the first.
    void reconciled(const ledger::Breaks& breaks);

    /// Open WebSockets and HTTP connections.
    prometheus::Gauge& connections;
    prometheus::Counter& connections_accepted;
    /// Refused because of a limit.
    prometheus::Counter& connections_refused;
    /// Cut off because they read too slowly.
    prometheus::Counter& connections_too_slow;
    prometheus::Gauge& subscriptions;
    prometheus::Counter& events_sent;
    prometheus::Counter& logins;
    prometheus::Counter& logins_failed;
    /// Commands that the database failed, or could not be reached for.
    prometheus::Counter& database_errors;
    /// How many numbers the transparency log holds, and how often it could not be brought forward.
    prometheus::Gauge& log_size;
    prometheus::Counter& log_failures;
    /// How often acknowledged payments could not be posted.
    prometheus::Counter& posting_failures;

    /// What is looked up.
    struct Observation {
        std::size_t channels = 0;
        std::size_t requests_queued = 0;
        std::size_t payments_unposted = 0;
        std::uint64_t signatures_checked = 0;
        std::vector<ChainService::NetworkHealth> networks;
        ledger::chain::SignerHealth signer;
        /// Nothing when the database could not be asked.
        std::optional<ledger::Stats> stats;
    };
    /// Prometheus's text format, with these figures.
    std::string text(const Observation& observation);

private:
    void observe(const Observation& observation);
    void observe(const ledger::Stats& stats);
    void observe_closing(const std::map<std::string, ledger::Stats::Closing>& closing);
    void observe(const ChainService::NetworkHealth& health);
    prometheus::Counter& request_counter(std::string_view method, std::string_view outcome);

    prometheus::Family<prometheus::Counter>& requests_;
    std::array<prometheus::Counter*, 4> payments_{};
    prometheus::Counter& batches_;
    prometheus::Histogram& batch_requests_;
    prometheus::Histogram& batch_seconds_;
    std::array<prometheus::Counter*, kStages.size()> stage_cpu_{};
    std::array<prometheus::Counter*, 2> commit_waits_{};
    prometheus::Counter& signatures_checked_;
    prometheus::Gauge& channels_;
    prometheus::Gauge& requests_queued_;
    prometheus::Gauge& payments_unposted_;
    prometheus::Gauge& database_up_;
    prometheus::Gauge& last_seq_;
    prometheus::Family<prometheus::Gauge>& chain_block_;
    prometheus::Family<prometheus::Gauge>& chain_following_;
    prometheus::Family<prometheus::Gauge>& chain_reorganisations_;
    prometheus::Family<prometheus::Gauge>& chain_reorganisation_depth_;
    prometheus::Gauge& channels_in_doubt_;
    prometheus::Family<prometheus::Gauge>& closing_unclaimed_;
    prometheus::Family<prometheus::Gauge>& closing_deadline_;
    prometheus::Gauge& refunds_pending_;
    prometheus::Gauge& refunds_given_up_;
    prometheus::Gauge& signer_up_;
    prometheus::Counter& signer_refusals_;
    prometheus::Family<prometheus::Gauge>& claims_;
    prometheus::Family<prometheus::Gauge>& outbox_pending_;
    prometheus::Family<prometheus::Gauge>& outbox_oldest_;
    prometheus::Family<prometheus::Counter>& transactions_;
    prometheus::Family<prometheus::Counter>& claim_rows_;
    prometheus::Family<prometheus::Gauge>& quarantined_;
    prometheus::Family<prometheus::Gauge>& reconciliation_breaks_;
    prometheus::Family<prometheus::Gauge>& node_in_service_;
    prometheus::Family<prometheus::Counter>& node_set_aside_;
    prometheus::Family<prometheus::Gauge>& lease_epoch_;
    prometheus::Family<prometheus::Gauge>& lease_expires_;

    std::shared_mutex requests_mutex_;
    std::unordered_map<std::string, prometheus::Counter*> request_counters_;
    std::mutex observe_mutex_;
    std::uint64_t signatures_seen_ = 0;
    std::uint64_t refusals_seen_ = 0;
    std::map<std::string, prometheus::Gauge*> closing_deadlines_;
};

}  // namespace millrace::api
