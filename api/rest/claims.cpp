#include "api/chain/chain_service.hpp"
#include "api/rest/body.hpp"
#include "api/rest/handlers.hpp"
#include "api/rest/problems.hpp"
#include "api/stream/render.hpp"
#include "channel/network.hpp"

namespace millrace::api::rest {

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
    const auto& claim = std::get<ClaimSummary>(outcome);
    co_return HttpResponse{201,
                           "application/json",
                           stream::render(claim),
                           {{"Location", "/v1/claims/" + claim.claim_id}}};
}

Task<HttpResponse> get_claim(RestContext& context, RestRequest request) {
    const auto outcome =
        co_await context.chain.get_claim(request.segment, *request.principal.address);
    if (const auto* refusal = std::get_if<channel::Refusal>(&outcome)) {
        // The claim's id is all that there is to be wrong.
        if (refusal->error == channel::Error::invalid_params)
            co_return not_found("not_found", "There is no claim of this id.");
        co_return problem(*refusal);
    }
    co_return HttpResponse{
        200, "application/json", stream::render(std::get<ClaimSummary>(outcome)), {}};
}

}  // namespace millrace::api::rest
