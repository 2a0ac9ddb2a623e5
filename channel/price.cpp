#include "channel/price.hpp"

namespace millrace::channel {
namespace {

constexpr Uint128 kPriced = 1000;

Result<Amount> multiply(Amount price, std::uint64_t count) {
    if (count > 0 && price.units() > Amount::max().units() / count)
        return Error::amount_out_of_range;
    return Amount{price.units() * count};
}

}  // namespace

Result<Amount> cost(const Price& price, TokenCounts tokens) {
    const auto input = multiply(price.input_per_1k, tokens.input);
    if (!input) return input.error();
    const auto output = multiply(price.output_per_1k, tokens.output);
    if (!output) return output.error();
    const auto thousandths = add(*input, *output);
    if (!thousandths) return thousandths.error();
    const auto units = thousandths->units();
    const Uint128 rounded_up = units / kPriced + (units % kPriced == 0 ? 0 : 1);
    return add(price.request, Amount{rounded_up});
}

bool is_fixed(const Price& price) {
    return price.input_per_1k.is_zero() && price.output_per_1k.is_zero();
}

}  // namespace millrace::channel
