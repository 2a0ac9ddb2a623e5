#include "channel/curve/term_sums.hpp"

#include "channel/curve/term_lanes.hpp"

namespace millrace::channel::curve {

std::span<const std::optional<Point>> TermSums::add_up(std::span<const Term> terms,
                                                       std::size_t each) {
    if (!has_lanes()) return add_up_one_by_one(terms, each);
    add_up_in_lanes(terms, each, {}, in_lanes_);
    take_from_lanes();
    if (!open_.empty()) add_up_pairwise(terms, each);
    return sums_;
}

std::span<const std::optional<Point>> TermSums::add_up(std::span<const Term> terms,
                                                       std::size_t each,
                                                       std::span<const Product> products) {
    add_up_in_lanes(terms, each, products, in_lanes_);
    take_from_lanes();
    return sums_;
}

void TermSums::take_from_lanes() {
    sums_.clear();
    open_.clear();
    for (const auto& point : affine(in_lanes_)) {
        if (!point) open_.push_back(sums_.size());
        sums_.push_back(point);
    }
}

std::span<const std::optional<Point>> TermSums::add_up_one_by_one(std::span<const Term> terms,
                                                                  std::size_t each) {
    sums_.assign(terms.size() / each, std::nullopt);
    open_.clear();
    for (std::size_t at = 0; at < sums_.size(); ++at) open_.push_back(at);
    add_up_pairwise(terms, each);
    return sums_;
}

/// Each round halves the number of terms of every open sum: what is left is in the first place.
void TermSums::add_up_pairwise(std::span<const Term> terms, std::size_t each) {
    points_.clear();
    for (const auto sum : open_)
        for (const auto& term : terms.subspan(sum * each, each))
            points_.push_back(term.is_negative ? -*term.point : *term.point);
    std::vector<bool> is_lost(open_.size());
    for (std::size_t apart = 1; apart < each; apart *= 2) {
        additions_.clear();
        owners_.clear();
        for (std::size_t sum = 0; sum < open_.size(); ++sum) {
            if (is_lost[sum]) continue;
            for (std::size_t at = 0; at + apart < each; at += 2 * apart) {
                auto* const first = &points_[sum * each + at];
                additions_.push_back({first, first + apart});
                owners_.push_back(sum);
            }
        }
        adder_.add(additions_);
        for (std::size_t at = 0; at < additions_.size(); ++at)
            if (additions_[at].is_infinite) is_lost[owners_[at]] = true;
    }
    for (std::size_t sum = 0; sum < open_.size(); ++sum)
        if (!is_lost[sum]) sums_[open_[sum]] = points_[sum * each];
}

}  // namespace millrace::channel::curve
