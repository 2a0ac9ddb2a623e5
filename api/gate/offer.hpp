#pragma once

#include "api/gate/terms.hpp"
#include "api/x402/payload.hpp"
#include "channel/amount.hpp"
#include "channel/error.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace millrace::api::gate {

/// What a 402 says beside the terms (x402 v2, PaymentRequired).
struct Offer {
    /// Of what is asked for.
    std::string url;
    std::string description;
    /// The most that the call may cost, which a payer's voucher adds to what is charged already.
    channel::Amount amount;
    /// An x402 error string, or a sentence.
    std::string error;
    /// A corrective 402: the channel object of the service, from which a payer whose state is
    /// behind takes `channelState` and `voucherState`.
    const boost::json::object* channel = nullptr;
};

/// The JSON of a 402: header `PAYMENT-REQUIRED`, in base64, and body. One entry for each way in
/// which the token takes deposits. The same terms and offer give the same text.
std::string render(const Terms& terms, const Offer& offer);

/// Deposits below this are refused: `gate.deposit_min`, and never less than what is asked for.
channel::Amount least_deposit(const Terms& terms, channel::Amount amount);

/// Why a payment is none for this offer, by what the payer repeated of it and by its channel: an
/// x402 error string. Nothing when it fits. Signatures and figures are for the service to judge.
std::optional<std::string_view> why_not(const Terms& terms, channel::Amount amount,
                                        const x402::Requirements& accepted,
                                        const x402::ChannelVoucher& paid);

/// Whether a voucher is signed by the channel's payer authorizer, or by the payer where it has
/// none: a payer that is a contract only the service can ask (ERC-1271).
enum class Signed { by_payer, by_nobody, by_a_contract_perhaps };
Signed look_at_signature(const Terms& terms, const x402::ChannelVoucher& paid);

/// `channelState` of x402 from the service's channel object. `charged` is newer than it.
std::string channel_state(const boost::json::object& channel, std::string_view charged,
                          std::string_view balance);

/// What a `PAYMENT-RESPONSE` tells (x402 v2, SettlementResponse).
struct Receipt {
    channel::Address payer;
    channel::Network network;
    /// Of a deposit or refund; empty: none.
    std::string transaction;
    std::string amount;
    /// Empty: not said, as of refunds.
    std::string charged;
    /// JSON; empty: not known.
    std::string channel_state;
    /// Empty: all went well.
    std::string error_reason;
    std::string error_message;
};
std::string render(const Receipt& receipt);

/// What no requirement of ours matches.
inline constexpr std::string_view kNoMatch = "No matching payment requirements";

}  // namespace millrace::api::gate
