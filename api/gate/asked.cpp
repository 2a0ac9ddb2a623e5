#include "api/gate/asked.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <set>

namespace millrace::api::gate {
namespace {

namespace dom = simdjson::dom;

constexpr std::size_t kModelLengthMax = 256;
constexpr std::uint64_t kTokensMax = 1'000'000'000;
constexpr std::uint64_t kChoicesMax = 10'000;
constexpr std::array<std::string_view, 3> kOutputLimits{"max_tokens", "max_completion_tokens",
                                                        "max_output_tokens"};
constexpr std::array<std::string_view, 2> kChoices{"n", "best_of"};
constexpr std::array<std::string_view, 4> kOthers{"model", "stream", "stream_options", "prompt"};

template <class Names>
bool has(const Names& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

/// A whole number from 1 to `most`, or null, which is as good as none.
bool read_number(dom::element value, std::uint64_t most, std::optional<std::uint64_t>& out) {
    if (value.is_null()) return true;
    std::uint64_t number = 0;
    if (value.get_uint64().get(number) || number == 0 || number > most) return false;
    out = std::max(out.value_or(0), number);
    return true;
}

/// Of a list of prompts each is answered; a list of numbers is one prompt in tokens.
std::uint64_t prompts(dom::element value) {
    dom::array list;
    if (value.get_array().get(list)) return 1;
    std::uint64_t count = 0;
    for (const auto one : list) count += one.is_string() || one.is_array() ? 1 : 0;
    return std::max<std::uint64_t>(count, 1);
}

class Reader {
public:
    std::variant<Asked, BadBody> read(std::string_view body) {
        dom::parser parser;
        dom::element root;
        dom::object object;
        if (parser.parse(body.data(), body.size()).get(root) || root.get_object().get(object))
            return BadBody{"", "The body has to be a JSON object."};
        for (const auto [key, value] : object) {
            take(key, value);
            if (bad_) return *bad_;
        }
        asked_.choices = choices_.value_or(1);
        if (prompts_ > kChoicesMax / asked_.choices)
            return BadBody{"prompt", fmt::format("At most {} answers at once.", kChoicesMax)};
        asked_.choices *= prompts_;
        return asked_;
    }

private:
    void take(std::string_view key, dom::element value) {
        const bool counts = has(kOutputLimits, key) || has(kChoices, key) || has(kOthers, key);
        if (!counts) return;
        if (!seen_.insert(std::string(key)).second) return fail(key, "Stands in the body twice.");
        if (has(kOutputLimits, key)) {
            if (!read_number(value, kTokensMax, asked_.output_tokens_max))
                fail(key, fmt::format("Expected a whole number from 1 to {}.", kTokensMax));
        } else if (has(kChoices, key)) {
            if (!read_number(value, kChoicesMax, choices_))
                fail(key, fmt::format("Expected a whole number from 1 to {}.", kChoicesMax));
        } else {
            take_other(key, value);
        }
    }

    void take_other(std::string_view key, dom::element value) {
        if (key == "prompt") {
            prompts_ = prompts(value);
        } else if (key == "model") {
            std::string_view model;
            if (value.get_string().get(model) || model.size() > kModelLengthMax)
                return fail(key, "Expected a short text.");
            asked_.model = model;
        } else if (value.is_null()) {
            return;
        } else if (key == "stream") {
            if (value.get_bool().get(asked_.stream)) fail(key, "Expected true or false.");
        } else {
            bool wanted = false;
            if (!value.is_object()) return fail(key, "Expected an object.");
            if (!value["include_usage"].get_bool().get(wanted)) asked_.wants_usage = wanted;
        }
    }

    void fail(std::string_view field, std::string message) {
        bad_ = BadBody{std::string(field), std::move(message)};
    }

    Asked asked_;
    std::optional<std::uint64_t> choices_;
    std::uint64_t prompts_ = 1;
    std::set<std::string, std::less<>> seen_;
    std::optional<BadBody> bad_;
};

/// Where the value of a member of the outermost object stands in `body`.
std::optional<std::pair<std::size_t, std::size_t>> place_of(std::string_view body,
                                                            std::string_view name) {
    namespace ondemand = simdjson::ondemand;
    const simdjson::padded_string padded(body);
    ondemand::parser parser;
    ondemand::document document;
    ondemand::object object;
    if (parser.iterate(padded).get(document) || document.get_object().get(object))
        return std::nullopt;
    ondemand::value value;
    std::string_view raw;
    if (object.find_field_unordered(name).get(value) || simdjson::to_json_string(value).get(raw))
        return std::nullopt;
    return std::pair{static_cast<std::size_t>(raw.data() - padded.data()), raw.size()};
}

}  // namespace

std::variant<Asked, BadBody> read_asked(std::string_view body) {
    return Reader().read(body);
}

std::string changed(std::string_view body, const BodyChange& change) {
    constexpr std::string_view kUsage = R"({"include_usage":true})";
    std::string out(body);
    std::string added;
    if (change.ask_for_usage) {
        if (const auto place = place_of(body, "stream_options"))
            out.replace(place->first, place->second, kUsage);
        else
            added += fmt::format(R"("stream_options":{},)", kUsage);
    }
    if (!change.output_limit_name.empty())
        added += fmt::format(R"("{}":{},)", change.output_limit_name, change.output_limit);
    // In front of members that there are: a body that says no model has no such call.
    if (!added.empty()) out.insert(out.find('{') + 1, added);
    return out;
}

}  // namespace millrace::api::gate
