#include "api/database.hpp"
#include "api/rest/channel_access.hpp"
#include "api/rest/handlers.hpp"
#include "api/rest/json_object.hpp"
#include "api/rest/parameters.hpp"
#include "api/rest/problems.hpp"
#include "api/stream/render.hpp"
#include "channel/error.hpp"
#include "ledger/channel_reader.hpp"

namespace millrace::api::rest {
namespace {

std::string channel_json(const RestContext& context, const ledger::ChannelRecord& record) {
    std::string text;
    stream::append_channel(text, record, context.assets.at(record.terms.asset_id));
    return text;
}

std::string voucher_json(const ledger::PaymentRecord& payment) {
    if (!payment.voucher_max) return "null";
    JsonObject voucher;
    voucher.amount("maxClaimableAmount", *payment.voucher_max);
    if (payment.signature) voucher.text("signature", channel::to_hex(*payment.signature));
    if (payment.covered_by) voucher.decimal("coveredBy", *payment.covered_by);
    return voucher.take();
}

std::string payment_json(const ledger::PaymentRecord& payment) {
    const auto& result = payment.result;
    JsonObject body;
    body.decimal("seq", result.seq)
        .text("at", payment.at)
        .text("kind", ledger::to_string(payment.kind))
        .hex("channelId", result.channel)
        .text("inferenceId", result.inference.text())
        .amount("amount", result.amount)
        .amount("increment", payment.increment)
        .amount("chargedCumulativeAmount", result.charged)
        .amount("reservedAmount", result.reserved)
        .amount("signedMaxClaimable", result.signed_max)
        .amount("balance", result.balance)
        .json("voucher", voucher_json(payment))
        .json("details", payment.detail);
    return body.take();
}

}  // namespace

Task<HttpResponse> get_channels(RestContext& context, RestRequest request) {
    Parameters parameters(request.http);
    ledger::ChannelQuery query{request.principal.auditor ? std::nullopt : request.principal.address,
                               parameters.channel("after"), parameters.limit()};
    if (parameters.failed()) co_return parameters.answer();
    auto channels = co_await context.database.run(
        [query](pqxx::connection& connection) { return ledger::list_channels(connection, query); });
    std::optional<channel::ChannelId> next;
    if (channels.size() == query.limit) next = channels.back().terms.id;
    std::erase_if(channels, [&](const auto& record) { return !is_served(context, record); });
    JsonObject body;
    body.list("channels", channels,
              [&](const auto& record) { return channel_json(context, record); });
    if (next) body.hex("next", *next);
    co_return body.answer();
}

Task<HttpResponse> get_channel(RestContext& context, RestRequest request) {
    Parameters parameters(request.http);
    const auto id = parameters.channel_in_path(request.segment);
    if (parameters.failed()) co_return parameters.answer();
    const auto record = co_await context.database.run(
        [id](pqxx::connection& connection) { return ledger::read_channel(connection, id); });
    if (auto refusal = hidden(context, request.principal, record)) co_return std::move(*refusal);
    std::string text;
    stream::append_channel_with_reservations(text, *record,
                                             context.assets.at(record->terms.asset_id));
    co_return HttpResponse{200, "application/json", std::move(text), {}};
}

Task<HttpResponse> get_payments(RestContext& context, RestRequest request) {
    Parameters parameters(request.http);
    const auto id = parameters.channel_in_path(request.segment);
    const auto after = parameters.seq("after");
    const auto limit = parameters.limit();
    if (parameters.failed()) co_return parameters.answer();
    const auto record = co_await context.database.run(
        [id](pqxx::connection& connection) { return ledger::read_channel(connection, id); });
    if (auto refusal = hidden(context, request.principal, record)) co_return std::move(*refusal);
    const auto payments = co_await context.database.run([=](pqxx::connection& connection) {
        return ledger::read_payments(connection, id, after, limit);
    });
    JsonObject body;
    body.hex("channelId", id).list("payments", payments, payment_json);
    if (payments.size() == limit) body.decimal("next", payments.back().result.seq);
    co_return body.answer();
}

}  // namespace millrace::api::rest
