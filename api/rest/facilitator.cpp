#include "api/chain/chain_service.hpp"
#include "api/clock.hpp"
#include "api/metrics.hpp"
#include "api/rest/body.hpp"
#include "api/rest/handlers.hpp"
#include "api/rest/json_object.hpp"
#include "api/rest/problems.hpp"
#include "api/x402/payload.hpp"
#include "api/x402/reasons.hpp"
#include "channel/error.hpp"

// The facilitator interface of x402: what is refused by its rules is an answer (200) and no
// problem.

namespace millrace::api::rest {
namespace {

using channel::Error;
using x402::FacilitatorRequest;
using x402::Objection;

/// All networks of the family are served by the same key.
constexpr std::string_view kFamily = "eip155:*";

HttpResponse switched_off() {
    return not_found("not_found", "The x402 facilitator is switched off here.");
}

HttpResponse too_many(Error why, std::size_t most) {
    return problem(channel::Refusal{why, channel::Amount{most}});
}

/// Whether whoever asks may do so now; counts the request if so.
std::optional<HttpResponse> turned_away(Guesses& asked, unsigned most, const RestRequest& request) {
    const auto& from = request.http.remote_address;
    const auto at = now();
    if (asked.exhausted(from, at, most)) return too_many(Error::rate_limited, most);
    asked.count_failure(from, at);
    return std::nullopt;
}

/// The address as a limit counts it; what is none counts as one.
boost::asio::ip::address address_of(const RestRequest& request) {
    boost::system::error_code error;
    return boost::asio::ip::make_address(request.http.remote_address, error);
}

std::string state_json(const x402::ChannelState& state) {
    JsonObject body;
    body.hex("channelId", state.id)
        .amount("balance", state.views.totals.balance)
        .amount("totalClaimed", state.views.totals.total_claimed)
        .number("withdrawRequestedAt", state.views.withdrawal.initiated_at)
        .decimal("refundNonce", state.views.refund_nonce);
    return body.take();
}

HttpResponse render(const x402::Verdict& verdict) {
    JsonObject body;
    body.flag("isValid", !verdict.objection);
    if (verdict.objection)
        body.text("invalidReason", verdict.objection->reason)
            .text("invalidMessage", verdict.objection->message);
    if (verdict.payer) body.hex("payer", *verdict.payer);
    if (verdict.state) body.json("extra", state_json(*verdict.state));
    return body.answer();
}

HttpResponse render(const x402::Settlement& settlement, std::string_view network) {
    JsonObject body;
    body.flag("success", !settlement.objection);
    if (settlement.objection)
        body.text("errorReason", settlement.objection->reason)
            .text("errorMessage", settlement.objection->message);
    const auto& transaction = settlement.transaction;
    body.text("transaction", transaction ? channel::to_hex(*transaction) : std::string())
        .text("network", network);
    if (settlement.payer) body.hex("payer", *settlement.payer);
    if (settlement.amount) body.amount("amount", *settlement.amount);
    if (settlement.state) {
        JsonObject extra;
        extra.json("channelState", state_json(*settlement.state));
        body.json("extra", extra.take());
    }
    return body.answer();
}

/// What is wrong with a payment, where that is for its sender to read; a message that is none is a
/// problem.
std::optional<Objection> objection_of(const stream::Failure& failure) {
    const bool is_of_x402 =
        failure.reason.starts_with(x402::kReasonPrefix) || failure.reason == x402::kX402Version;
    if (!is_of_x402) return std::nullopt;
    auto message = failure.field + ": " + std::string(failure.message);
    if (!failure.limit.empty()) message += " The limit is " + failure.limit + ".";
    return Objection{failure.reason, std::move(message)};
}

std::optional<stream::Failure> read(const RestContext& context, const RestRequest& asked,
                                    FacilitatorRequest& request) {
    request.caller = asked.principal.address;
    request.delegate = asked.principal.delegate;
    return read_body(context, asked.http.body, [&](stream::Members& members) {
        auto requirements = members.object("paymentRequirements");
        request.requirements = x402::read_requirements(requirements);
        auto payment = members.object("paymentPayload");
        request.payment = x402::read_payment_payload(payment);
    });
}

void count(RestContext& context, std::string_view method, const std::optional<Objection>& wrong) {
    context.metrics.request(method, wrong ? wrong->reason : std::string_view("ok"));
}

}  // namespace

Task<HttpResponse> get_supported(RestContext& context, RestRequest) {
    if (!context.config.x402.enabled) co_return switched_off();
    JsonObject extra;
    extra.hex("receiverAuthorizer", context.chain.receiver_authorizer());
    const auto authorizer = extra.take();
    const std::array signers_of_all{channel::to_hex(context.chain.relayer())};
    JsonObject signers;
    signers.list(kFamily, signers_of_all, [](const std::string& one) { return '"' + one + '"'; });
    JsonObject body;
    body.list("kinds", context.config.networks, [&](const NetworkConfig& network) {
        JsonObject kind;
        kind.number("x402Version", x402::kX402VersionNumber)
            .text("scheme", x402::kBatchSettlement)
            .text("network", channel::to_string(network.network))
            .json("extra", authorizer);
        return kind.take();
    });
    body.json("extensions", "[]").json("signers", signers.take());
    co_return body.answer();
}

Task<HttpResponse> post_verify(RestContext& context, RestRequest asked) {
    const auto& limits = context.config.x402;
    if (!limits.enabled) co_return switched_off();
    auto& traffic = context.x402;
    if (auto away = turned_away(traffic.verifies, limits.verify_per_minute_max, asked))
        co_return std::move(*away);
    const auto place = traffic.verifying.admit(address_of(asked));
    if (!place) co_return too_many(Error::overloaded, limits.in_flight_max);
    FacilitatorRequest request;
    x402::Verdict verdict;
    if (const auto failure = read(context, asked, request)) {
        verdict.objection = objection_of(*failure);
        if (!verdict.objection) co_return problem(*failure);
    } else {
        auto outcome = co_await context.chain.verify(std::move(request));
        if (const auto* refusal = std::get_if<channel::Refusal>(&outcome))
            co_return problem(*refusal);
        verdict = std::move(std::get<x402::Verdict>(outcome));
    }
    count(context, "x402.verify", verdict.objection);
    co_return render(verdict);
}

Task<HttpResponse> post_settle(RestContext& context, RestRequest asked) {
    const auto& limits = context.config.x402;
    if (!limits.enabled) co_return switched_off();
    auto& traffic = context.x402;
    if (auto away = turned_away(traffic.settles, limits.settle_per_minute_max, asked))
        co_return std::move(*away);
    const auto place = traffic.settling.admit(address_of(asked));
    if (!place) co_return too_many(Error::overloaded, traffic.settling_of_address_max);
    FacilitatorRequest request;
    x402::Settlement settlement;
    const auto failure = read(context, asked, request);
    const auto network = request.requirements.network;
    if (failure) {
        settlement.objection = objection_of(*failure);
        if (!settlement.objection) co_return problem(*failure);
    } else {
        auto outcome = co_await context.chain.settle(std::move(request));
        if (const auto* refusal = std::get_if<channel::Refusal>(&outcome))
            co_return problem(*refusal);
        settlement = std::move(std::get<x402::Settlement>(outcome));
    }
    count(context, "x402.settle", settlement.objection);
    co_return render(settlement, network);
}

}  // namespace millrace::api::rest
