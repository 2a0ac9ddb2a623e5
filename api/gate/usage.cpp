#include "api/gate/usage.hpp"

#include <simdjson.h>

#include <algorithm>

namespace millrace::api::gate {
namespace {

namespace dom = simdjson::dom;

/// More than this no answer can have: nonsense is not counted.
constexpr std::uint64_t kTokensMax = 1'000'000'000'000;

std::optional<std::uint64_t> count_of(dom::object usage, const char* one, const char* other) {
    for (const auto* name : {one, other}) {
        std::uint64_t count = 0;
        if (!usage.at_key(name).get_uint64().get(count) && count <= kTokensMax) return count;
    }
    return std::nullopt;
}

Usage usage_in(dom::object object) {
    dom::object usage;
    if (object.at_key("usage").get_object().get(usage)) return {};
    return {count_of(usage, "prompt_tokens", "input_tokens"),
            count_of(usage, "completion_tokens", "output_tokens")};
}

Usage usage_of(dom::object root) {
    auto usage = usage_in(root);
    for (const auto* name : {"response", "message"}) {
        dom::object inner;
        if (root.at_key(name).get_object().get(inner)) continue;
        const auto found = usage_in(inner);
        if (!usage.input) usage.input = found.input;
        if (!usage.output) usage.output = found.output;
    }
    return usage;
}

bool is_content(dom::element value) {
    std::string_view text;
    dom::array list;
    if (!value.get_string().get(text)) return !text.empty();
    if (!value.get_array().get(list)) return list.size() > 0;
    return value.is_object();
}

/// Of a choice (OpenAI): `text` of completions, or any member of `delta` but its role.
bool has_content(dom::object choice) {
    dom::element text;
    if (!choice.at_key("text").get(text) && is_content(text)) return true;
    dom::object delta;
    if (choice.at_key("delta").get_object().get(delta)) return false;
    for (const auto [key, value] : delta)
        if (key != "role" && is_content(value)) return true;
    return false;
}

}  // namespace

struct UsageReader::Parser {
    dom::parser parser;

    std::optional<dom::object> object(std::string_view json) {
        dom::object root;
        if (parser.parse(json.data(), json.size()).get_object().get(root)) return std::nullopt;
        return root;
    }
};

UsageReader::UsageReader() : parser_(std::make_unique<Parser>()) {}
UsageReader::~UsageReader() = default;

Usage UsageReader::read_answer(std::string_view json) {
    const auto root = parser_->object(json);
    if (!root) return {};
    return usage_of(*root);
}

Chunk UsageReader::read_chunk(std::string_view json) {
    const auto root = parser_->object(json);
    if (!root) return {};
    Chunk chunk{usage_of(*root)};
    dom::array choices;
    std::string_view type;
    if (!root->at_key("choices").get_array().get(choices)) {
        for (const auto one : choices) {
            dom::object choice;
            if (!one.get_object().get(choice) && has_content(choice)) ++chunk.deltas;
        }
        const bool has_usage = chunk.usage.input || chunk.usage.output;
        chunk.is_usage_alone = has_usage && choices.size() == 0;
    } else if (!root->at_key("type").get_string().get(type)) {
        if (type.ends_with(".delta") || type == "content_block_delta") ++chunk.deltas;
    }
    return chunk;
}

void UsageCount::add(const Chunk& chunk) {
    const auto raise = [](std::optional<std::uint64_t>& count, std::optional<std::uint64_t> seen) {
        if (seen) count = std::max(count.value_or(0), *seen);
    };
    raise(said_.input, chunk.usage.input);
    raise(said_.output, chunk.usage.output);
    deltas_ += chunk.deltas;
}

channel::TokenCounts UsageCount::so_far() const {
    return {said_.input.value_or(0), std::max(said_.output.value_or(0), deltas_)};
}

channel::TokenCounts UsageCount::in_all() const {
    return {said_.input.value_or(0), said_.output.value_or(deltas_)};
}

}  // namespace millrace::api::gate
