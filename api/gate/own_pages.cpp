#include "api/gate/own_pages.hpp"

#include "api/gate/relay.hpp"
#include "channel/hex.hpp"

#include <fmt/format.h>

namespace millrace::api::gate {
namespace {

constexpr std::string_view kLlms = "/llms.txt";

Reply plain_text(unsigned status, std::string body) {
    Reply reply{status, "text/plain; charset=utf-8", std::move(body)};
    reply.fields.emplace_back("Cache-Control", "no-store");
    return reply;
}

std::string_view truth(bool value) {
    return value ? "true" : "false";
}

Reply ready(const Shared& shared) {
    // A thread without its stream refuses calls, and nobody can choose their thread.
    const bool service = shared.metrics.service_up.Value() >= static_cast<double>(shared.workers);
    const bool swept = shared.swept;
    const bool draining = shared.connections.draining;
    Reply reply;
    reply.status = service && swept && !draining ? 200 : 503;
    reply.body = fmt::format(R"({{"service":{},"leftReleased":{},"draining":{}}})", truth(service),
                             truth(swept), truth(draining));
    reply.fields.emplace_back("Cache-Control", "no-store");
    return reply;
}

std::string price_line(const PriceRule& rule) {
    auto line = fmt::format("- {}", fmt::join(rule.paths, ", "));
    if (!rule.models.empty()) line += fmt::format(" (models {})", fmt::join(rule.models, ", "));
    line += fmt::format(": {} per call", channel::to_string(rule.price.request));
    if (!rule.price.input_per_1k.is_zero())
        line +=
            fmt::format(", {} per 1,000 input tokens", channel::to_string(rule.price.input_per_1k));
    if (!rule.price.output_per_1k.is_zero())
        line += fmt::format(", {} per 1,000 output tokens (at most {} tokens)",
                            channel::to_string(rule.price.output_per_1k), rule.output_tokens_max);
    return line + '\n';
}

}  // namespace

bool is_own_page(const GateConfig& config, std::string_view path) {
    if (path == kLlms)
        return !is_priced(config.prices, path) && !is_free(config.prices, "GET", path);
    return path.starts_with(config.admin_path) &&
           path.substr(config.admin_path.size()).starts_with('/');
}

Reply own_page(const Worker& worker, const GateRequest& request) {
    const auto& config = worker.shared.config;
    if (request.method != "GET" && request.method != "HEAD")
        return problem_reply(405, "invalid_request", "Only GET is answered here.");
    if (request.path == kLlms)
        return plain_text(200, llms_text(config, worker.terms ? &*worker.terms : nullptr));
    const auto page = request.path.substr(config.admin_path.size());
    if (page == "/healthz") {
        Reply alive;
        alive.body = R"({"status":"ok"})";
        return alive;
    }
    if (page == "/readyz") return ready(worker.shared);
    if (page == "/metrics") {
        auto reply = plain_text(200, worker.shared.metrics.text());
        reply.content_type = "text/plain; version=0.0.4";
        return reply;
    }
    return problem_reply(404, "not_found", "There are healthz, readyz and metrics here.");
}

std::string llms_text(const GateConfig& config, const Terms* terms) {
    std::string out =
        "# Paid model API\n\n"
        "> Calls are paid per use with x402 v2, scheme batch-settlement: no account, no API "
        "key.\n\n"
        "## How to pay\n\n"
        "Send the request as usual. The answer is 402 with a PAYMENT-REQUIRED header (base64 of "
        "JSON; the body has the same JSON) that says what the call may cost at most. Sign a "
        "voucher for it with any x402 client, such as @x402/fetch with BatchSettlementEvmScheme, "
        "and send the same request with PAYMENT-SIGNATURE. The first payment deposits into a "
        "channel, without gas; what is unspent can be refunded. Only what was used is charged: "
        "PAYMENT-RESPONSE says how much. Of a stream it comes behind the last event, as an event "
        "named payment-response.\n\n"
        "## Prices\n\n";
    if (terms)
        out += fmt::format("In base units of {} ({}) on {}.\n\n", terms->token_name,
                           channel::to_hex(terms->token), channel::to_string(terms->network));
    for (const auto& rule : config.prices.rules) out += price_line(rule);
    out += "\n## Free\n\n";
    for (const auto& free : config.prices.free)
        out += fmt::format("- {} {}\n", free.method.empty() ? "GET" : free.method, free.path);
    return out;
}

}  // namespace millrace::api::gate
