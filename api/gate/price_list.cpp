#include "api/gate/price_list.hpp"

#include "api/gate/plain_text.hpp"

#include <boost/algorithm/string/predicate.hpp>

#include <algorithm>

namespace millrace::api::gate {
namespace {

bool any_fits(const std::vector<std::string>& patterns, std::string_view text) {
    return std::any_of(patterns.begin(), patterns.end(),
                       [&](const std::string& pattern) { return fits(pattern, text); });
}

/// What a call may cost at most, apart from its body.
channel::Amount dearness(const PriceRule& rule) {
    const auto most = channel::cost(rule.price, {rule.input_tokens_max, rule.output_tokens_max});
    return most ? *most : channel::Amount::max();
}

}  // namespace

FreePath parse_free_path(std::string_view text) {
    const auto space = text.find(' ');
    if (space == std::string_view::npos) return {{}, std::string(text)};
    return {std::string(text.substr(0, space)), std::string(text.substr(space + 1))};
}

bool fits(std::string_view pattern, std::string_view text) {
    if (!pattern.ends_with('*')) return pattern == text;
    return text.starts_with(pattern.substr(0, pattern.size() - 1));
}

bool is_free(const PriceList& list, std::string_view method, std::string_view path) {
    return std::any_of(list.free.begin(), list.free.end(), [&](const FreePath& one) {
        const bool method_fits =
            one.method.empty() ? method == "GET" || method == "HEAD" : one.method == method;
        return method_fits && fits(one.path, path);
    });
}

bool is_priced(const PriceList& list, std::string_view path) {
    return std::any_of(list.rules.begin(), list.rules.end(),
                       [&](const PriceRule& rule) { return any_fits(rule.paths, path); });
}

const PriceRule* find_rule(const PriceList& list, std::string_view path, std::string_view model) {
    const PriceRule* dearest = nullptr;
    for (const auto& rule : list.rules) {
        if (!any_fits(rule.paths, path)) continue;
        if (rule.models.empty()) return &rule;
        if (!model.empty() && any_fits(rule.models, model)) return &rule;
        const bool is_dearer = !dearest || dearness(*dearest) < dearness(rule);
        if (model.empty() && is_dearer) dearest = &rule;
    }
    return dearest;
}

bool is_plain_path(std::string_view raw, std::string_view decoded) {
    if (!decoded.starts_with('/')) return false;
    for (const std::string_view escaped : {"%2f", "%5c", "%00", "%25"})
        if (boost::algorithm::icontains(raw, escaped)) return false;
    if (!is_plain_text(decoded) || decoded.find_first_of("\\;") != std::string_view::npos)
        return false;
    for (std::size_t begin = 1; begin <= decoded.size();) {
        const auto end = std::min(decoded.find('/', begin), decoded.size());
        const auto segment = decoded.substr(begin, end - begin);
        if (segment == "." || segment == ".." || (segment.empty() && end < decoded.size()))
            return false;
        begin = end + 1;
    }
    return true;
}

}  // namespace millrace::api::gate
