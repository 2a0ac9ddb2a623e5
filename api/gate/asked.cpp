#include "api/gate/asked.hpp"

#include "api/gate/json_members.hpp"
#include "api/gate/plain_text.hpp"

#include <fmt/format.h>
#include <simdjson.h>
#include <boost/algorithm/string/case_conv.hpp>

#include <algorithm>
#include <array>
#include <set>

namespace millrace::api::gate {
namespace {

namespace dom = simdjson::dom;

constexpr std::size_t kModelLengthMax = 256;
constexpr std::size_t kMembersMax = 256;
constexpr std::uint64_t kTokensMax = 1'000'000'000;
constexpr std::uint64_t kChoicesMax = 10'000;
constexpr std::array<std::string_view, 2> kChoices{"n", "best_of"};
constexpr std::array<std::string_view, 7> kOthers{
    "model", "stream", "stream_options", "prompt", "min_tokens", "options", "background"};

template <class Names>
bool has(const Names& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

bool bears_on_price(std::string_view name) {
    return is_output_limit(name) || has(kChoices, name) || has(kOthers, name);
}

bool is_plain_name(std::string_view name) {
    return std::all_of(name.begin(), name.end(),
                       [](char letter) { return letter >= ' ' && letter < 0x7f; }) &&
           name.find('\\') == std::string_view::npos;
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
    explicit Reader(const Endpoint& endpoint) : endpoint_(endpoint) {}

    std::variant<Asked, BadBody> read(std::string_view body) {
        dom::parser parser;
        dom::element root;
        dom::object object;
        const auto members =
            parser.parse(body.data(), body.size()).get(root) ? std::nullopt : members_of(body);
        if (!members || root.get_object().get(object))
            return BadBody{"", "The body has to be a JSON object."};
        look_at_names(*members);
        for (const auto [key, value] : object) {
            if (bad_) return *bad_;
            take(key, value);
            if (key == endpoint_.limits_in) take_limits(body, *members, value);
        }
        if (bad_) return *bad_;
        asked_.choices = choices_.value_or(1);
        if (prompts_ > kChoicesMax / asked_.choices)
            return BadBody{"prompt", fmt::format("At most {} answers at once.", kChoicesMax)};
        asked_.choices *= prompts_;
        asked_.prompt = read_prompt(object);
        return asked_;
    }

private:
    void look_at_names(const std::vector<JsonMember>& members) {
        if (members.size() > kMembersMax)
            return fail({}, fmt::format("An object has more than {} members.", kMembersMax));
        std::set<std::string, std::less<>> seen;
        for (const auto& member : members) {
            if (!is_plain_name(member.name))
                return fail({}, "Names of members have to be ASCII without escapes.");
            const auto small = boost::algorithm::to_lower_copy(std::string(member.name));
            if (small != member.name && bears_on_price(small))
                return fail(member.name, fmt::format("Has to be written {}.", small));
            if (!seen.insert(small).second) return fail(member.name, "Stands in the body twice.");
        }
    }

    /// Those of Ollama stand in a member of their own.
    void take_limits(std::string_view body, const std::vector<JsonMember>& members,
                     dom::element value) {
        dom::object options;
        if (value.is_null()) return;
        if (value.get_object().get(options))
            return fail(endpoint_.limits_in, "Expected an object.");
        const auto place = std::find_if(members.begin(), members.end(), [&](const auto& one) {
            return one.name == endpoint_.limits_in;
        });
        if (const auto inner = members_of(body.substr(place->begin, place->size)))
            look_at_names(*inner);
        for (const auto [key, limit] : options)
            if (is_output_limit(key)) take_limit(key, limit);
    }

    void take(std::string_view key, dom::element value) {
        if (is_output_limit(key)) {
            const bool is_elsewhere = !endpoint_.limits_in.empty();
            // Of a server that nobody knows, what bounds it is not known either.
            if (endpoint_.path.empty()) return;
            if (is_elsewhere) return fail(key, wrong_limit());
            take_limit(key, value);
        } else if (has(kChoices, key)) {
            if (!read_number(value, kChoicesMax, choices_))
                fail(key, fmt::format("Expected a whole number from 1 to {}.", kChoicesMax));
        } else {
            take_other(key, value);
        }
    }

    void take_limit(std::string_view key, dom::element value) {
        if (!has(endpoint_.output_limits, key)) return fail(key, wrong_limit());
        if (!read_number(value, kTokensMax, asked_.output_tokens_max))
            fail(key, fmt::format("Expected a whole number from 1 to {}.", kTokensMax));
    }

    void take_other(std::string_view key, dom::element value) {
        if (key == "prompt") {
            prompts_ = prompts(value);
        } else if (key == "model") {
            std::string_view model;
            if (value.get_string().get(model) || model.size() > kModelLengthMax ||
                !is_plain_text(model))
                return fail(key, fmt::format("Expected at most {} bytes of UTF-8 without control "
                                             "characters.",
                                             kModelLengthMax));
            asked_.model = model;
        } else if (value.is_null()) {
            return;
        } else if (key == "stream") {
            if (value.get_bool().get(asked_.stream)) fail(key, "Expected true or false.");
        } else if (key == "stream_options") {
            if (!value.is_object()) return fail(key, "Expected an object.");
            asked_.wants_usage = is_true(value["include_usage"].get_bool());
            asked_.wants_usage_always = is_true(value["continuous_usage_stats"].get_bool());
        } else if (key == "min_tokens") {
            if (value.get_uint64().get(asked_.output_tokens_min))
                fail(key, "Expected a whole number.");
        } else if (key == "background") {
            if (!value.is_bool() || is_true(value.get_bool()))
                fail(key, "An answer that comes later cannot be charged; leave it out.");
        }
    }

    static bool is_true(simdjson::simdjson_result<bool> value) {
        bool truth = false;
        return !std::move(value).get(truth) && truth;
    }

    std::string wrong_limit() const {
        return fmt::format("Does not bound what is generated here; use {}{}{}.",
                           endpoint_.limits_in, endpoint_.limits_in.empty() ? "" : ".",
                           endpoint_.output_limits.front());
    }

    void fail(std::string_view field, std::string message) {
        if (!bad_) bad_ = BadBody{std::string(field), std::move(message)};
    }

    const Endpoint& endpoint_;
    Asked asked_;
    std::optional<std::uint64_t> choices_;
    std::uint64_t prompts_ = 1;
    std::optional<BadBody> bad_;
};

/// The object that the limits stand in, with them.
std::string with_limits(std::string_view object, const Endpoint& endpoint, std::uint64_t limit) {
    JsonValues values;
    for (const auto name : endpoint.output_limits) values.emplace_back(name, std::to_string(limit));
    return with_values(object, members_of(object).value_or(std::vector<JsonMember>{}), values);
}

}  // namespace

std::variant<Asked, BadBody> read_asked(std::string_view body, const Endpoint& endpoint) {
    return Reader(endpoint).read(body);
}

std::string changed(std::string_view body, const Endpoint& endpoint, const BodyChange& change) {
    const auto members = members_of(body).value_or(std::vector<JsonMember>{});
    JsonValues values;
    if (change.ask_for_usage)
        values.emplace_back(
            "stream_options",
            fmt::format(R"({{"include_usage":true{}}})",
                        change.ask_for_usage_always ? R"(,"continuous_usage_stats":true)" : ""));
    if (change.output_limit != 0 && endpoint.limits_in.empty()) {
        for (const auto name : endpoint.output_limits)
            values.emplace_back(name, std::to_string(change.output_limit));
    } else if (change.output_limit != 0) {
        std::string_view object = "{}";
        for (const auto& member : members)
            if (member.name == endpoint.limits_in && body[member.begin] == '{')
                object = body.substr(member.begin, member.size);
        values.emplace_back(endpoint.limits_in, with_limits(object, endpoint, change.output_limit));
    }
    return with_values(body, members, values);
}

}  // namespace millrace::api::gate
