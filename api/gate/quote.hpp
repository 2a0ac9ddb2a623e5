#pragma once

#include "api/gate/asked.hpp"
#include "api/gate/endpoint.hpp"
#include "api/gate/price_list.hpp"
#include "channel/amount.hpp"
#include "channel/price.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace millrace::api::gate {

/// What a call may come to, before it is made. Refers to the price list.
struct Quote {
    const PriceRule& rule;
    const Endpoint& endpoint;
    /// Nothing where there is no body.
    std::optional<Asked> asked;
    /// What the service's books call what is sold: the model, or the path where none is named.
    std::string model;
    /// What one answer may be long, where output has a price.
    std::uint64_t output_tokens_max = 0;
    /// Tokens that the ceiling is for.
    channel::TokenCounts most;
    /// What the payer signs for, and no more than which is charged.
    channel::Amount ceiling;

    /// A stream whose usage comes because the gate asks for it, not the client.
    bool keeps_usage_back() const;
};

/// Why something is not sold.
struct NoSale {
    unsigned status = 400;
    std::string reason;
    std::string detail;
};

/// The price of a call of a path that `is_priced`. Its input is counted with the bytes of the body,
/// of which text never has fewer than tokens, what the rule adds for the model's template, and what
/// it adds for each attachment; where the body does not bound the prompt, as
/// `input_tokens_max`. Its output is what the call says, on an endpoint that heeds it, and the
/// rule's `output_tokens_max` everywhere else.
std::variant<Quote, NoSale> quote(const PriceList& list, std::string_view path,
                                  std::string_view body);

/// The body as the model server gets it: bounded by what the ceiling is for, and asked for usage.
std::string body_for_upstream(const Quote& quote, std::string body);

}  // namespace millrace::api::gate
