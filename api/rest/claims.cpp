#include "api/chain/chain_service.hpp"
#include "api/rest/body.hpp"
#include "api/rest/handlers.hpp"
#include "api/rest/json_object.hpp"
#include "api/rest/parameters.hpp"
#include "api/rest/problems.hpp"
#include "api/stream/render.hpp"
#include "channel/network.hpp"

namespace millrace::api::rest {

namespace {

HttpResponse made(const ClaimSummary& claim) {
    return {201,
            "application/json",
            stream::render(claim),
            {{"Location", "/v1/claims/" + claim.claim_id}}};
}

/// The claim's id is all that there is to be wrong.
HttpResponse refused(const channel::Refusal& refusal) {
    if (refusal.error == channel::Error::invalid_params)
        return not_found("not_found", "There is no claim of this id.");
    return problem(refusal);
}

std::string quarantined_json(const RestContext& context, const ledger::QuarantinedChannel& one) {
    const auto& asset = context.assets.at(one.asset_id);
    JsonObject body;
    body.hex("channelId", one.id)
        .text("network", channel::to_string(asset.network))
        .hex("token", asset.token)
        .text("reason", one.reason)
        .text("detail", one.detail)
        .amount("amount", one.amount)
        .number("attempts", one.attempts)
        .text("since", one.since)
        .text("retryAt", one.retry_at);
    return body.take();
}

}  // namespace

Task<HttpResponse> post_claim(RestContext& context, RestRequest request) {
    std::optional<channel::Network> network;
    std::optional<channel::Address> token;
    const auto failure = read_body(context, request.http.body, [&](stream::Members& members) {
        if (members.has("network")) {
            const auto parsed = channel::parse_network(members.text("network"));
            if (parsed)
                network = *parsed;
            else
                members.fail("network", parsed.error());
        }
        if (members.has("token")) token = members.address("token");
    });
    if (failure) co_return problem(*failure);
    const auto outcome = co_await context.chain.claim(*request.principal.address, network, token);
    if (const auto* refusal = std::get_if<channel::Refusal>(&outcome)) co_return problem(*refusal);
    co_return made(std::get<ClaimSummary>(outcome));
}

Task<HttpResponse> get_claims(RestContext& context, RestRequest request) {
    Parameters parameters(request.http);
    const auto limit = parameters.limit();
    if (parameters.failed()) co_return parameters.answer();
    const auto after = request.http.query.find("after");
    const auto behind = after == request.http.query.end() ? std::string() : after->second;
    const auto outcome =
        co_await context.chain.list_claims(*request.principal.address, behind, limit);
    if (const auto* refusal = std::get_if<channel::Refusal>(&outcome)) co_return problem(*refusal);
    const auto& claims = std::get<std::vector<ClaimSummary>>(outcome);
    JsonObject body;
    body.list("claims", claims, [](const auto& claim) { return stream::render(claim); });
    if (claims.size() == limit) body.text("next", claims.back().claim_id);
    co_return body.answer();
}

Task<HttpResponse> post_claim_retry(RestContext& context, RestRequest request) {
    const auto outcome =
        co_await context.chain.retry_claim(request.segment, *request.principal.address);
    if (const auto* refusal = std::get_if<channel::Refusal>(&outcome)) co_return refused(*refusal);
    co_return made(std::get<ClaimSummary>(outcome));
}

Task<HttpResponse> get_quarantine(RestContext& context, RestRequest request) {
    Parameters parameters(request.http);
    const auto after = parameters.channel("after");
    const auto limit = parameters.limit();
    if (parameters.failed()) co_return parameters.answer();
    const auto outcome =
        co_await context.chain.list_quarantine(*request.principal.address, after, limit);
    if (const auto* refusal = std::get_if<channel::Refusal>(&outcome)) co_return problem(*refusal);
    auto channels = std::get<std::vector<ledger::QuarantinedChannel>>(outcome);
    std::optional<channel::ChannelId> next;
    if (channels.size() == limit) next = channels.back().id;
    // The network of some may no longer be configured.
    std::erase_if(channels,
                  [&](const auto& one) { return !context.assets.contains(one.asset_id); });
    JsonObject body;
    body.list("channels", channels,
              [&](const auto& one) { return quarantined_json(context, one); });
    if (next) body.hex("next", *next);
    co_return body.answer();
}

Task<HttpResponse> post_quarantine_retry(RestContext& context, RestRequest request) {
    Parameters parameters(request.http);
    const auto id = parameters.channel_in_path(request.segment);
    if (parameters.failed()) co_return parameters.answer();
    const auto outcome = co_await context.chain.retry_channel(id, *request.principal.address);
    if (const auto* refusal = std::get_if<channel::Refusal>(&outcome)) co_return problem(*refusal);
    co_return made(std::get<ClaimSummary>(outcome));
}

Task<HttpResponse> get_claim(RestContext& context, RestRequest request) {
    const auto outcome =
        co_await context.chain.get_claim(request.segment, *request.principal.address);
    if (const auto* refusal = std::get_if<channel::Refusal>(&outcome)) co_return refused(*refusal);
    co_return HttpResponse{
        200, "application/json", stream::render(std::get<ClaimSummary>(outcome)), {}};
}

}  // namespace millrace::api::rest
