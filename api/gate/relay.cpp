#include "api/gate/relay.hpp"

#include <boost/algorithm/string/predicate.hpp>

#include <array>

namespace millrace::api::gate {
namespace {

using boost::algorithm::iequals;

/// What the model server has no business with, or what is said to it anew.
bool is_dropped(std::string_view name, bool has_own_key) {
    constexpr std::array<std::string_view, 7> kDropped{
        "host",      "expect",         "payment-signature", "payment-required", "payment-response",
        "x-payment", "accept-encoding"};
    for (const auto dropped : kDropped)
        if (iequals(name, dropped)) return true;
    return has_own_key && iequals(name, "authorization");
}

}  // namespace

std::optional<UpstreamPlace> UpstreamPlace::take(std::atomic<std::size_t>& taken, std::size_t most,
                                                 prometheus::Gauge& gauge) {
    if (taken.fetch_add(1) >= most) {
        --taken;
        return std::nullopt;
    }
    gauge.Increment();
    return UpstreamPlace(taken, gauge);
}

UpstreamPlace::~UpstreamPlace() {
    if (!taken_) return;
    --*taken_;
    gauge_.Decrement();
}

UpstreamRequest upstream_request(const Shared& shared, const GateRequest& request,
                                 std::string body) {
    UpstreamRequest out{request.method, request.target, {}, std::move(body)};
    const bool has_own_key = !shared.upstream_authorization.empty();
    for (auto& field : end_to_end(request.fields))
        if (!is_dropped(field.first, has_own_key)) out.fields.push_back(std::move(field));
    // Compressed, an answer could not be read for what it cost.
    out.fields.emplace_back("Accept-Encoding", "identity");
    out.fields.emplace_back("X-Forwarded-For", request.remote_address);
    if (has_own_key) out.fields.emplace_back("Authorization", shared.upstream_authorization);
    return out;
}

Fields reply_fields(const UpstreamHead& head) {
    auto fields = end_to_end(head.fields);
    // Only the gate says what was paid.
    std::erase_if(fields, [](const auto& field) {
        return iequals(field.first, "payment-response") || iequals(field.first, "payment-required");
    });
    return fields;
}

Reply fault_reply(UpstreamFault fault) {
    const auto status = status_of(fault);
    if (fault == UpstreamFault::timed_out)
        return problem_reply(status, "upstream_timeout",
                             "The model server did not answer in time; nothing was charged.");
    return problem_reply(
        status, fault == UpstreamFault::unreachable ? "upstream_unreachable" : "upstream_broken",
        "The model server could not be reached or broke off; nothing was charged.");
}

Reply overloaded_reply() {
    return problem_reply(503, "overloaded",
                         "Too many calls are at work; nothing was charged. Try again.",
                         {{"Retry-After", "1"}});
}

Task<void> pass_body(Exchange& exchange, Upstream::Call& call) {
    bool is_written = true;
    while (is_written) {
        const auto piece = co_await call.read();
        if (piece.empty()) break;
        is_written = co_await exchange.write(piece);
    }
    if (!is_written || call.fault() != UpstreamFault::none) {
        call.cancel();
        exchange.cut();
        co_return;
    }
    Fields none;
    co_await exchange.end(std::move(none));
}

Task<void> relay(Exchange& exchange, Upstream::Call& call, UpstreamHead head, Fields more) {
    ReplyHead out{head.status, reply_fields(head), {}, head.content_length};
    for (auto& field : more) out.fields.push_back(std::move(field));
    const bool is_written = co_await exchange.begin(std::move(out));
    if (is_written)
        co_await pass_body(exchange, call);
    else
        call.cancel();
}

Task<void> pass_on(Worker& worker, Exchange& exchange) {
    auto& shared = worker.shared;
    const auto place = UpstreamPlace::take(shared.free_calls, shared.config.free_calls_max,
                                           shared.metrics.upstream_calls);
    if (!place) {
        auto full = overloaded_reply();
        co_await exchange.answer(std::move(full));
        co_return;
    }
    Upstream::Call call(worker.upstream);
    exchange.on_gone([&call] { call.cancel(); });
    auto request = upstream_request(shared, exchange.request(), std::move(exchange.request().body));
    auto head = co_await call.begin(std::move(request));
    exchange.drop_body();
    if (head) {
        Fields none;
        co_await relay(exchange, call, std::move(*head), std::move(none));
    } else if (!exchange.is_gone()) {
        shared.metrics.upstream_faults.Increment();
        auto failed = fault_reply(call.fault());
        co_await exchange.answer(std::move(failed));
    }
    exchange.on_gone({});
}

}  // namespace millrace::api::gate
