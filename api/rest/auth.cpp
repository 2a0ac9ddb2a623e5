#include "api/auth/challenges.hpp"
#include "api/chain/chain_service.hpp"
#include "api/metrics.hpp"
#include "api/rest/body.hpp"
#include "api/rest/handlers.hpp"
#include "api/rest/json_object.hpp"
#include "api/rest/problems.hpp"

#include <chrono>

namespace millrace::api::rest {
namespace {

/// An ERC-4361 message is a few hundred bytes.
constexpr std::size_t kMessageBytesMax = 4096;

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
    std::string message;
    std::string signature;
    const auto failure = read_body(context, request.http.body, [&](stream::Members& members) {
        message = members.text("message");
        signature = members.text("signature");
        if (message.size() > kMessageBytesMax)
            members.fail(stream::bad_param("message", "The text is too long.",
                                           std::to_string(kMessageBytesMax)));
    });
    if (failure) co_return problem(*failure);
    const auto at = now();
    auto redeemed = context.challenges.redeem(message, signature, at);
    if (const auto* login = std::get_if<WalletLogin>(&redeemed)) {
        const auto asked =
            co_await context.chain.ask_wallet(login->address, login->digest, login->signature);
        const auto* refusal = std::get_if<channel::Refusal>(&asked);
        if (refusal && refusal->error != channel::Error::voucher_signature)
            co_return problem(*refusal);
        if (refusal)
            redeemed = LoginRefusal{login->otherwise};
        else
            redeemed = channel::Address{login->address};
    }
    if (const auto* refusal = std::get_if<LoginRefusal>(&redeemed)) {
        context.metrics.logins_failed.Increment();
        co_return problem(stream::unauthenticated(std::string(refusal->field), refusal->sentence));
    }
    context.metrics.logins.Increment();
    const auto& address = std::get<channel::Address>(redeemed);
    const auto [token, expires_at] = context.tokens.issue(address, at);
    JsonObject body;
    body.hex("address", address)
        .text("token", token)
        .text("expiresAt", ledger::to_rfc3339(expires_at));
    co_return HttpResponse{200, "application/json", body.take(), {{"Cache-Control", "no-store"}}};
}

}  // namespace millrace::api::rest
