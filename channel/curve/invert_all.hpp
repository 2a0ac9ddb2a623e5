#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace millrace::channel::curve {

/// Replaces each by its inverse, at the price of one inversion (Montgomery's trick). None may be
/// zero.
template <class Element>
void invert_all(std::span<Element> elements, const Element& one) {
    std::vector<Element> products_before;
    products_before.reserve(elements.size());
    auto product = one;
    for (const auto& element : elements) {
        products_before.push_back(product);
        product = product * element;
    }
    auto inverse_so_far = inverse(product);
    for (std::size_t at = elements.size(); at-- > 0;) {
        const auto inverted = inverse_so_far * products_before[at];
        inverse_so_far = inverse_so_far * elements[at];
        elements[at] = inverted;
    }
}

}  // namespace millrace::channel::curve
