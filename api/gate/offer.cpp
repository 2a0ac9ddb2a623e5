#include "api/gate/offer.hpp"

#include "api/gate/json_text.hpp"
#include "api/stream/json.hpp"
#include "api/x402/reasons.hpp"
#include "channel/hex.hpp"
#include "channel/network.hpp"
#include "channel/payer_signature.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>

#include <algorithm>

namespace millrace::api::gate {
namespace {

namespace json = boost::json;

void append_text(std::string& out, std::string_view name, std::string_view value) {
    if (out.back() != '{') out += ',';
    ((out += '"') += name) += "\":";
    stream::append_json_string(out, value);
}

std::string voucher_state(const json::object& channel) {
    std::string out = "{";
    append_text(out, "signedMaxClaimable", text_in(channel, "signedMaxClaimable"));
    append_text(out, "signature", text_in(channel, "signature"));
    return out += '}';
}

/// A channel that no voucher was accepted on yet has no signature: the payer then takes its state
/// from the chain.
void append_correction(std::string& out, const json::object& channel) {
    out +=
        R"(,"channelState":)" + channel_state(channel, text_in(channel, "chargedCumulativeAmount"),
                                              text_in(channel, "balance"));
    if (!text_in(channel, "signature").empty())
        out += R"(,"voucherState":)" + voucher_state(channel);
}

void append_entry(std::string& out, const Terms& terms, const Offer& offer,
                  std::string_view transfer_method) {
    out += R"({"scheme":"batch-settlement")";
    append_text(out, "network", channel::to_string(terms.network));
    append_text(out, "amount", channel::to_string(offer.amount));
    append_text(out, "asset", channel::to_hex(terms.token));
    append_text(out, "payTo", channel::to_hex(terms.pay_to));
    out += fmt::format(R"(,"maxTimeoutSeconds":{},"extra":{{)", terms.timeout_seconds);
    append_text(out, "name", terms.token_name);
    append_text(out, "version", terms.token_version);
    append_text(out, "receiverAuthorizer", channel::to_hex(terms.receiver_authorizer));
    out += fmt::format(R"(,"withdrawDelay":{})", terms.withdraw_delay_seconds);
    // Clients deposit what is named here and no more; unnamed, enough for several calls.
    if (!terms.deposit_min.is_zero())
        append_text(out, "minDeposit", channel::to_string(least_deposit(terms, offer.amount)));
    append_text(out, "assetTransferMethod", transfer_method);
    if (offer.channel) append_correction(out, *offer.channel);
    out += "}}";
}

}  // namespace

std::string render(const Terms& terms, const Offer& offer) {
    std::string out = R"({"x402Version":2)";
    append_text(out, "error", offer.error);
    out += R"(,"resource":{)";
    append_text(out, "url", offer.url);
    append_text(out, "description", offer.description);
    append_text(out, "mimeType", "application/json");
    out += R"(},"accepts":[)";
    for (const auto& method : terms.transfer_methods) {
        if (out.back() == '}') out += ',';
        append_entry(out, terms, offer, method);
    }
    return out += "]}";
}

channel::Amount least_deposit(const Terms& terms, channel::Amount amount) {
    return std::max(terms.deposit_min, amount);
}

std::optional<std::string_view> why_not(const Terms& terms, channel::Amount amount,
                                        const x402::Requirements& accepted,
                                        const x402::ChannelVoucher& paid) {
    using channel::Error;
    const auto& config = paid.config;
    if (accepted.scheme != x402::kBatchSettlement) return x402::kScheme;
    if (accepted.network != channel::to_string(terms.network))
        return reason(Error::network_mismatch);
    if (accepted.asset != terms.token || config.token != terms.token)
        return reason(Error::token_mismatch);
    if (accepted.pay_to != terms.pay_to || config.receiver != terms.pay_to)
        return reason(Error::receiver_mismatch);
    if (accepted.receiver_authorizer != terms.receiver_authorizer ||
        config.receiver_authorizer != terms.receiver_authorizer)
        return reason(Error::receiver_authorizer_mismatch);
    if (accepted.withdraw_delay_seconds != terms.withdraw_delay_seconds ||
        config.withdraw_delay_seconds != terms.withdraw_delay_seconds)
        return reason(Error::withdraw_delay_mismatch);
    if (channel::channel_id(terms.escrow_separator, config) != paid.channel)
        return reason(Error::channel_id_mismatch);
    if (accepted.amount != amount) return kNoMatch;
    return std::nullopt;
}

Signed look_at_signature(const Terms& terms, const x402::ChannelVoucher& paid) {
    const auto& [max_claimable, signature] = paid.voucher;
    if (channel::is_signed_by_payer(paid.config, terms.escrow_separator, paid.channel,
                                    max_claimable, signature))
        return Signed::by_payer;
    return paid.config.payer_authorizer.is_zero() ? Signed::by_a_contract_perhaps
                                                  : Signed::by_nobody;
}

std::string channel_state(const json::object& channel, std::string_view charged,
                          std::string_view balance) {
    std::string out = "{";
    append_text(out, "channelId", text_in(channel, "channelId"));
    append_text(out, "balance", balance);
    append_text(out, "totalClaimed", text_in(channel, "totalClaimed"));
    const auto* requested = channel.if_contains("withdrawRequestedAt");
    out += R"(,"withdrawRequestedAt":)" + (requested ? json::serialize(*requested) : "0");
    append_text(out, "refundNonce", text_in(channel, "refundNonce"));
    append_text(out, "chargedCumulativeAmount", charged);
    return out += '}';
}

std::string render(const Receipt& receipt) {
    std::string out = receipt.error_reason.empty() ? R"({"success":true)" : R"({"success":false)";
    if (!receipt.error_reason.empty()) append_text(out, "errorReason", receipt.error_reason);
    if (!receipt.error_message.empty()) append_text(out, "errorMessage", receipt.error_message);
    append_text(out, "payer", channel::to_hex(receipt.payer));
    append_text(out, "transaction", receipt.transaction);
    append_text(out, "network", channel::to_string(receipt.network));
    append_text(out, "amount", receipt.amount);
    std::string extra = "{";
    if (!receipt.charged.empty()) append_text(extra, "chargedAmount", receipt.charged);
    if (!receipt.channel_state.empty()) {
        if (extra.size() > 1) extra += ',';
        extra += R"("channelState":)" + receipt.channel_state;
    }
    if (extra.size() > 1) out += R"(,"extra":)" + extra + '}';
    return out += '}';
}

}  // namespace millrace::api::gate
