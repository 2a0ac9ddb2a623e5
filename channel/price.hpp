#pragma once

#include "channel/amount.hpp"
#include "channel/error.hpp"
#include "channel/result.hpp"

#include <cstdint>

namespace millrace::channel {

/// What a call to a model costs, in base units of the token.
struct Price {
    /// For the call itself.
    Amount request;
    /// For a thousand tokens of the prompt, and of what is generated.
    Amount input_per_1k;
    Amount output_per_1k;

    friend bool operator==(const Price&, const Price&) = default;
};

struct TokenCounts {
    std::uint64_t input = 0;
    std::uint64_t output = 0;

    friend bool operator==(const TokenCounts&, const TokenCounts&) = default;
};

/// request + (input · input_per_1k + output · output_per_1k) / 1000. Both kinds of tokens are
/// summed first and rounded up once, so that the total is at most one base unit above the exact
/// figure. It never falls when a count or a price rises. `amount_out_of_range` where a sum does not
/// fit.
Result<Amount> cost(const Price& price, TokenCounts tokens);

/// True when the cost is known before the call: tokens do not count.
bool is_fixed(const Price& price);

}  // namespace millrace::channel
