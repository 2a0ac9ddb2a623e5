#include "api/gate/payments.hpp"

#include "channel/hex.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <boost/json.hpp>

namespace millrace::api::gate {

namespace json = boost::json;

namespace {

constexpr std::chrono::seconds kSweepPatience{30};

std::string text_in(const json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    return value && value->is_string() ? std::string(value->as_string()) : std::string();
}

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

void tell_failure(std::string_view doing, const ServiceAnswer& answer) {
    if (answer.failed) spdlog::warn("{}: {} {}", doing, answer.reason, answer.message);
}

}  // namespace

Task<std::optional<ServiceAnswer>> Payments::answer(std::shared_ptr<ServiceCall> call,
                                                    Deadline deadline) {
    const bool answered = co_await link_.wait(call, deadline);
    if (!answered) co_return std::nullopt;
    co_return call->answer();
}

bool Payments::is_available() const {
    return link_.is_usable() && link_.outstanding() < outstanding_max_;
}

Task<std::variant<Payment, Refused, NoAnswer>> Payments::accept(Asked asked, Deadline deadline) {
    auto params = fmt::format(
        R"({{"channelConfig":{},"inference":{{"id":"{}","model":{}}},"maxAmount":"{}","voucher":{})",
        asked.channel_config, asked.inference, quoted(asked.model),
        channel::to_string(asked.max_amount), asked.voucher);
    if (!asked.deposit.empty()) params += R"(,"deposit":)" + asked.deposit;
    params += '}';
    const auto call = link_.call("payment.accept", params);
    const auto answered = co_await answer(call, deadline);
    const auto id = channel::to_hex(asked.channel);
    if (!answered) {
        const auto give_back = [this, id, inference = asked.inference](const ServiceAnswer& late) {
            if (!late.failed)
                link_.call("payment.release",
                           release_params(id, inference, "nobody waited for the payment"));
        };
        link_.when_answered(call, give_back);
        co_return NoAnswer{};
    }
    if (answered->failed) co_return Refused{answered->reason, answered->message};
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

std::shared_ptr<ServiceCall> Payments::charge_so_far(const Payment& payment, channel::Amount amount,
                                                     channel::TokenCounts tokens) {
    auto call = link_.call("payment.charge", charge_params(payment, amount, tokens, "false"));
    link_.when_answered(
        call, [](const ServiceAnswer& answer) { tell_failure("a charge on the way", answer); });
    return call;
}

Task<std::variant<Charged, Refused, NoAnswer>> Payments::charge(Payment payment,
                                                                channel::Amount amount,
                                                                channel::TokenCounts tokens,
                                                                Deadline deadline,
                                                                Unanswered unanswered) {
    const auto call = link_.call("payment.charge", charge_params(payment, amount, tokens, "true"));
    const auto answered = co_await answer(call, deadline);
    if (!answered) {
        if (unanswered == Unanswered::taken_back)
            link_.take_back(call, "payment.release",
                            release_params(channel::to_hex(payment.channel), payment.inference,
                                           "the payer was not served"));
        co_return NoAnswer{};
    }
    if (answered->failed) {
        tell_failure("a charge", *answered);
        co_return Refused{answered->reason, answered->message};
    }
    co_return Charged{amount, text_in(answered->result, "chargedCumulativeAmount"),
                      text_in(answered->result, "balance")};
}

void Payments::release(const Payment& payment, std::string_view reason) {
    const auto call = link_.call("payment.release", release_params(channel::to_hex(payment.channel),
                                                                   payment.inference, reason));
    link_.when_answered(call,
                        [](const ServiceAnswer& answer) { tell_failure("a release", answer); });
}

Task<std::optional<json::object>> Payments::channel(channel::ChannelId id, Deadline deadline) {
    const auto call =
        link_.call("channel.get", fmt::format(R"({{"channelId":"{}"}})", channel::to_hex(id)));
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
    const auto call = link_.call_once("channel.refund", params + '}');
    const auto answered = co_await answer(call, deadline);
    if (!answered) co_return NoAnswer{};
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
        const auto page = co_await answer(link_.call("channel.list", params + '}'), deadline);
        if (!page || page->failed) co_return std::nullopt;
        for (const auto& one : page->result.at("channels").as_array()) {
            const auto& listed = one.as_object();
            if (text_in(listed, "reservedAmount") == "0") continue;
            const auto id = text_in(listed, "channelId");
            const auto found = co_await answer(
                link_.call("channel.get", fmt::format(R"({{"channelId":"{}"}})", id)), deadline);
            if (!found || found->failed) co_return std::nullopt;
            const auto* open = found->result.if_contains("reservations");
            if (!open) continue;
            for (const auto& reservation : open->as_array()) {
                const auto inference = text_in(reservation.as_object(), "inferenceId");
                if (!inference.starts_with(name_prefix) || inference.starts_with(boot_prefix))
                    continue;
                const auto done = co_await answer(
                    link_.call("payment.release",
                               release_params(id, inference, "the gate was started anew")),
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
