#include "api/metrics.hpp"

#include <prometheus/text_serializer.h>

namespace millrace::api {
namespace {

constexpr std::size_t kRequestSeriesMax = 1000;
constexpr std::array<const char*, 6> kRowFaults{"channel_id_mismatch", "exceeds_ceiling",
                                                "exceeds_balance",     "invalid_signature",
                                                "signer_refused",      "reverted"};
constexpr std::array<const char*, 4> kClaimStatuses{"queued", "sent", "confirmed", "failed"};
const prometheus::Histogram::BucketBoundaries kBatchBuckets{1,   2,   5,    10,   20,   50,  100,
                                                            200, 500, 1000, 2000, 5000, 8000};
const prometheus::Histogram::BucketBoundaries kSecondsBuckets{
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5};

prometheus::Family<prometheus::Counter>& counters(prometheus::Registry& registry, const char* name,
                                                  const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

prometheus::Family<prometheus::Gauge>& gauges(prometheus::Registry& registry, const char* name,
                                              const char* help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}

prometheus::Counter& counter(prometheus::Registry& registry, const char* name, const char* help) {
    return counters(registry, name, help).Add({});
}

prometheus::Gauge& gauge(prometheus::Registry& registry, const char* name, const char* help) {
    return gauges(registry, name, help).Add({});
}

prometheus::Histogram& histogram(prometheus::Registry& registry, const char* name, const char* help,
                                 const prometheus::Histogram::BucketBoundaries& buckets) {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry).Add({}, buckets);
}

/// What is counted elsewhere since the start.
void catch_up(prometheus::Counter& counter, std::uint64_t count) {
    const auto missing = static_cast<double>(count) - counter.Value();
    if (missing > 0) counter.Increment(missing);
}

}  // namespace

Metrics::Metrics()
    : connections(gauge(registry_, "millrace_connections", "Open connections")),
      connections_accepted(
          counter(registry_, "millrace_connections_accepted_total", "Connections accepted")),
      connections_refused(counter(registry_, "millrace_connections_refused_total",
                                  "Connections refused because of a limit")),
      connections_too_slow(counter(registry_, "millrace_connections_too_slow_total",
                                   "Connections cut off because they read too slowly")),
      subscriptions(gauge(registry_, "millrace_subscriptions", "Open subscriptions to events")),
      events_sent(counter(registry_, "millrace_events_sent_total", "Events sent to subscribers")),
      logins(counter(registry_, "millrace_logins_total", "Logins")),
      logins_failed(counter(registry_, "millrace_logins_failed_total", "Logins refused")),
      database_errors(counter(registry_, "millrace_database_errors_total",
                              "Requests that failed because of the database")),
      log_size(gauge(registry_, "millrace_log_size",
                     "Sequence numbers that the transparency log has sealed")),
      log_failures(counter(registry_, "millrace_log_failures_total",
                           "How often the transparency log could not be sealed")),
      posting_failures(counter(registry_, "millrace_posting_failures_total",
                               "How often acknowledged payments could not be posted")),
      requests_(counters(registry_, "millrace_requests_total",
                         "Requests answered, by method and outcome")),
      batches_(counter(registry_, "millrace_batches_total", "Batches committed")),
      batch_requests_(
          histogram(registry_, "millrace_batch_requests", "Requests in a batch", kBatchBuckets)),
      batch_seconds_(histogram(registry_, "millrace_batch_seconds",
                               "Time to decide and commit a batch", kSecondsBuckets)),
      signatures_checked_(
          counter(registry_, "millrace_signatures_checked_total", "Voucher signatures checked")),
      channels_(gauge(registry_, "millrace_channels", "Channels in the care of this process")),
      requests_queued_(
          gauge(registry_, "millrace_requests_queued", "Requests waiting for a shard")),
      payments_unposted_(gauge(registry_, "millrace_payments_unposted",
                               "Payments that are acknowledged and not posted to the ledger yet")),
      database_up_(gauge(registry_, "millrace_database_up", "1: the database answers")),
      last_seq_(
          gauge(registry_, "millrace_last_seq", "Newest sequence number in the ledger's tables")),
      chain_block_(gauges(registry_, "millrace_chain_block", "Newest block seen")),
      chain_following_(
          gauges(registry_, "millrace_chain_following", "1: blocks of the network are followed")),
      chain_reorganisations_(
          gauges(registry_, "millrace_chain_reorganisations",
                 "Reorganisations below the confirmations so far: alarm when it rises")),
      chain_reorganisation_depth_(gauges(registry_, "millrace_chain_reorganisation_depth",
                                         "Blocks given up by the last of them")),
      channels_in_doubt_(gauge(registry_, "millrace_channels_in_doubt",
                               "Channels not claimed until the contract agrees with the books")),
      closing_unclaimed_(gauges(registry_, "millrace_closing_unclaimed",
                                "Channels being withdrawn from with charges not yet claimed")),
      closing_deadline_(gauges(registry_, "millrace_closing_deadline_seconds",
                               "Until the first of them can be withdrawn from; there while there "
                               "is one")),
      refunds_pending_(
          gauge(registry_, "millrace_refunds_pending", "Refunds begun and not yet on the chain")),
      refunds_given_up_(gauge(registry_, "millrace_refunds_given_up",
                              "Refunds that were never sent; the payer has been told why")),
      signer_up_(gauge(registry_, "millrace_signer_up", "1: the signer answers")),
      signer_refusals_(counter(registry_, "millrace_signer_refusals_total",
                               "What this process asked for and the signer did not sign")),
      claims_(gauges(registry_, "millrace_claims", "Claims by status")),
      outbox_pending_(gauges(registry_, "millrace_outbox_pending",
                             "Transactions neither confirmed nor failed")),
      outbox_oldest_(gauges(registry_, "millrace_outbox_oldest_seconds",
                            "How long the oldest of them has waited")),
      transactions_(counters(registry_, "millrace_transactions_total",
                             "Steps of transactions on their way to the chain")),
      claim_rows_(counters(registry_, "millrace_claim_rows_total",
                           "Channels that were to be claimed, by what became of it")),
      quarantined_(gauges(registry_, "millrace_claim_quarantined",
                          "Channels left out of claims, by reason")),
      reconciliation_breaks_(gauges(registry_, "millrace_reconciliation_breaks",
                                    "What the newest reconciliation has found, by kind")),
      node_in_service_(gauges(registry_, "millrace_node_in_service",
                              "1: the node answers, is not behind, and agrees with the others")),
      node_set_aside_(
          counters(registry_, "millrace_node_set_aside_total", "How often a node was set aside")),
      lease_epoch_(gauges(registry_, "millrace_lease_epoch", "Fencing epoch of a shard's lease")),
      lease_expires_(gauges(registry_, "millrace_lease_expires_at_seconds",
                            "When a shard's lease ends unless it is extended")) {
    auto& payments = counters(registry_, "millrace_payments_total", "Payments committed, by kind");
    for (std::size_t kind = 0; kind < payments_.size(); ++kind) {
        const auto name = ledger::to_string(static_cast<ledger::PaymentKind>(kind));
        payments_[kind] = &payments.Add({{"kind", std::string(name)}});
    }
    auto& stages = counters(registry_, "millrace_stage_cpu_seconds_total",
                            "CPU time of the threads that see every payment, by stage");
    for (const auto stage : kStages)
        stage_cpu_[static_cast<std::size_t>(stage)] =
            &stages.Add({{"stage", std::string(to_string(stage))}});
    auto& waits = counters(registry_, "millrace_commit_wait_seconds_total",
                           "Time that shards waited with a batch, by what they waited for");
    commit_waits_ = {&waits.Add({{"for", "turn"}}), &waits.Add({{"for", "database"}})};
}

prometheus::Counter& Metrics::request_counter(std::string_view method, std::string_view outcome) {
    auto key = std::string(method).append(1, '\n').append(outcome);
    {
        const std::shared_lock lock(requests_mutex_);
        const auto found = request_counters_.find(key);
        if (found != request_counters_.end()) return *found->second;
    }
    const std::unique_lock lock(requests_mutex_);
    const bool full = request_counters_.size() >= kRequestSeriesMax;
    auto& counter = requests_.Add({{"method", full ? "other" : std::string(method)},
                                   {"outcome", full ? "other" : std::string(outcome)}});
    if (!full) request_counters_.emplace(std::move(key), &counter);
    return counter;
}

void Metrics::request(std::string_view method, std::string_view outcome, std::uint64_t count) {
    request_counter(method, outcome).Increment(static_cast<double>(count));
}

void Metrics::reconciled(const ledger::Breaks& breaks) {
    for (const auto kind : ledger::break_kinds()) {
        const auto found = breaks.counts().find(kind);
        const auto count = found == breaks.counts().end() ? 0 : found->second;
        reconciliation_breaks_.Add({{"kind", std::string(to_string(kind))}})
            .Set(static_cast<double>(count));
    }
}

void Metrics::payment(ledger::PaymentKind kind, std::uint64_t count) {
    payments_[static_cast<std::size_t>(kind)]->Increment(static_cast<double>(count));
}

void Metrics::batch(std::size_t requests, std::chrono::nanoseconds took) {
    batches_.Increment();
    batch_requests_.Observe(static_cast<double>(requests));
    batch_seconds_.Observe(std::chrono::duration<double>(took).count());
}

void Metrics::worked(Stage stage, std::chrono::nanoseconds cpu) {
    stage_cpu_[static_cast<std::size_t>(stage)]->Increment(
        std::chrono::duration<double>(cpu).count());
}

void Metrics::waited(CommitWait what, std::chrono::nanoseconds time) {
    commit_waits_[static_cast<std::size_t>(what)]->Increment(
        std::chrono::duration<double>(time).count());
}

/// A network without such channels has no deadline, rather than one of 0.
void Metrics::observe_closing(const std::map<std::string, ledger::Stats::Closing>& closing) {
    for (const auto& [network, before] : closing_deadlines_) {
        if (closing.contains(network)) continue;
        closing_unclaimed_.Add({{"network", network}}).Set(0);
        closing_deadline_.Remove(before);
    }
    std::map<std::string, prometheus::Gauge*> deadlines;
    for (const auto& [network, figures] : closing) {
        const prometheus::Labels label{{"network", network}};
        closing_unclaimed_.Add(label).Set(static_cast<double>(figures.unclaimed));
        auto& deadline = closing_deadline_.Add(label);
        deadline.Set(static_cast<double>(figures.seconds_left));
        deadlines.emplace(network, &deadline);
    }
    closing_deadlines_ = std::move(deadlines);
}

void Metrics::observe(const ledger::Stats& stats) {
    last_seq_.Set(static_cast<double>(stats.last_seq));
    for (const auto* status : kClaimStatuses) {
        const auto found = stats.claims.find(status);
        claims_.Add({{"status", status}})
            .Set(found == stats.claims.end() ? 0 : static_cast<double>(found->second));
    }
    for (const auto& [network, count] : stats.outbox_pending)
        outbox_pending_.Add({{"network", network}}).Set(static_cast<double>(count));
    for (const auto& [network, reorganisations] : stats.reorganisations) {
        const prometheus::Labels label{{"network", network}};
        chain_reorganisations_.Add(label).Set(static_cast<double>(reorganisations.count));
        chain_reorganisation_depth_.Add(label).Set(static_cast<double>(reorganisations.last_depth));
    }
    channels_in_doubt_.Set(static_cast<double>(stats.channels_in_doubt));
    observe_closing(stats.closing);
    refunds_pending_.Set(static_cast<double>(stats.refunds_pending));
    refunds_given_up_.Set(static_cast<double>(stats.refunds_given_up));
    for (const auto& [network, seconds] : stats.outbox_oldest)
        outbox_oldest_.Add({{"network", network}}).Set(static_cast<double>(seconds));
    for (const auto* reason : kRowFaults) {
        const auto found = stats.quarantined.find(reason);
        quarantined_.Add({{"reason", reason}})
            .Set(found == stats.quarantined.end() ? 0 : static_cast<double>(found->second));
    }
    for (const auto& lease : stats.leases) {
        const prometheus::Labels shard{{"shard", std::to_string(lease.shard)}};
        lease_epoch_.Add(shard).Set(static_cast<double>(lease.epoch));
        lease_expires_.Add(shard).Set(static_cast<double>(lease.expires_at));
    }
}

void Metrics::observe(const ChainService::NetworkHealth& health) {
    const auto name = channel::to_string(health.network);
    const prometheus::Labels network{{"network", name}};
    chain_block_.Add(network).Set(static_cast<double>(health.block));
    chain_following_.Add(network).Set(health.following ? 1 : 0);
    for (const auto& [purpose, steps] : health.counts.transactions)
        for (const auto& [step, count] : steps)
            catch_up(transactions_.Add({{"network", name}, {"purpose", purpose}, {"step", step}}),
                     count);
    for (const auto& [outcome, count] : health.counts.claim_rows)
        catch_up(claim_rows_.Add({{"network", name}, {"outcome", outcome}}), count);
    for (const auto& node : health.nodes) {
        const prometheus::Labels labels{{"network", name}, {"node", node.name}};
        node_in_service_.Add(labels).Set(node.in_service ? 1 : 0);
        catch_up(node_set_aside_.Add(labels), node.times_set_aside);
    }
}

void Metrics::observe(const Observation& observation) {
    channels_.Set(static_cast<double>(observation.channels));
    requests_queued_.Set(static_cast<double>(observation.requests_queued));
    payments_unposted_.Set(static_cast<double>(observation.payments_unposted));
    if (observation.signatures_checked > signatures_seen_) {
        signatures_checked_.Increment(
            static_cast<double>(observation.signatures_checked - signatures_seen_));
        signatures_seen_ = observation.signatures_checked;
    }
    for (const auto& health : observation.networks) observe(health);
    signer_up_.Set(observation.signer.available ? 1 : 0);
    if (observation.signer.refusals > refusals_seen_) {
        signer_refusals_.Increment(
            static_cast<double>(observation.signer.refusals - refusals_seen_));
        refusals_seen_ = observation.signer.refusals;
    }
    database_up_.Set(observation.stats ? 1 : 0);
    if (observation.stats) observe(*observation.stats);
}

std::string Metrics::text(const Observation& observation) {
    {
        const std::lock_guard lock(observe_mutex_);
        observe(observation);
    }
    return prometheus::TextSerializer().Serialize(registry_.Collect());
}

}  // namespace millrace::api
