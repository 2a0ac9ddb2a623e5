#include "api/gate/paid_call.hpp"

#include "api/gate/json_text.hpp"
#include "api/gate/model_call.hpp"
#include "api/gate/relay.hpp"
#include "api/gate/served_call.hpp"
#include "api/stream/json.hpp"
#include "api/x402/header.hpp"
#include "api/x402/reasons.hpp"
#include "channel/error.hpp"
#include "channel/hex.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>

#include <algorithm>
#include <array>

namespace millrace::api::gate {

namespace json = boost::json;
using channel::Error;
using std::chrono::steady_clock;

namespace {

constexpr auto kTuple = boost::asio::as_tuple(boost::asio::use_awaitable);
constexpr std::string_view kPaymentRequired = "Payment required";
constexpr std::size_t kDepthMax = 16;
constexpr std::chrono::milliseconds kRefundLook{250};

/// Parts of the payment as the payer wrote them, for the service to judge.
struct Parts {
    std::string channel_config;
    std::string voucher;
    std::string deposit;
};

Parts parts_of(const std::string& header_json) {
    stream::JsonParser parser(kDepthMax);
    Parts parts;
    const auto root = parser.parse(header_json);
    const auto payload = root ? root->member("payload") : std::nullopt;
    if (!payload) return parts;
    const auto copy = [&](std::string_view name, std::string& out) {
        if (const auto part = payload->member(name)) part->append_compact(out);
    };
    copy("channelConfig", parts.channel_config);
    copy("voucher", parts.voucher);
    copy("deposit", parts.deposit);
    return parts;
}

/// By these the payer learns its channel's state, and asks again.
bool is_correctable(std::string_view reason_text) {
    return reason_text == reason(Error::cumulative_amount_mismatch);
}

/// Not the payer's fault: the gate is not who it should be, or asked for nonsense.
bool is_ours(std::string_view reason_text) {
    constexpr std::array<std::string_view, 4> kOurs{"unauthenticated", "forbidden",
                                                    "idempotency_conflict", "unavailable"};
    return reason_text.empty() || std::find(kOurs.begin(), kOurs.end(), reason_text) != kOurs.end();
}

/// The x402 string, also where the stream has a name of its own.
std::string x402_error(const std::string& reason_text) {
    if (reason_text == "channel_unknown") return std::string(x402::kMissingChannel);
    if (reason_text == "channel_not_open") return std::string(reason(Error::channel_not_found));
    return reason_text;
}

channel::Amount amount_in(const json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    if (!value || !value->is_string()) return {};
    const auto amount = channel::parse_amount(std::string(value->as_string()));
    return amount ? *amount : channel::Amount{};
}

const x402::ChannelVoucher* paid_by(const x402::PaymentPayload& paid) {
    if (const auto* voucher = std::get_if<x402::VoucherPayload>(&paid.payload))
        return &voucher->paid;
    if (const auto* deposit = std::get_if<x402::DepositPayload>(&paid.payload))
        return &deposit->paid;
    if (const auto* refund = std::get_if<x402::RefundPayload>(&paid.payload)) return &refund->paid;
    return nullptr;
}

}  // namespace

PaidCall::PaidCall(Worker& worker, Exchange& exchange, const Quote& quote)
    : worker_(worker), exchange_(exchange), quote_(quote) {}

Task<void> PaidCall::run() {
    if (!worker_.terms || !worker_.shared.swept) {
        co_await unavailable("The payment service cannot be reached yet; try again.");
        co_return;
    }
    const auto header = field_in(exchange_.request().fields, "payment-signature");
    if (header.empty()) {
        co_await ask_for_payment(std::string(kPaymentRequired));
        co_return;
    }
    auto text = x402::decode_header(header);
    if (!text) {
        co_await ask_for_payment("PAYMENT-SIGNATURE is not base64 of JSON");
        co_return;
    }
    auto parsed = x402::parse_payment_payload(*text);
    if (const auto* wrong = std::get_if<stream::Failure>(&parsed)) {
        co_await ask_for_payment(
            std::string(wrong->reason.empty() ? "invalid_request" : wrong->reason));
        co_return;
    }
    auto& paid = std::get<x402::PaymentPayload>(parsed);
    co_await take(std::move(paid), std::move(*text));
}

std::optional<std::string_view> PaidCall::why_not_payload(const x402::PaymentPayload& paid) const {
    const auto* channel = paid_by(paid);
    if (!channel) return x402::kPayloadType;
    const auto& terms = *worker_.terms;
    // A refund has no price: it fits whatever was asked for.
    const bool is_refund = std::holds_alternative<x402::RefundPayload>(paid.payload);
    const auto amount = is_refund ? paid.accepted.amount : quote_.ceiling;
    if (const auto why = why_not(terms, amount, paid.accepted, *channel)) return why;
    const auto* deposit = std::get_if<x402::DepositPayload>(&paid.payload);
    if (deposit && deposit->deposit.amount < least_deposit(terms, quote_.ceiling))
        return reason(Error::deposit_below_min_deposit);
    if (signed_ == Signed::by_nobody) return reason(Error::voucher_signature);
    return std::nullopt;
}

Task<void> PaidCall::take(x402::PaymentPayload paid, std::string header_json) {
    if (const auto* channel = paid_by(paid)) signed_ = look_at_signature(*worker_.terms, *channel);
    if (const auto why = why_not_payload(paid)) {
        co_await ask_for_payment(std::string(*why));
        co_return;
    }
    if (!worker_.payments.is_available()) {
        co_await unavailable("The payment service cannot be reached; try again.");
        co_return;
    }
    if (const auto* wanted = std::get_if<x402::RefundPayload>(&paid.payload)) {
        co_await refund(*wanted, std::move(header_json));
        co_return;
    }
    co_await pay(*paid_by(paid), std::move(header_json));
}

/// Only the payer itself waits for its channel: others could keep it from it.
Task<std::optional<ChannelTurns::Turn>> PaidCall::take_turn(x402::ChannelVoucher paid) {
    const auto patience = signed_ == Signed::by_payer ? worker_.shared.config.turn_timeout
                                                      : std::chrono::milliseconds{0};
    co_return co_await worker_.shared.turns.take(paid.channel, exchange_.executor(),
                                                 steady_clock::now() + patience);
}

Task<void> PaidCall::pay(x402::ChannelVoucher paid, std::string header_json) {
    auto& shared = worker_.shared;
    auto turn = co_await take_turn(paid);
    if (exchange_.is_gone()) co_return;
    if (!turn) {
        co_await ask_for_payment(std::string(reason(Error::channel_busy)));
        co_return;
    }
    // Better now than with a payment; its place it takes with the payment.
    if (shared.upstream_calls >= shared.config.upstream_calls_max) {
        shared.metrics.request("unavailable");
        auto full = overloaded_reply();
        co_await exchange_.answer(std::move(full));
        co_return;
    }
    auto parts = parts_of(header_json);
    Payments::Asked asked;
    asked.channel = paid.channel;
    asked.inference = shared.inference_prefix + std::to_string(++shared.inferences);
    asked.model = quote_.model;
    asked.max_amount = quote_.ceiling;
    asked.channel_config = std::move(parts.channel_config);
    asked.voucher = std::move(parts.voucher);
    asked.deposit = std::move(parts.deposit);
    co_await serve(std::move(asked), std::move(*turn), std::move(paid));
}

Task<void> PaidCall::serve(Payments::Asked asked, ChannelTurns::Turn turn,
                           x402::ChannelVoucher paid) {
    auto& shared = worker_.shared;
    const auto begun = steady_clock::now();
    const auto deadline = begun + (asked.deposit.empty() ? shared.config.accept_timeout
                                                         : shared.config.deposit_timeout);
    const bool is_ahead = may_go_ahead(paid, asked);
    const auto payment_call = worker_.payments.hand_in(asked);
    ModelCall model(worker_, exchange_, quote_);
    std::exception_ptr failure;
    try {
        if (is_ahead) co_await model.ask_ahead_of(payment_call, deadline);
    } catch (...) {
        failure = std::current_exception();
    }
    auto taken = co_await worker_.payments.taken(std::move(asked), payment_call, deadline);
    const auto taken_at =
        payment_call->answer() ? payment_call->answered_at() : steady_clock::now();
    shared.metrics.waited("accept", taken_at - begun);
    if (!std::holds_alternative<Payment>(taken) && model.was_asked()) {
        model.end();
        shared.metrics.ahead_in_vain.Increment();
    }
    if (const auto* why = std::get_if<Refused>(&taken)) {
        co_await refused(*why, std::move(turn), paid);
        co_return;
    }
    if (const auto* nothing = std::get_if<NoAnswer>(&taken)) {
        leave(std::move(turn), nothing->under_way);
        co_await unavailable("The payment service did not answer; try again.");
        co_return;
    }
    auto& payment = std::get<Payment>(taken);
    ServedCall served(worker_, exchange_, quote_, payment, paid.config.payer, model);
    try {
        if (!failure && !exchange_.is_gone()) co_await served.run();
    } catch (...) {
        failure = std::current_exception();
    }
    if (!payment.is_ended) {
        worker_.payments.release(payment, "the call came to nothing");
        shared.metrics.payment("released");
    }
    leave(std::move(turn), payment.last);
    if (failure) std::rethrow_exception(failure);
}

/// What does nothing but answer may be asked before its payment stands, for a payer who has just
/// paid and whose voucher is the one that the service has to expect. Not with a deposit, which
/// takes too long, or where a contract has to be asked for its signature.
bool PaidCall::may_go_ahead(const x402::ChannelVoucher& paid, const Payments::Asked& asked) {
    auto& shared = worker_.shared;
    const bool is_harmless =
        quote_.endpoint.only_answers && quote_.asked && exchange_.request().method == "POST";
    const bool is_sure = signed_ == Signed::by_payer && asked.deposit.empty() &&
                         paid.config.payer_authorizer != channel::Address{};
    // Half of the places are for those who have paid.
    const bool has_room = shared.upstream_calls < shared.config.upstream_calls_max / 2;
    return shared.config.ahead_of_payment && is_harmless && is_sure && has_room &&
           worker_.link.is_up() &&
           shared.charged_before.expects(paid.channel, paid.voucher.max_claimable, quote_.ceiling,
                                         steady_clock::now());
}

/// The channel is free for its next call when the service has answered the last request of this
/// one, or some time later: what the next one asks, perhaps over another connection, comes behind.
void PaidCall::leave(ChannelTurns::Turn turn, std::shared_ptr<ServiceCall> last) {
    if (!last || last->answer()) return;
    const auto held = std::make_shared<std::optional<ChannelTurns::Turn>>(std::move(turn));
    const auto patience = std::make_shared<boost::asio::steady_timer>(
        exchange_.executor(), worker_.shared.config.charge_timeout);
    patience->async_wait([held, patience](boost::system::error_code) { held->reset(); });
    worker_.link.when_answered(last, [patience](const ServiceAnswer&) { patience->cancel(); });
}

Task<void> PaidCall::refused(const Refused& why, ChannelTurns::Turn turn,
                             const x402::ChannelVoucher& paid) {
    if (is_ours(why.reason)) {
        spdlog::error("a payment could not be handed in: {} {}", why.reason, why.message);
        co_await unavailable("The payment could not be handed in; the provider has to look.");
        co_return;
    }
    if (!is_correctable(why.reason)) {
        co_await ask_for_payment(x402_error(why.reason));
        co_return;
    }
    if (signed_ != Signed::by_payer) {
        co_await ask_for_payment(why.reason);
        co_return;
    }
    const auto deadline = steady_clock::now() + worker_.shared.config.accept_timeout;
    const auto channel = co_await worker_.payments.channel(paid.channel, deadline);
    std::move(turn).keep_for_second_request();
    co_await ask_for_payment(why.reason, channel ? &*channel : nullptr);
}

Task<void> PaidCall::refund(x402::RefundPayload paid, std::string header_json) {
    auto& shared = worker_.shared;
    const auto begun = steady_clock::now();
    const auto deadline = begun + shared.config.refund_timeout;
    const auto id = paid.paid.channel;
    auto turn = co_await take_turn(paid.paid);
    if (!turn) {
        co_await ask_for_payment(std::string(reason(Error::channel_busy)));
        co_return;
    }
    const auto before = co_await worker_.payments.channel(id, deadline);
    auto parts = parts_of(header_json);
    auto amount = paid.amount ? channel::to_string(*paid.amount) : std::string();
    auto done =
        co_await worker_.payments.refund(id, std::move(amount), std::move(parts.voucher), deadline);
    if (auto* why = std::get_if<Refused>(&done)) {
        // Closed, because all of it was given back.
        if (why->reason == "channel_not_open")
            why->reason = std::string(reason(Error::refund_no_balance));
        co_await refused(*why, std::move(*turn), paid.paid);
        co_return;
    }
    const auto* sent = std::get_if<json::object>(&done);
    if (!sent) {
        co_await unavailable("What became of the refund is not known yet; ask again.");
        co_return;
    }
    const auto balance = before ? amount_in(*before, "balance") : channel::Amount{};
    const auto channel = co_await refunded_channel(id, balance, deadline);
    Receipt receipt;
    receipt.payer = paid.paid.config.payer;
    receipt.network = worker_.terms->network;
    receipt.transaction = text_in(*sent, "transaction");
    receipt.amount = text_in(*sent, "amount");
    if (!channel.empty())
        receipt.channel_state = channel_state(channel, text_in(channel, "chargedCumulativeAmount"),
                                              text_in(channel, "balance"));
    worker_.known.erase(id);
    shared.charged_before.forget(id);
    shared.metrics.request("refunded");
    Reply reply;
    reply.body = fmt::format(R"({{"message":"Refunded","channelId":"{}","amount":"{}"}})",
                             channel::to_hex(id), receipt.amount);
    reply.fields.emplace_back("Cache-Control", "private");
    reply.fields.emplace_back("PAYMENT-RESPONSE", x402::encode_header(render(receipt)));
    co_await exchange_.answer(std::move(reply));
}

/// Waits until the books have it, so that what the payer reads from the chain next is new.
Task<json::object> PaidCall::refunded_channel(channel::ChannelId id, channel::Amount before,
                                              Payments::Deadline deadline) {
    boost::asio::steady_timer pause(exchange_.executor());
    for (;;) {
        auto channel = co_await worker_.payments.channel(id, deadline);
        const bool is_known = channel && amount_in(*channel, "balance") < before;
        if (is_known || steady_clock::now() >= deadline)
            co_return channel ? std::move(*channel) : json::object();
        pause.expires_after(kRefundLook);
        co_await pause.async_wait(kTuple);
    }
}

Task<void> PaidCall::ask_for_payment(std::string error, const json::object* correction) {
    auto& request = exchange_.request();
    const auto& shared = worker_.shared;
    Offer offer;
    const auto host = field_in(request.fields, "host");
    offer.url =
        shared.config.public_url.empty() ? "http://" + std::string(host) : shared.config.public_url;
    offer.url += request.raw_path;
    offer.description = quote_.rule.description;
    offer.amount = quote_.ceiling;
    offer.error = std::move(error);
    offer.channel = correction;
    Reply reply;
    reply.status = 402;
    reply.body = render(*worker_.terms, offer);
    reply.fields.emplace_back("Cache-Control", "no-store");
    reply.fields.emplace_back("PAYMENT-REQUIRED", x402::encode_header(reply.body));
    if (offer.error == reason(Error::channel_busy)) reply.fields.emplace_back("Retry-After", "1");
    worker_.shared.metrics.request(correction ? "corrected" : "payment_required");
    co_await exchange_.answer(std::move(reply));
}

Task<void> PaidCall::unavailable(std::string_view detail) {
    worker_.shared.metrics.request("unavailable");
    if (exchange_.is_gone()) co_return;
    Fields later{{"Retry-After", "1"}};
    auto reply = problem_reply(503, "unavailable", detail, std::move(later));
    co_await exchange_.answer(std::move(reply));
}

}  // namespace millrace::api::gate
