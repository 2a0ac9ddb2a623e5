#include "api/gate/handler.hpp"

#include "api/gate/asked.hpp"
#include "api/gate/own_pages.hpp"
#include "api/gate/paid_call.hpp"
#include "api/gate/relay.hpp"

#include <fmt/format.h>
#include <boost/algorithm/string/predicate.hpp>

#include <algorithm>

namespace millrace::api::gate {
namespace {

Task<void> refuse(Worker& worker, Exchange& exchange, unsigned status, std::string_view reason,
                  std::string detail) {
    worker.shared.metrics.request("refused");
    auto reply = problem_reply(status, reason, detail);
    co_await exchange.answer(std::move(reply));
}

/// The most that a call may cost. Bytes of the body are never fewer than its tokens.
channel::Result<channel::Amount> ceiling_of(const PriceRule& rule,
                                            const std::optional<Asked>& asked,
                                            std::size_t body_bytes) {
    channel::TokenCounts most;
    most.input = std::min<std::uint64_t>(body_bytes, rule.input_tokens_max);
    const auto each =
        asked && asked->output_tokens_max ? *asked->output_tokens_max : rule.output_tokens_max;
    most.output = each * (asked ? asked->choices : 1);
    return channel::cost(rule.price, most);
}

Task<void> sell(Worker& worker, Exchange& exchange) {
    auto& request = exchange.request();
    const auto& prices = worker.shared.config.prices;
    std::optional<Asked> asked;
    if (!request.body.empty()) {
        auto read = read_asked(request.body);
        if (const auto* bad = std::get_if<BadBody>(&read)) {
            auto why = bad->field.empty() ? bad->message : bad->field + ": " + bad->message;
            co_await refuse(worker, exchange, 400, "invalid_request", std::move(why));
            co_return;
        }
        asked = std::move(std::get<Asked>(read));
    }
    const auto* rule = find_rule(prices, request.path, asked ? asked->model : std::string());
    if (!rule) {
        co_await refuse(worker, exchange, 404, "not_found", "There is no such model here.");
        co_return;
    }
    const bool counts_output = !rule->price.output_per_1k.is_zero();
    if (counts_output && asked && asked->output_tokens_max > rule->output_tokens_max) {
        auto why = fmt::format("At most {} tokens are generated here for one answer.",
                               rule->output_tokens_max);
        co_await refuse(worker, exchange, 400, "invalid_request", std::move(why));
        co_return;
    }
    const auto ceiling = ceiling_of(*rule, asked, request.body.size());
    if (!ceiling || ceiling->is_zero()) {
        co_await refuse(worker, exchange, 400, "invalid_request",
                        "What this call may cost is no amount of the token.");
        co_return;
    }
    PaidCall call(worker, exchange, *rule, std::move(asked), *ceiling);
    co_await call.run();
}

}  // namespace

Task<void> handle(Worker& worker, Exchange& exchange) {
    const auto& request = exchange.request();
    const auto& config = worker.shared.config;
    if (!is_plain_path(request.raw_path, request.path)) {
        co_await refuse(worker, exchange, 400, "invalid_request",
                        "The path has dot segments, empty segments or escaped separators.");
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
