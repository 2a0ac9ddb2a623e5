#include "api/chain/chain_service.hpp"
#include "api/metrics.hpp"
#include "api/rest/handlers.hpp"
#include "api/rest/json_object.hpp"
#include "api/shards.hpp"

#include <algorithm>
#include <chrono>

namespace millrace::api::rest {
namespace {

std::int64_t unix_seconds() {
    return std::chrono::duration_cast<std::chrono::seconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

/// A shard writes as long as its lease is extended.
bool leases_hold(const ledger::Stats& stats) {
    const auto now = unix_seconds();
    return !stats.leases.empty() &&
           std::all_of(stats.leases.begin(), stats.leases.end(),
                       [&](const ledger::LeaseRow& lease) { return lease.expires_at >= now; });
}

std::string network_json(const ChainService::NetworkHealth& health) {
    JsonObject network;
    network.text("network", channel::to_string(health.network))
        .flag("following", health.following)
        .decimal("block", health.block);
    return network.take();
}

}  // namespace

Task<HttpResponse> get_healthz(RestContext&, RestRequest) {
    co_return HttpResponse{200, "application/json", R"({"status":"ok"})", {}};
}

Task<HttpResponse> get_readyz(RestContext& context, RestRequest) {
    const auto stats = co_await context.stats.get(context.database);
    const auto networks = context.chain.health();
    const bool shards = stats && leases_hold(*stats);
    const bool chain = std::all_of(networks.begin(), networks.end(),
                                   [](const auto& health) { return health.following; });
    const bool signer = context.chain.signer_health().available;
    const bool draining = context.draining;
    const bool ready = shards && chain && signer && !draining;
    JsonObject body;
    body.flag("ready", ready)
        .flag("database", stats.has_value())
        .flag("shards", shards)
        .flag("chain", chain)
        .flag("signer", signer)
        .flag("draining", draining)
        .list("networks", networks, network_json);
    co_return HttpResponse{ready ? 200u : 503u, "application/json", body.take(), {}};
}

Task<HttpResponse> get_metrics(RestContext& context, RestRequest) {
    const auto stats = co_await context.stats.get(context.database);
    const Metrics::Observation observation{context.shards.channel_count(),
                                           context.shards.queued(),
                                           context.shards.commit_order().backlog.payments(),
                                           context.shards.signatures_checked(),
                                           context.chain.health(),
                                           context.chain.signer_health(),
                                           stats};
    co_return HttpResponse{
        200, "text/plain; version=0.0.4; charset=utf-8", context.metrics.text(observation), {}};
}

}  // namespace millrace::api::rest
