#include "api/stream/render.hpp"

#include "api/stream/json.hpp"
#include "channel/hex.hpp"
#include "ledger/event_data.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <iterator>

namespace millrace::api::stream {
namespace {

void append_number(std::string& out, std::uint64_t number) {
    std::array<char, 20> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    out.append(digits.data(), end);
}

/// "name":
void append_name(std::string& out, std::string_view name) {
    ((out += '"') += name) += "\":";
}

void append_separated_name(std::string& out, std::string_view name) {
    if (out.back() != '{') out += ',';
    append_name(out, name);
}

/// Texts that need no escapes.
void append_plain(std::string& out, std::string_view text) {
    ((out += '"') += text) += '"';
}

void append_hex_string(std::string& out, channel::BytesView bytes) {
    out += '"';
    channel::append_hex(out, bytes);
    out += '"';
}

void append_head(std::string& out, std::string_view id) {
    (out += R"({"jsonrpc":"2.0","id":)") += id;
}

/// The members of a payment result, without braces.
void append_members(std::string& out, const ledger::PaymentResult& result) {
    out += R"("seq":)";
    append_quoted(out, result.seq);
    out += R"(,"channelId":)";
    append_hex_string(out, result.channel.view());
    out += R"(,"inferenceId":)";
    append_plain(out, result.inference.text());
    out += R"(,"amount":)";
    append_quoted(out, result.amount);
    out += R"(,"chargedCumulativeAmount":)";
    append_quoted(out, result.charged);
    out += R"(,"reservedAmount":)";
    append_quoted(out, result.reserved);
    out += R"(,"signedMaxClaimable":)";
    append_quoted(out, result.signed_max);
    out += R"(,"balance":)";
    append_quoted(out, result.balance);
}

void append_token(std::string& out, const TokenConfig& token) {
    out += R"({"address":)";
    append_hex_string(out, token.address.view());
    out += R"(,"name":)";
    append_json_string(out, token.name);
    out += R"(,"version":)";
    append_json_string(out, token.version);
    out += R"(,"decimals":)" + std::to_string(token.decimals) + R"(,"symbol":)";
    append_json_string(out, token.symbol);
    out += R"(,"assetTransferMethods":[)";
    for (const auto method : token.transfer_methods) {
        if (out.back() == '"') out += ',';
        append_plain(out, to_string(method));
    }
    out += "]}";
}

void append_network(std::string& out, const NetworkConfig& network,
                    const channel::Address& receiver_authorizer) {
    out += R"({"network":)";
    append_plain(out, channel::to_string(network.network));
    out += R"(,"contract":)";
    append_hex_string(out, network.contract.view());
    out += R"(,"tokens":[)";
    for (const auto& token : network.tokens) {
        if (out.back() == '}') out += ',';
        append_token(out, token);
    }
    out += R"(],"confirmations":)" + std::to_string(network.confirmations);
    out += R"(,"receiverAuthorizer":)";
    append_hex_string(out, receiver_authorizer.view());
    out += fmt::format(R"(,"withdrawDelay":{{"min":{},"max":{}}}}})",
                       network.withdraw_delay_seconds_min, network.withdraw_delay_seconds_max);
}

std::string limits_info(const LimitsConfig& limits) {
    return fmt::format(
        R"({{"frameBytesMax":{},"jsonDepthMax":{},"batchRequestsMax":{},"inFlightMax":{},)"
        R"("subscriptionsMax":{},"reservationsPerChannelMax":{},"channelsPerPayerMax":{},)"
        R"("detailBytesMax":{},"idleTimeoutSeconds":{},"depositWaitSeconds":{}}})",
        limits.frame_bytes_max, limits.json_depth_max, limits.batch_requests_max,
        limits.in_flight_max, limits.subscriptions_per_connection_max,
        limits.reservations_per_channel_max, limits.channels_per_payer_max, limits.detail_bytes_max,
        limits.idle_timeout.count(), limits.deposit_wait.count());
}

}  // namespace

void append_quoted(std::string& out, std::uint64_t number) {
    out += '"';
    append_number(out, number);
    out += '"';
}

void append_quoted(std::string& out, channel::Amount amount) {
    if (amount.units() <= UINT64_MAX)
        append_quoted(out, static_cast<std::uint64_t>(amount.units()));
    else
        append_plain(out, channel::to_string(amount));
}

void append_result(std::string& out, std::string_view id, std::string_view result) {
    append_head(out, id);
    ((out += R"(,"result":)") += result) += '}';
}

void append_payment_result(std::string& out, std::string_view id,
                           const ledger::PaymentResult& result) {
    append_head(out, id);
    out += R"(,"result":{)";
    append_members(out, result);
    out += "}}";
}

void append_accept_result(std::string& out, std::string_view id,
                          const ledger::PaymentResult& result, const RelayedDeposit& deposit) {
    append_head(out, id);
    out += R"(,"result":{)";
    append_members(out, result);
    out += R"(,"deposit":)";
    append_quoted(out, deposit.amount);
    out += R"(,"transaction":)";
    append_hex_string(out, deposit.transaction.view());
    out += "}}";
}

void append_error(std::string& out, std::string_view id, const Failure& failure) {
    append_head(out, id);
    out += R"(,"error":{"code":)" + std::to_string(static_cast<int>(failure.code));
    out += R"(,"message":)";
    append_json_string(out, failure.message);
    out += R"(,"data":{)";
    if (!failure.reason.empty()) {
        append_name(out, "reason");
        append_plain(out, failure.reason);
    }
    if (!failure.field.empty()) {
        append_separated_name(out, "field");
        append_json_string(out, failure.field);
    }
    if (!failure.limit.empty()) {
        append_separated_name(out, "limit");
        append_plain(out, failure.limit);
    }
    out += "}}}";
}

std::string payment_event_data(const ledger::PaymentCommitted& payment) {
    std::string out = "{";
    append_name(out, "name");
    append_plain(out, ledger::event_name(payment.kind));
    out += ',';
    append_members(out, payment.result);
    // The detail is an object of our own writing: its members follow without its braces.
    if (payment.detail.size() > 2) {
        out += ',';
        out.append(payment.detail, 1, payment.detail.size() - 2);
    }
    out += '}';
    return out;
}

void append_event(std::string& out, std::string_view subscription, std::uint64_t seq,
                  ledger::Topic topic, std::string_view data) {
    out += R"({"jsonrpc":"2.0","method":"event","params":{"subscription":)";
    append_plain(out, subscription);
    out += R"(,"seq":)";
    append_quoted(out, seq);
    out += R"(,"topic":)";
    append_plain(out, ledger::to_string(topic));
    ((out += R"(,"data":)") += data) += "}}";
}

void append_channel(std::string& out, const ledger::ChannelRecord& record,
                    const ledger::Asset& asset) {
    out += '{';
    ledger::append_channel_members(out, record.terms, record.state, asset);
    out += R"(,"seq":)";
    append_quoted(out, record.seq);
    out += '}';
}

void append_channel_with_reservations(std::string& out, const ledger::ChannelRecord& record,
                                      const ledger::Asset& asset) {
    append_channel(out, record, asset);
    out.back() = ',';
    out += R"("reservations":[)";
    for (const auto& [inference, reservation] : record.reservations) {
        if (out.back() == '}') out += ',';
        out += R"({"inferenceId":)";
        append_plain(out, inference.text());
        out += R"(,"amount":)";
        append_quoted(out, reservation.max_amount);
        out += R"(,"charged":)";
        append_quoted(out, reservation.charged);
        out += '}';
    }
    out += "]}";
}

std::string render(const OpenedChannel& opened) {
    std::string out = R"({"channelId":)";
    append_hex_string(out, opened.id.view());
    out += R"(,"status":)";
    append_plain(out, channel::to_string(opened.status));
    out += R"(,"balance":)";
    append_quoted(out, opened.balance);
    if (opened.transaction) {
        out += R"(,"transaction":)";
        append_hex_string(out, opened.transaction->view());
    }
    out += '}';
    return out;
}

std::string render(const RefundSent& sent) {
    std::string out = R"({"channelId":)";
    append_hex_string(out, sent.id.view());
    out += R"(,"amount":)";
    append_quoted(out, sent.amount);
    out += R"(,"transaction":)";
    append_hex_string(out, sent.transaction.view());
    return out + '}';
}

std::string render(const ClaimSummary& claim) {
    std::string out = R"({"claimId":)";
    append_json_string(out, claim.claim_id);
    out += R"(,"status":)";
    append_plain(out, claim.status);
    out += R"(,"transactions":[)";
    for (std::size_t at = 0; at < claim.transactions.size(); ++at) {
        if (at > 0) out += ',';
        append_hex_string(out, claim.transactions[at].view());
    }
    out += R"(],"channels":)" + std::to_string(claim.channels) + R"(,"amount":)";
    append_quoted(out, claim.amount);
    if (!claim.error.empty()) {
        out += R"(,"error":)";
        append_json_string(out, claim.error);
    }
    out += '}';
    return out;
}

std::string server_info(const Config& config, const channel::Address& receiver_authorizer) {
    std::string out = R"({"name":"millrace","version":")" MILLRACE_VERSION R"(","networks":[)";
    for (std::size_t at = 0; at < config.networks.size(); ++at) {
        if (at > 0) out += ',';
        append_network(out, config.networks[at], receiver_authorizer);
    }
    return out + R"(],"limits":)" + limits_info(config.limits) + "}";
}

}  // namespace millrace::api::stream
