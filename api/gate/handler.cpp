#include "api/gate/handler.hpp"

#include "api/gate/own_pages.hpp"
#include "api/gate/paid_call.hpp"
#include "api/gate/quote.hpp"
#include "api/gate/relay.hpp"

namespace millrace::api::gate {
namespace {

Task<void> refuse(Worker& worker, Exchange& exchange, unsigned status, std::string_view reason,
                  std::string detail) {
    worker.shared.metrics.request("refused");
    auto reply = problem_reply(status, reason, detail);
    co_await exchange.answer(std::move(reply));
}

Task<void> sell(Worker& worker, Exchange& exchange) {
    const auto& request = exchange.request();
    auto quoted = quote(worker.shared.config.prices, request.path, request.body);
    if (auto* why = std::get_if<NoSale>(&quoted)) {
        co_await refuse(worker, exchange, why->status, why->reason, std::move(why->detail));
        co_return;
    }
    PaidCall call(worker, exchange, std::get<Quote>(quoted));
    co_await call.run();
}

}  // namespace

Task<void> handle(Worker& worker, Exchange& exchange) {
    const auto& request = exchange.request();
    const auto& config = worker.shared.config;
    if (!is_plain_path(request.raw_path, request.path)) {
        co_await refuse(
            worker, exchange, 400, "invalid_request",
            "The path has dot segments, empty segments, semicolons or escaped separators, "
            "or is no UTF-8 without control characters.");
        co_return;
    }
    if (is_own_page(config, request.path)) {
        auto page = own_page(worker, request);
        co_await exchange.answer(std::move(page));
        co_return;
    }
    if (is_free(config.prices, request.method, request.path)) {
        worker.shared.metrics.request("free");
        co_await pass_on(worker, exchange);
        co_return;
    }
    if (is_priced(config.prices, request.path)) {
        co_await sell(worker, exchange);
        co_return;
    }
    co_await refuse(worker, exchange, 404, "not_found", "This path is not served here.");
}

}  // namespace millrace::api::gate
