#include "api/gate/model_call.hpp"

#include <boost/asio/steady_timer.hpp>

#include <utility>

namespace millrace::api::gate {

Task<void> ModelCall::ask() {
    if (take_place()) co_await begin();
}

Task<void> ModelCall::ask_ahead_of(std::shared_ptr<ServiceCall> payment,
                                   std::chrono::steady_clock::time_point deadline) {
    if (!take_place()) co_return;
    if (payment->answer() && payment->answer()->failed) co_return;
    const std::weak_ptr<Upstream::Call> begun = call_;
    const auto patience =
        std::make_shared<boost::asio::steady_timer>(exchange_.executor(), deadline);
    const auto break_off = [begun] {
        if (const auto call = begun.lock()) call->cancel();
    };
    patience->async_wait([break_off, payment](boost::system::error_code error) {
        // The answer may have come when this was on its way already.
        if (!error && !payment->answer()) break_off();
    });
    worker_.link.when_answered(payment, [break_off, patience](const ServiceAnswer& answer) {
        patience->cancel();
        if (answer.failed) break_off();
    });
    co_await begin();
}

void ModelCall::end() {
    if (call_) call_->cancel();
    leave();
}

bool ModelCall::take_place() {
    auto& shared = worker_.shared;
    auto place = UpstreamPlace::take(shared.upstream_calls, shared.config.upstream_calls_max,
                                     shared.metrics.upstream_calls);
    has_no_place_ = !place;
    if (!place) return false;
    place_.emplace(std::move(*place));
    call_ = std::make_shared<Upstream::Call>(worker_.upstream);
    return true;
}

Task<void> ModelCall::begin() {
    auto body = body_for_upstream(quote_, std::move(exchange_.request().body));
    auto request = upstream_request(worker_.shared, exchange_.request(), std::move(body));
    exchange_.on_gone([call = call_.get()] { call->cancel(); });
    head_ = co_await call_->begin(std::move(request));
    exchange_.drop_body();
}

}  // namespace millrace::api::gate
