#pragma once

#include "channel/curve/scalar.hpp"
#include "channel/curve/term_sums.hpp"

namespace millrace::channel::curve {

/// Whether this processor adds in lanes.
bool has_lanes();

/// Sums of `each` terms, one behind the other in `terms`, eight at once, and to each of them its
/// product, where there are `products`. The z of a sum is zero where two points met on the way that
/// are the same or each other's negative. Only where there are lanes.
void add_up_in_lanes(std::span<const Term> terms, std::size_t each,
                     std::span<const Product> products, std::vector<JacobianPoint>& sums);

}  // namespace millrace::channel::curve
