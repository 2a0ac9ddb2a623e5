#include "api/gate/served_call.hpp"

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
constexpr std::chrono::seconds kKnownFor{60};
/// Who is told that nothing was charged finds the channel free.
constexpr std::chrono::seconds kReleaseWait{1};
constexpr std::string_view kBrokenEvent =
    "data: {\"error\":{\"message\":\"The model server broke off.\",\"type\":\"upstream_error\","
    "\"code\":502}}\n\n";
constexpr std::string_view kBrokenNote =
    "The model server broke off; what was delivered is charged.";
constexpr std::string_view kBeyondEvent =
    "data: {\"error\":{\"message\":\"The answer is longer than was paid for; it ends here.\","
    "\"type\":\"payment_error\",\"code\":402}}\n\n";
constexpr std::string_view kBeyondNote = "The answer was longer than was paid for, and was ended.";

constexpr std::string_view kRefusedEvent =
    "data: {\"error\":{\"message\":\"The charge was refused; the answer ends here.\","
    "\"type\":\"payment_error\",\"code\":402}}\n\n";
constexpr std::string_view kRefusedNote = "The charge was refused.";

bool is_event_stream(const UpstreamHead& head) {
    return boost::algorithm::istarts_with(field_in(head.fields, "content-type"),
                                          "text/event-stream");
}

/// In a form that nobody asked for, an answer cannot be read for what it cost.
bool is_encoded(const UpstreamHead& head) {
    const auto encoding = field_in(head.fields, "content-encoding");
    return !encoding.empty() && !boost::algorithm::iequals(encoding, "identity");
}

void make_private(Fields& fields) {
    std::erase_if(fields, [](const auto& field) {
        return boost::algorithm::iequals(field.first, "cache-control");
    });
    fields.emplace_back("Cache-Control", "private");
}

}  // namespace

ServedCall::ServedCall(Worker& worker, Exchange& exchange, const Quote& quote, Payment& payment,
                       channel::Address payer, ModelCall& model)
    : worker_(worker),
      exchange_(exchange),
      quote_(quote),
      payment_(payment),
      payer_(payer),
      model_(model),
      count_(quote.asked ? quote.asked->prompt.tokens_estimate() : 0) {}

Task<void> ServedCall::run() {
    if (!model_.was_asked()) co_await model_.ask();
    if (model_.has_no_place()) {
        co_await overloaded();
        co_return;
    }
    auto& call = model_.answer();
    auto& head = model_.head();
    if (!head || head->status >= 300)
        co_await not_served(call, std::move(head));
    else if (is_encoded(*head) && !channel::is_fixed(quote_.rule.price))
        co_await unreadable(call);
    else if (is_event_stream(*head))
        co_await stream(call, std::move(*head));
    else
        co_await whole(call, std::move(*head));
    exchange_.on_gone({});
}

/// Nothing is charged. A deposit has been made all the same, and is told by these fields.
Task<Fields> ServedCall::let_go() {
    worker_.payments.release(payment_, "the call was not served");
    worker_.shared.metrics.payment("released");
    co_await worker_.payments.settled(payment_, steady_clock::now() + kReleaseWait);
    Fields more;
    if (!payment_.transaction.empty()) {
        const Charged nothing{{}, payment_.charged_before, payment_.balance};
        const auto text = co_await receipt(nothing, {});
        more.emplace_back(kReceipt, x402::encode_header(text));
    }
    co_return more;
}

Task<void> ServedCall::overloaded() {
    worker_.shared.metrics.request("unavailable");
    const auto more = co_await let_go();
    if (exchange_.is_gone()) co_return;
    auto full = overloaded_reply();
    full.fields.insert(full.fields.end(), more.begin(), more.end());
    co_await exchange_.answer(std::move(full));
}

Task<void> ServedCall::not_served(Upstream::Call& call, std::optional<UpstreamHead> head) {
    worker_.shared.metrics.request("upstream_failed");
    if (!head) worker_.shared.metrics.upstream_faults.Increment();
    auto more = co_await let_go();
    if (exchange_.is_gone()) co_return;
    if (head) {
        co_await relay(exchange_, call, std::move(*head), std::move(more));
        co_return;
    }
    auto failed = fault_reply(call.fault());
    failed.fields.insert(failed.fields.end(), more.begin(), more.end());
    co_await exchange_.answer(std::move(failed));
}

Task<void> ServedCall::unreadable(Upstream::Call& call) {
    spdlog::warn("the model server encodes its answers, though it is asked not to");
    call.cancel();
    co_await not_served(call, std::nullopt);
}

Task<void> ServedCall::whole(Upstream::Call& call, UpstreamHead head) {
    std::string body;
    ByteRoom::Share room(worker_.shared.answers, {});
    for (;;) {
        const auto piece = co_await call.read();
        if (piece.empty()) break;
        const bool has_room = room.grow(piece.size());
        if (!has_room && !channel::is_fixed(quote_.rule.price)) {
            call.cancel();
            co_await overloaded();
            co_return;
        }
        body += piece;
        if (!has_room || body.size() > worker_.shared.config.reply_bytes_max) {
            co_await unread(call, std::move(head), std::move(body));
            co_return;
        }
    }
    if (call.fault() != UpstreamFault::none) {
        co_await not_served(call, std::nullopt);
        co_return;
    }
    model_.leave();
    UsageReader reader;
    const auto answer = reader.read_answer(body);
    count_.add(answer);
    if (lacks(answer.usage)) worker_.shared.metrics.usage_missing.Increment();
    const auto tokens = count_.in_all();
    const auto settled = co_await settle(due(tokens), tokens, Payments::Unanswered::taken_back);
    const auto* charged = std::get_if<Charged>(&settled);
    if (!charged) {
        co_await answer_not_charged(call, settled);
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
    if (!channel::is_fixed(quote_.rule.price)) {
        call.cancel();
        co_await not_served(call, std::nullopt);
        co_return;
    }
    const auto settled = co_await settle(due({}), {}, Payments::Unanswered::taken_back);
    const auto* charged = std::get_if<Charged>(&settled);
    if (!charged) {
        co_await answer_not_charged(call, settled);
        co_return;
    }
    ReplyHead out{head.status, reply_fields(head), {}, head.content_length};
    make_private(out.fields);
    const auto text = co_await receipt(*charged, {});
    out.fields.emplace_back(kReceipt, x402::encode_header(text));
    worker_.shared.metrics.request("paid");
    bool is_written = co_await exchange_.begin(std::move(out));
    if (is_written) is_written = co_await exchange_.write(begun);
    if (is_written)
        co_await pass_body(exchange_, call);
    else
        call.cancel();
}

Task<void> ServedCall::stream(Upstream::Call& call, UpstreamHead head) {
    ReplyHead out{head.status, reply_fields(head), {}, std::nullopt};
    make_private(out.fields);
    std::string at_once;
    if (channel::is_fixed(quote_.rule.price)) {
        const auto settled = co_await settle(due({}), {}, Payments::Unanswered::taken_back);
        const auto* charged = std::get_if<Charged>(&settled);
        if (!charged) {
            co_await answer_not_charged(call, settled);
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
    const bool is_here = co_await exchange_.begin(std::move(out));
    auto ending = Ending::payer_left;
    if (is_here) ending = co_await pass_events(call);
    call.cancel();
    if (ending == Ending::broken) worker_.shared.metrics.upstream_faults.Increment();
    worker_.shared.metrics.request(ending == Ending::whole ? "paid" : "upstream_failed");
    co_await end_stream(ending, has_trailer);
}

Task<ServedCall::Ending> ServedCall::pass_events(Upstream::Call& call) {
    SseReader reader(worker_.shared.config.event_bytes_max);
    UsageReader usage;
    for (;;) {
        const auto bytes = co_await call.read();
        if (bytes.empty()) break;
        reader.add(bytes);
        // What is not paid for is not delivered.
        if (is_charge_refused()) co_return Ending::charge_refused;
        const bool is_written = co_await deliver(reader, usage);
        if (!is_written) co_return Ending::payer_left;
        if (is_beyond_ceiling(count_.of_part())) co_return Ending::beyond_ceiling;
        charge_on_the_way();
        if (reader.is_too_long()) {
            spdlog::warn("an event of the model server is longer than gate.event_bytes_max");
            co_return Ending::broken;
        }
    }
    if (exchange_.is_gone()) co_return Ending::payer_left;
    // Half an event is none.
    if (call.fault() != UpstreamFault::none) co_return Ending::broken;
    reader.end();
    const bool is_written = co_await deliver(reader, usage);
    co_return is_written ? Ending::whole : Ending::payer_left;
}

/// The events that are complete; false when the payer is gone.
Task<bool> ServedCall::deliver(SseReader& reader, UsageReader& usage) {
    std::string out;
    std::vector<Chunk> delivered;
    while (const auto event = reader.next()) {
        auto chunk = event->has_data ? usage.read_chunk(event->data) : Chunk{};
        const bool is_kept_back = quote_.keeps_usage_back() && chunk.is_usage_alone;
        if (!is_kept_back) out += event->raw;
        delivered.push_back(chunk);
    }
    if (!out.empty()) {
        const bool is_written = co_await exchange_.write(out);
        if (!is_written) co_return false;
    }
    for (const auto& chunk : delivered) count_.add(chunk);
    co_return true;
}

bool ServedCall::is_charge_refused() const {
    return charge_under_way_ && charge_under_way_->answer() && charge_under_way_->answer()->failed;
}

void ServedCall::charge_on_the_way() {
    const auto now = steady_clock::now();
    if (is_charged_ || now < next_charge_) return;
    // Before a word nothing is due for certain: the server may still break off.
    if (count_.so_far().output == 0) return;
    // While the service is away, they would pile up.
    if (charge_under_way_ && !charge_under_way_->answer()) return;
    next_charge_ = now + worker_.shared.config.charge_interval;
    const auto tokens = count_.so_far();
    const auto amount = due(tokens);
    if (amount <= charged_so_far_) return;
    charged_so_far_ = amount;
    charge_under_way_ = worker_.payments.charge_so_far(payment_, amount, tokens);
}

/// A reader that leaves before a word pays for the prompt all the same: else anybody could have
/// prompts read for nothing.
bool ServedCall::has_delivered(Ending ending) const {
    return ending != Ending::broken || count_.so_far().output > 0;
}

Task<void> ServedCall::end_stream(Ending ending, bool has_trailer) {
    const bool is_whole = ending == Ending::whole;
    const bool is_beyond = ending == Ending::beyond_ceiling;
    const bool is_refused = ending == Ending::charge_refused;
    std::string text;
    if (!is_charged_) {
        const auto tokens = is_whole ? count_.in_all() : count_.of_part();
        if (is_beyond) spdlog::warn("the model server generates more than it was told to");
        if (is_whole && lacks(count_.said())) worker_.shared.metrics.usage_missing.Increment();
        const auto amount =
            has_delivered(ending) ? std::max(charged_so_far_, due(tokens)) : channel::Amount{};
        const auto settled = co_await settle(amount, tokens, Payments::Unanswered::stands);
        if (const auto* charged = std::get_if<Charged>(&settled)) {
            std::string note(is_whole     ? std::string_view()
                             : is_beyond  ? kBeyondNote
                             : is_refused ? kRefusedNote
                                          : kBrokenNote);
            text = co_await receipt(*charged, std::move(note));
        } else {
            text = failed_receipt(settled);
        }
    }
    if (exchange_.is_gone()) co_return;
    std::string behind(is_whole     ? std::string_view()
                       : is_beyond  ? kBeyondEvent
                       : is_refused ? kRefusedEvent
                                    : kBrokenEvent);
    if (!text.empty()) behind += sse_event(kReceiptEvent, text);
    const bool is_written = co_await exchange_.write(behind);
    if (!is_written) co_return;
    Fields trailers;
    if (has_trailer) trailers.emplace_back(kReceipt, x402::encode_header(text));
    co_await exchange_.end(std::move(trailers));
}

bool ServedCall::lacks(const Usage& usage) const {
    return (!usage.input && !quote_.rule.price.input_per_1k.is_zero()) ||
           (!usage.output && !quote_.rule.price.output_per_1k.is_zero());
}

/// Beyond what it was told to write and what the payer signed for: as long as a server keeps to the
/// former, the payer gets all of it.
bool ServedCall::is_beyond_ceiling(channel::TokenCounts tokens) const {
    if (is_charged_ || tokens.output <= quote_.most.output) return false;
    const auto exact = channel::cost(quote_.rule.price, tokens);
    return !exact || *exact > payment_.ceiling;
}

channel::Amount ServedCall::due(channel::TokenCounts tokens) const {
    const auto exact = channel::cost(quote_.rule.price, tokens);
    return exact ? std::min(*exact, payment_.ceiling) : payment_.ceiling;
}

Task<ServedCall::Settled> ServedCall::settle(channel::Amount amount, channel::TokenCounts tokens,
                                             Payments::Unanswered unanswered) {
    auto& metrics = worker_.shared.metrics;
    const auto exact = channel::cost(quote_.rule.price, tokens);
    if (!exact || *exact > payment_.ceiling) metrics.above_ceiling.Increment();
    if (amount.is_zero()) {
        worker_.payments.release(payment_, "nothing is due");
        metrics.payment("released");
        co_await worker_.payments.settled(payment_, steady_clock::now() + kReleaseWait);
        co_return Charged{{}, payment_.charged_before, payment_.balance};
    }
    const auto begun = steady_clock::now();
    auto settled = co_await worker_.payments.charge(
        payment_, amount, tokens, worker_.shared.config.charge_timeout, unanswered);
    metrics.waited("charge", steady_clock::now() - begun);
    metrics.payment(std::holds_alternative<Charged>(settled)   ? "charged"
                    : std::holds_alternative<Refused>(settled) ? "refused"
                                                               : "pending");
    if (std::holds_alternative<Refused>(settled))
        worker_.payments.release(payment_, "the charge was refused");
    if (const auto* charged = std::get_if<Charged>(&settled)) note(*charged);
    co_return settled;
}

void ServedCall::note(const Charged& charged) {
    const auto in_all = channel::parse_amount(charged.charged_in_all);
    const auto balance = channel::parse_amount(charged.balance);
    if (in_all && balance)
        worker_.shared.charged_before.note(payment_.channel, {*in_all, *balance},
                                           steady_clock::now());
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
        if (known.size() >= kChannelsKnownMax) known.clear();
        found =
            known.insert_or_assign(payment_.channel, Worker::Known{std::move(*channel), now}).first;
    }
    out.channel_state =
        channel_state(found->second.channel, charged.charged_in_all, charged.balance);
    co_return render(out);
}

/// Of a stream, which is out.
std::string ServedCall::failed_receipt(const Settled& settled) const {
    Receipt out;
    out.payer = payer_;
    out.network = worker_.terms->network;
    const auto* refused = std::get_if<Refused>(&settled);
    out.error_reason = !refused                  ? "charge_pending"
                       : refused->reason.empty() ? "charge_refused"
                                                 : refused->reason;
    out.error_message = refused ? kRefusedNote : "The payment service is away; the charge follows.";
    return render(out);
}

/// The payer gets no answer, and is not charged, or not for certain.
Task<void> ServedCall::answer_not_charged(Upstream::Call& call, Settled settled) {
    call.cancel();
    worker_.shared.metrics.request("unavailable");
    if (exchange_.is_gone()) co_return;
    if (const auto* refused = std::get_if<Refused>(&settled)) {
        const auto why = "The payment service refused the charge (" + refused->reason +
                         "); the call was not completed, and nothing was charged.";
        auto reply = problem_reply(503, "charge_refused", why);
        co_await exchange_.answer(std::move(reply));
        co_return;
    }
    Fields later{{"Retry-After", "1"}};
    auto reply = problem_reply(
        503, "unavailable", "The payment service is away; the call was not completed. Try again.",
        std::move(later));
    co_await exchange_.answer(std::move(reply));
}

}  // namespace millrace::api::gate
