#include "api/gate/payments.hpp"

#include "api/gate/json_text.hpp"
#include "channel/hex.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <boost/json.hpp>

namespace millrace::api::gate {

namespace json = boost::json;

namespace {

constexpr std::chrono::seconds kSweepPatience{30};
/// The connection has ended, and what was asked may be so or not.
constexpr std::string_view kUnavailable = "unavailable";
/// Of a release, and of a charge: something else has ended the payment.
constexpr std::string_view kEndedOtherwise = "idempotency_conflict";
constexpr std::string_view kNotReserved = "reservation_unknown";

std::string quoted(std::string_view text) {
    return json::serialize(json::string(text));
}

std::string charge_params(const Payment& payment, channel::Amount amount,
                          channel::TokenCounts tokens, std::string_view final) {
    return fmt::format(R"({{"channelId":"{}","inferenceId":"{}","amount":"{}","final":{},)"
                       R"("usage":{{"inputTokens":{},"outputTokens":{}}}}})",
                       channel::to_hex(payment.channel), payment.inference,
                       channel::to_string(amount), final, tokens.input, tokens.output);
}

std::string release_params(std::string_view channel, std::string_view inference,
                           std::string_view reason) {
    return fmt::format(R"({{"channelId":"{}","inferenceId":"{}","reason":{}}})", channel, inference,
                       quoted(reason));
}

Charged charged(channel::Amount amount, const ServiceAnswer& answer) {
    return {amount, text_in(answer.result, "chargedCumulativeAmount"),
            text_in(answer.result, "balance")};
}

bool has_ended(const ServiceAnswer& answer) {
    return answer.reason == kEndedOtherwise || answer.reason == kNotReserved;
}

/// What this gate has reserved the chain may end, or another gate that takes it for its own.
void tell_refused_charge(const ServiceAnswer& answer) {
    spdlog::warn("a charge: {} {}{}", answer.reason, answer.message,
                 has_ended(answer)
                     ? " The payment has ended already: the chain took its money away, or another "
                       "gate of this name runs for this receiver; each needs a gate.name of its "
                       "own."
                     : "");
}

void tell_failure(std::string_view doing, const ServiceAnswer& answer) {
    if (answer.failed) spdlog::warn("{}: {} {}", doing, answer.reason, answer.message);
}

}  // namespace

Task<std::optional<ServiceAnswer>> Payments::answer(std::shared_ptr<ServiceCall> call,
                                                    Deadline deadline) {
    const bool answered = co_await link_.wait(call, deadline);
    if (answered) co_return call->answer();
    link_.give_up(call);
    co_return std::nullopt;
}

bool Payments::is_available() const {
    return link_.is_usable() && link_.outstanding() < outstanding_max_;
}

std::shared_ptr<ServiceCall> Payments::hand_in(const Asked& asked) {
    auto params = fmt::format(
        R"({{"channelConfig":{},"inference":{{"id":"{}","model":{}}},"maxAmount":"{}","voucher":{})",
        asked.channel_config, asked.inference, quoted(asked.model),
        channel::to_string(asked.max_amount), asked.voucher);
    if (!asked.deposit.empty()) params += R"(,"deposit":)" + asked.deposit;
    params += '}';
    return link_.call("payment.accept", params, Sending::twice);
}

Task<std::variant<Payment, Refused, NoAnswer>> Payments::taken(Asked asked,
                                                               std::shared_ptr<ServiceCall> call,
                                                               Deadline deadline) {
    const bool answered_in_time = co_await link_.wait(call, deadline);
    const auto id = channel::to_hex(asked.channel);
    const auto give_back = [this, id, inference = asked.inference](const ServiceAnswer& late) {
        if (late.failed && late.reason != kUnavailable) return;
        link_.call("payment.release",
                   release_params(id, inference, "nobody waited for the payment"),
                   Sending::until_answered);
    };
    if (!answered_in_time) {
        const bool is_unseen = link_.give_up(call);
        if (!is_unseen) link_.when_answered(call, give_back);
        co_return NoAnswer{call};
    }
    const auto& answered = call->answer();
    if (answered->failed) {
        if (answered->reason == kUnavailable) give_back(*answered);
        co_return Refused{answered->reason, answered->message};
    }
    Payment payment;
    payment.channel = asked.channel;
    payment.inference = asked.inference;
    payment.ceiling = asked.max_amount;
    payment.charged_before = text_in(answered->result, "chargedCumulativeAmount");
    payment.balance = text_in(answered->result, "balance");
    payment.transaction = text_in(answered->result, "transaction");
    if (!asked.deposit.empty()) payment.deposited = text_in(answered->result, "deposit");
    co_return payment;
}

std::shared_ptr<ServiceCall> Payments::charge_so_far(Payment& payment, channel::Amount amount,
                                                     channel::TokenCounts tokens) {
    payment.last = link_.call("payment.charge", charge_params(payment, amount, tokens, "false"),
                              Sending::until_answered);
    link_.when_answered(payment.last, [](const ServiceAnswer& answer) {
        // Put off by the service, it may come behind the last one, which says it all.
        if (!has_ended(answer)) tell_failure("a charge on the way", answer);
    });
    return payment.last;
}

Task<std::variant<Charged, Refused, NoAnswer>> Payments::charge(Payment& payment,
                                                                channel::Amount amount,
                                                                channel::TokenCounts tokens,
                                                                std::chrono::milliseconds patience,
                                                                Unanswered unanswered) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    auto params = charge_params(payment, amount, tokens, "true");
    const auto call = link_.call("payment.charge", params, Sending::until_answered);
    payment.last = call;
    payment.is_ended = true;
    const bool answered = co_await link_.wait(call, deadline);
    if (answered && call->answer()->failed) {
        tell_refused_charge(*call->answer());
        co_return Refused{call->answer()->reason, call->answer()->message};
    }
    if (answered) co_return charged(amount, *call->answer());
    if (unanswered == Unanswered::stands) co_return NoAnswer{call};
    const bool is_unseen = link_.give_up(call);
    release(payment, "the payer was not served");
    if (is_unseen) co_return NoAnswer{payment.last};
    auto after_all = co_await take_back(payment, amount, std::move(params), deadline + patience);
    if (after_all) co_return std::move(*after_all);
    co_return NoAnswer{payment.last};
}

/// A charge that the service may have seen and a release are on their way, in this order, perhaps
/// over two connections: which of both came first, the answer to the release tells.
Task<std::optional<Charged>> Payments::take_back(Payment& payment, channel::Amount amount,
                                                 std::string params, Deadline deadline) {
    const bool answered = co_await link_.wait(payment.last, deadline);
    if (!answered || payment.last->answer()->reason != kEndedOtherwise) co_return std::nullopt;
    // Asked again for the same, the service gives the first result.
    const auto repeated = link_.call("payment.charge", params, Sending::until_answered);
    const auto first = co_await answer(repeated, deadline);
    if (!first || first->failed) co_return std::nullopt;
    co_return charged(amount, *first);
}

void Payments::release(Payment& payment, std::string_view reason) {
    payment.is_ended = true;
    payment.last =
        link_.call("payment.release",
                   release_params(channel::to_hex(payment.channel), payment.inference, reason),
                   Sending::until_answered);
    link_.when_answered(payment.last,
                        [](const ServiceAnswer& answer) { tell_failure("a release", answer); });
}

Task<void> Payments::settled(const Payment& payment, Deadline deadline) {
    if (payment.last) co_await link_.wait(payment.last, deadline);
}

Task<std::optional<json::object>> Payments::channel(channel::ChannelId id, Deadline deadline) {
    const auto call = link_.call(
        "channel.get", fmt::format(R"({{"channelId":"{}"}})", channel::to_hex(id)), Sending::twice);
    const auto answered = co_await answer(call, deadline);
    if (!answered || answered->failed) co_return std::nullopt;
    co_return answered->result;
}

Task<std::variant<json::object, Refused, NoAnswer>> Payments::refund(channel::ChannelId id,
                                                                     std::string amount,
                                                                     std::string voucher,
                                                                     Deadline deadline) {
    auto params = fmt::format(R"({{"channelId":"{}","voucher":{})", channel::to_hex(id), voucher);
    if (!amount.empty()) params += R"(,"amount":")" + amount + '"';
    const auto call = link_.call("channel.refund", params + '}', Sending::once);
    const auto answered = co_await answer(call, deadline);
    if (!answered) co_return NoAnswer{call};
    if (answered->failed) co_return Refused{answered->reason, answered->message};
    co_return answered->result;
}

Task<std::optional<std::size_t>> Payments::release_left_over(std::string name_prefix,
                                                             std::string boot_prefix) {
    std::size_t released = 0;
    std::string cursor;
    do {
        auto params = std::string(R"({"limit":1000)");
        if (!cursor.empty()) params += R"(,"cursor":)" + quoted(cursor);
        const auto deadline = std::chrono::steady_clock::now() + kSweepPatience;
        const auto page =
            co_await answer(link_.call("channel.list", params + '}', Sending::twice), deadline);
        if (!page || page->failed) co_return std::nullopt;
        for (const auto& one : page->result.at("channels").as_array()) {
            const auto& listed = one.as_object();
            if (text_in(listed, "reservedAmount") == "0") continue;
            const auto id = text_in(listed, "channelId");
            const auto found = co_await answer(
                link_.call("channel.get", fmt::format(R"({{"channelId":"{}"}})", id),
                           Sending::twice),
                deadline);
            if (!found || found->failed) co_return std::nullopt;
            const auto* open = found->result.if_contains("reservations");
            if (!open) continue;
            for (const auto& reservation : open->as_array()) {
                const auto inference = text_in(reservation.as_object(), "inferenceId");
                if (!inference.starts_with(name_prefix) || inference.starts_with(boot_prefix))
                    continue;
                const auto done = co_await answer(
                    link_.call("payment.release",
                               release_params(id, inference, "the gate was started anew"),
                               Sending::until_answered),
                    deadline);
                if (!done) co_return std::nullopt;
                ++released;
            }
        }
        cursor = text_in(page->result, "nextCursor");
    } while (!cursor.empty());
    co_return released;
}

}  // namespace millrace::api::gate
