#include "api/auth/login.hpp"
#include "api/metrics.hpp"
#include "api/rest/body.hpp"
#include "api/rest/handlers.hpp"
#include "api/rest/json_object.hpp"
#include "api/rest/problems.hpp"
#include "api/stream/read_command.hpp"

#include <chrono>

namespace millrace::api::rest {
namespace {

ledger::Time now() {
    return std::chrono::time_point_cast<std::chrono::microseconds>(
        std::chrono::system_clock::now());
}

}  // namespace

Task<HttpResponse> post_challenge(RestContext& context, RestRequest request) {
    channel::Address address;
    const auto failure = read_body(context, request.http.body, [&](stream::Members& members) {
        address = members.address("address");
    });
    if (failure) co_return problem(*failure);
    const auto issued = context.challenges.issue(address, now());
    if (const auto* refusal = std::get_if<channel::Refusal>(&issued)) co_return problem(*refusal);
    const auto& challenge = std::get<Challenge>(issued);
    JsonObject body;
    body.text("message", challenge.message)
        .text("expiresAt", ledger::to_rfc3339(challenge.expires_at));
    co_return body.answer();
}

Task<HttpResponse> post_login(RestContext& context, RestRequest request) {
    Login given;
    const auto failure = read_body(context, request.http.body, [&](stream::Members& members) {
        given = stream::read_login(members);
    });
    if (failure) co_return problem(*failure);
    const auto at = now();
    RedeemedLogin login{context.challenges.redeem(given.message, given.signature, at),
                        std::move(given.delegation), context.config.server.domain, at};
    const auto decided = co_await decide(context.chain, std::move(login));
    if (const auto* refusal = std::get_if<channel::Refusal>(&decided)) co_return problem(*refusal);
    if (const auto* refusal = std::get_if<LoginRefusal>(&decided)) {
        context.metrics.logins_failed.Increment();
        co_return problem(stream::unauthenticated(std::string(refusal->field), refusal->sentence));
    }
    context.metrics.logins.Increment();
    const auto& owner = std::get<SessionOwner>(decided);
    const auto [token, expires_at] = context.tokens.issue(owner, at);
    JsonObject body;
    body.hex("address", owner.address);
    if (owner.delegate) body.hex("delegate", *owner.delegate);
    body.text("token", token).text("expiresAt", ledger::to_rfc3339(expires_at));
    co_return HttpResponse{200, "application/json", body.take(), {{"Cache-Control", "no-store"}}};
}

}  // namespace millrace::api::rest
