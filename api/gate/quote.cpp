#include "api/gate/quote.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace millrace::api::gate {
namespace {

/// Of a path that stands in for the model.
constexpr std::size_t kPathLengthMax = 256;

NoSale bad(std::string detail) {
    return {400, "invalid_request", std::move(detail)};
}

std::uint64_t input_max(const PriceRule& rule, const Asked& asked, std::size_t body_bytes) {
    if (asked.prompt.has_unbounded_part) return rule.input_tokens_max;
    const auto attachments = asked.prompt.attachments * rule.input_tokens_per_attachment;
    return std::min(body_bytes + rule.input_tokens_extra + attachments, rule.input_tokens_max);
}

bool counts_output(const PriceRule& rule) {
    return !rule.price.output_per_1k.is_zero();
}

/// Why a rule does not sell what is asked for.
std::optional<NoSale> refusal(const PriceRule& rule, const Asked& asked) {
    if (!counts_output(rule)) return std::nullopt;
    if (asked.output_tokens_max > rule.output_tokens_max)
        return bad(fmt::format("At most {} tokens are generated here for one answer.",
                               rule.output_tokens_max));
    if (asked.output_tokens_min > asked.output_tokens_max.value_or(rule.output_tokens_max))
        return bad("min_tokens: Is more than the answer may have.");
    return std::nullopt;
}

bool asks_for_usage(const Quote& quote) {
    return quote.asked && quote.asked->stream && quote.endpoint.usage_on_request &&
           !channel::is_fixed(quote.rule.price);
}

}  // namespace

bool Quote::keeps_usage_back() const {
    return asks_for_usage(*this) && !asked->wants_usage;
}

std::variant<Quote, NoSale> quote(const PriceList& list, std::string_view path,
                                  std::string_view body) {
    if (path.size() > kPathLengthMax || (path.ends_with('/') && path.size() > 1))
        return bad(
            fmt::format("The path has a slash at its end, or more than {} bytes.", kPathLengthMax));
    const auto& endpoint = endpoint_of(path);
    std::optional<Asked> asked;
    if (!body.empty()) {
        auto read = read_asked(body, endpoint);
        if (const auto* why = std::get_if<BadBody>(&read))
            return bad(why->field.empty() ? why->message : why->field + ": " + why->message);
        asked = std::move(std::get<Asked>(read));
    }
    const auto* rule = find_rule(list, path, asked ? asked->model : std::string());
    if (!rule) return NoSale{404, "not_found", "There is no such model here."};
    channel::TokenCounts most{0, rule->output_tokens_max};
    if (asked) {
        if (auto why = refusal(*rule, *asked)) return std::move(*why);
        most.input = input_max(*rule, *asked, body.size());
        most.output = asked->output_tokens_max.value_or(most.output);
    }
    const auto each = most.output;
    if (asked) most.output *= asked->choices;
    const auto ceiling = channel::cost(rule->price, most);
    if (!ceiling || ceiling->is_zero())
        return bad("What this call may cost is no amount of the token.");
    const bool has_model = asked && !asked->model.empty();
    std::string model(has_model ? std::string_view(asked->model) : path);
    return Quote{*rule, endpoint, std::move(asked), std::move(model), each, most, *ceiling};
}

std::string body_for_upstream(const Quote& quote, std::string body) {
    if (!quote.asked) return body;
    BodyChange change;
    change.ask_for_usage = asks_for_usage(quote);
    change.ask_for_usage_always = quote.asked->wants_usage_always;
    if (counts_output(quote.rule)) change.output_limit = quote.output_tokens_max;
    return changed(body, quote.endpoint, change);
}

}  // namespace millrace::api::gate
