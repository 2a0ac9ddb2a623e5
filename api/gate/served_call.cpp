#include "api/gate/served_call.hpp"

#include "api/gate/relay.hpp"
#include "api/gate/sse_reader.hpp"
#include "api/x402/header.hpp"

#include <spdlog/spdlog.h>
#include <boost/algorithm/string/predicate.hpp>

#include <algorithm>
#include <vector>

namespace millrace::api::gate {

using std::chrono::steady_clock;

namespace {

constexpr std::string_view kReceipt = "PAYMENT-RESPONSE";
constexpr std::string_view kReceiptEvent = "payment-response";
constexpr std::size_t kKnownMax = 10'000;
constexpr std::chrono::seconds kKnownFor{60};
constexpr std::string_view kBrokenEvent =
    "data: {\"error\":{\"message\":\"The model server broke off.\",\"type\":\"upstream_error\","
    "\"code\":502}}\n\n";
constexpr std::string_view kBrokenNote =
    "The model server broke off; what was delivered is charged.";

bool is_event_stream(const UpstreamHead& head) {
    return boost::algorithm::istarts_with(field_in(head.fields, "content-type"),
                                          "text/event-stream");
}

/// Where a call that does not say how much may be generated is told so; empty: nowhere.
std::string_view output_limit_name(std::string_view path) {
    if (path.ends_with("/completions") || path.ends_with("/messages")) return "max_tokens";
    if (path.ends_with("/responses")) return "max_output_tokens";
    return {};
}

void make_private(Fields& fields) {
    std::erase_if(fields, [](const auto& field) {
        return boost::algorithm::iequals(field.first, "cache-control");
    });
    fields.emplace_back("Cache-Control", "private");
}

}  // namespace

ServedCall::ServedCall(Worker& worker, Exchange& exchange, const PriceRule& rule,
                       const std::optional<Asked>& asked, Payment payment, channel::Address payer)
    : worker_(worker),
      exchange_(exchange),
      rule_(rule),
      asked_(asked),
      payment_(std::move(payment)),
      payer_(payer) {}

std::string ServedCall::body_for_upstream() {
    auto& request = exchange_.request();
    if (!asked_) return std::move(request.body);
    BodyChange change;
    const bool is_completions = request.path.ends_with("/completions");
    change.ask_for_usage =
        asked_->stream && is_completions && !asked_->wants_usage && !channel::is_fixed(rule_.price);
    keeps_usage_back_ = change.ask_for_usage;
    if (!asked_->output_tokens_max && !rule_.price.output_per_1k.is_zero()) {
        change.output_limit_name = output_limit_name(request.path);
        change.output_limit = rule_.output_tokens_max;
    }
    return changed(request.body, change);
}

Task<void> ServedCall::run() {
    auto body = body_for_upstream();
    auto request = upstream_request(worker_.shared, exchange_.request(), std::move(body));
    Upstream::Call call(worker_.upstream);
    exchange_.on_gone([&call] { call.cancel(); });
    auto head = co_await call.begin(std::move(request));
    if (!head || head->status >= 300)
        co_await not_served(call, std::move(head));
    else if (is_event_stream(*head))
        co_await stream(call, std::move(*head));
    else
        co_await whole(call, std::move(*head));
    exchange_.on_gone({});
}

/// Nothing is charged. A deposit has been made all the same, and is told.
Task<void> ServedCall::not_served(Upstream::Call& call, std::optional<UpstreamHead> head) {
    worker_.payments.release(payment_, "the model server did not serve it");
    worker_.shared.metrics.payment("released");
    worker_.shared.metrics.request("upstream_failed");
    if (!head) worker_.shared.metrics.upstream_faults.Increment();
    if (exchange_.is_gone()) co_return;
    Fields more;
    if (!payment_.transaction.empty()) {
        const Charged nothing{{}, payment_.charged_before, payment_.balance};
        const auto text = co_await receipt(nothing, {});
        more.emplace_back(kReceipt, x402::encode_header(text));
    }
    if (head) {
        co_await relay(exchange_, call, std::move(*head), std::move(more));
        co_return;
    }
    auto failed = fault_reply(call.fault());
    for (auto& field : more) failed.fields.push_back(std::move(field));
    co_await exchange_.answer(std::move(failed));
}

Task<void> ServedCall::whole(Upstream::Call& call, UpstreamHead head) {
    std::string body;
    for (;;) {
        const auto piece = co_await call.read();
        if (piece.empty()) break;
        body += piece;
        if (body.size() > worker_.shared.config.reply_bytes_max) {
            co_await unread(call, std::move(head), std::move(body));
            co_return;
        }
    }
    if (call.fault() != UpstreamFault::none) {
        co_await not_served(call, std::nullopt);
        co_return;
    }
    UsageReader reader;
    Chunk answer;
    answer.usage = reader.read_answer(body);
    count_.add(answer);
    if (lacks(answer.usage)) worker_.shared.metrics.usage_missing.Increment();
    const auto tokens = count_.in_all();
    const auto settled = co_await settle(due(tokens), tokens, Payments::Unanswered::taken_back);
    const auto* charged = std::get_if<Charged>(&settled);
    if (!charged) {
        co_await answer_not_charged(call);
        co_return;
    }
    const auto text = co_await receipt(*charged, {});
    Reply reply{head.status, {}, std::move(body), reply_fields(head)};
    make_private(reply.fields);
    reply.fields.emplace_back(kReceipt, x402::encode_header(text));
    worker_.shared.metrics.request("paid");
    co_await exchange_.answer(std::move(reply));
}

/// An answer that is longer than is held: its usage cannot be read, so only a fixed price will do.
Task<void> ServedCall::unread(Upstream::Call& call, UpstreamHead head, std::string begun) {
    if (!channel::is_fixed(rule_.price)) {
        call.cancel();
        co_await not_served(call, std::nullopt);
        co_return;
    }
    const auto settled = co_await settle(due({}), {}, Payments::Unanswered::taken_back);
    const auto* charged = std::get_if<Charged>(&settled);
    if (!charged) {
        co_await answer_not_charged(call);
        co_return;
    }
    ReplyHead out{head.status, reply_fields(head), {}, head.content_length};
    make_private(out.fields);
    const auto text = co_await receipt(*charged, {});
    out.fields.emplace_back(kReceipt, x402::encode_header(text));
    worker_.shared.metrics.request("paid");
    bool is_written = co_await exchange_.begin(std::move(out));
    if (is_written) is_written = co_await exchange_.write(begun);
    while (is_written) {
        const auto piece = co_await call.read();
        if (piece.empty()) break;
        is_written = co_await exchange_.write(piece);
    }
    if (!is_written || call.fault() != UpstreamFault::none) {
        call.cancel();
        exchange_.cut();
        co_return;
    }
    Fields none;
    co_await exchange_.end(std::move(none));
}

Task<void> ServedCall::stream(Upstream::Call& call, UpstreamHead head) {
    ReplyHead out{head.status, reply_fields(head), {}, std::nullopt};
    make_private(out.fields);
    std::string at_once;
    if (channel::is_fixed(rule_.price)) {
        const auto settled = co_await settle(due({}), {}, Payments::Unanswered::taken_back);
        const auto* charged = std::get_if<Charged>(&settled);
        if (!charged) {
            co_await answer_not_charged(call);
            co_return;
        }
        is_charged_ = true;
        at_once = co_await receipt(*charged, {});
    } else if (!payment_.transaction.empty()) {
        // So that the payer knows of its deposit; what the stream costs is not known yet.
        const Charged nothing{{}, payment_.charged_before, payment_.balance};
        at_once = co_await receipt(nothing, {});
    }
    if (!at_once.empty()) out.fields.emplace_back(kReceipt, x402::encode_header(at_once));
    const bool has_trailer =
        !is_charged_ && lists(field_in(exchange_.request().fields, "te"), "trailers");
    if (has_trailer) out.trailer = kReceipt;
    next_charge_ = steady_clock::now() + worker_.shared.config.charge_interval;
    bool is_here = co_await exchange_.begin(std::move(out));
    if (is_here) is_here = co_await pass_events(call);
    const bool is_whole = call.fault() == UpstreamFault::none;
    if (!is_here) call.cancel();
    if (!is_whole && is_here) worker_.shared.metrics.upstream_faults.Increment();
    worker_.shared.metrics.request(is_whole && is_here ? "paid" : "upstream_failed");
    co_await end_stream(is_whole && is_here, has_trailer);
}

Task<bool> ServedCall::pass_events(Upstream::Call& call) {
    SseReader reader(worker_.shared.config.event_bytes_max);
    UsageReader usage;
    for (;;) {
        const auto bytes = co_await call.read();
        if (bytes.empty()) break;
        reader.add(bytes);
        std::string out;
        std::vector<Chunk> delivered;
        while (const auto event = reader.next()) {
            auto chunk = event->has_data ? usage.read_chunk(event->data) : Chunk{};
            const bool is_kept_back = keeps_usage_back_ && chunk.is_usage_alone;
            if (!is_kept_back) out += event->raw;
            delivered.push_back(chunk);
        }
        if (!out.empty()) {
            const bool is_written = co_await exchange_.write(out);
            if (!is_written) co_return false;
        }
        for (const auto& chunk : delivered) count_.add(chunk);
        charge_on_the_way();
        if (reader.is_too_long()) {
            spdlog::warn("an event of the model server is longer than gate.event_bytes_max");
            call.cancel();
            co_return true;
        }
    }
    if (exchange_.is_gone()) co_return false;
    co_return co_await exchange_.write(reader.rest());
}

void ServedCall::charge_on_the_way() {
    const auto now = steady_clock::now();
    if (is_charged_ || now < next_charge_) return;
    // While the service is away, they would pile up.
    if (charge_under_way_ && !charge_under_way_->answer()) return;
    next_charge_ = now + worker_.shared.config.charge_interval;
    const auto tokens = count_.so_far();
    const auto amount = due(tokens);
    if (amount <= charged_so_far_) return;
    charged_so_far_ = amount;
    charge_under_way_ = worker_.payments.charge_so_far(payment_, amount, tokens);
}

Task<void> ServedCall::end_stream(bool is_whole, bool has_trailer) {
    std::string text;
    if (!is_charged_) {
        const auto tokens = is_whole ? count_.in_all() : count_.so_far();
        if (is_whole && lacks(count_.said())) worker_.shared.metrics.usage_missing.Increment();
        const auto amount = std::max(charged_so_far_, due(tokens));
        const auto settled = co_await settle(amount, tokens, Payments::Unanswered::stands);
        if (const auto* charged = std::get_if<Charged>(&settled)) {
            std::string note(is_whole ? std::string_view() : kBrokenNote);
            text = co_await receipt(*charged, std::move(note));
        } else {
            Receipt pending{payer_,
                            worker_.terms->network,
                            {},
                            {},
                            {},
                            {},
                            "charge_pending",
                            "The payment service is away; the charge follows."};
            text = render(pending);
        }
    }
    if (exchange_.is_gone()) co_return;
    std::string behind(is_whole ? std::string_view() : kBrokenEvent);
    if (!text.empty()) behind += sse_event(kReceiptEvent, text);
    const bool is_written = co_await exchange_.write(behind);
    if (!is_written) co_return;
    Fields trailers;
    if (has_trailer) trailers.emplace_back(kReceipt, x402::encode_header(text));
    co_await exchange_.end(std::move(trailers));
}

bool ServedCall::lacks(const Usage& usage) const {
    return (!usage.input && !rule_.price.input_per_1k.is_zero()) ||
           (!usage.output && !rule_.price.output_per_1k.is_zero());
}

channel::Amount ServedCall::due(channel::TokenCounts tokens) const {
    const auto exact = channel::cost(rule_.price, tokens);
    return exact ? std::min(*exact, payment_.ceiling) : payment_.ceiling;
}

Task<ServedCall::Settled> ServedCall::settle(channel::Amount amount, channel::TokenCounts tokens,
                                             Payments::Unanswered unanswered) {
    auto& metrics = worker_.shared.metrics;
    if (amount.is_zero()) {
        worker_.payments.release(payment_, "nothing is due");
        metrics.payment("released");
        co_return Charged{{}, payment_.charged_before, payment_.balance};
    }
    const auto begun = steady_clock::now();
    auto settled = co_await worker_.payments.charge(
        payment_, amount, tokens, begun + worker_.shared.config.charge_timeout, unanswered);
    metrics.waited("charge", steady_clock::now() - begun);
    metrics.payment(std::holds_alternative<Charged>(settled)   ? "charged"
                    : std::holds_alternative<Refused>(settled) ? "refused"
                                                               : "pending");
    co_return settled;
}

Task<std::string> ServedCall::receipt(Charged charged, std::string note) {
    Receipt out;
    out.payer = payer_;
    out.network = worker_.terms->network;
    out.transaction = payment_.transaction;
    out.amount = payment_.deposited;
    out.charged = channel::to_string(charged.amount);
    out.error_message = std::move(note);
    auto& known = worker_.known;
    const auto now = steady_clock::now();
    auto found = known.find(payment_.channel);
    if (found == known.end() || found->second.since + kKnownFor < now) {
        auto channel = co_await worker_.payments.channel(
            payment_.channel, now + worker_.shared.config.charge_timeout);
        if (!channel) co_return render(out);
        if (known.size() >= kKnownMax) known.clear();
        found =
            known.insert_or_assign(payment_.channel, Worker::Known{std::move(*channel), now}).first;
    }
    out.channel_state =
        channel_state(found->second.channel, charged.charged_in_all, charged.balance);
    co_return render(out);
}

/// The payer gets no answer, and is not charged, or not for certain.
Task<void> ServedCall::answer_not_charged(Upstream::Call& call) {
    call.cancel();
    worker_.shared.metrics.request("unavailable");
    if (exchange_.is_gone()) co_return;
    Fields later{{"Retry-After", "1"}};
    auto reply = problem_reply(
        503, "unavailable", "The payment service is away; the call was not completed. Try again.",
        std::move(later));
    co_await exchange_.answer(std::move(reply));
}

}  // namespace millrace::api::gate
