#include "ledger/event_data.hpp"

#include "channel/hex.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>

namespace millrace::ledger {
namespace {

void append_config(std::string& out, const channel::ChannelConfig& config) {
    fmt::format_to(
        std::back_inserter(out),
        R"({{"payer":"{}","payerAuthorizer":"{}","receiver":"{}","receiverAuthorizer":"{}",)"
        R"("token":"{}","withdrawDelay":{},"salt":"{}"}})",
        channel::to_hex(config.payer), channel::to_hex(config.payer_authorizer),
        channel::to_hex(config.receiver), channel::to_hex(config.receiver_authorizer),
        channel::to_hex(config.token), config.withdraw_delay_seconds, channel::to_hex(config.salt));
}

}  // namespace

void append_channel_members(std::string& out, const ChannelTerms& terms,
                            const channel::State& state, const Asset& asset) {
    fmt::format_to(std::back_inserter(out),
                   R"("channelId":"{}","network":"{}","contract":"{}","config":)",
                   channel::to_hex(terms.id), channel::to_string(asset.network),
                   channel::to_hex(asset.contract));
    append_config(out, terms.config);
    out += R"(,"app":)";
    out += terms.app.empty() ? "null" : boost::json::serialize(boost::json::string(terms.app));
    fmt::format_to(std::back_inserter(out), R"(,"voucherSigner":"{}")",
                   channel::to_string(terms.voucher_signer));
    fmt::format_to(
        std::back_inserter(out),
        R"(,"status":"{}","balance":"{}","chargedCumulativeAmount":"{}","reservedAmount":"{}",)"
        R"("refundingAmount":"{}","signedMaxClaimable":"{}","signature":)",
        channel::to_string(state.status), channel::to_string(state.balance),
        channel::to_string(state.charged), channel::to_string(state.reserved),
        channel::to_string(state.refunding), channel::to_string(state.signed_max));
    if (state.signed_max.is_zero())
        out += "null";
    else
        out += '"' + channel::to_hex(state.signature) + '"';
    fmt::format_to(std::back_inserter(out),
                   R"(,"totalClaimed":"{}","withdrawRequestedAt":{},"refundNonce":"{}")",
                   channel::to_string(state.total_claimed), state.withdraw_requested_at,
                   state.refund_nonce);
}

std::string channel_event_data(std::string_view name, const ChannelTerms& terms,
                               const channel::State& state, const Asset& asset,
                               channel::Amount amount) {
    auto out = fmt::format(R"({{"name":"{}","amount":"{}",)", name, channel::to_string(amount));
    append_channel_members(out, terms, state, asset);
    out += '}';
    return out;
}

}  // namespace millrace::ledger
