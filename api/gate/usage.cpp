#include "api/gate/usage.hpp"

#include <simdjson.h>

#include <algorithm>
#include <array>

namespace millrace::api::gate {
namespace {

namespace dom = simdjson::dom;

/// More than this no answer can have: nonsense is not counted.
constexpr std::uint64_t kTokensMax = 1'000'000'000'000;

std::optional<std::uint64_t> count_of(dom::object object, const char* name) {
    std::uint64_t count = 0;
    if (object.at_key(name).get_uint64().get(count) || count > kTokensMax) return std::nullopt;
    return count;
}

void fill(Usage& usage, std::optional<std::uint64_t> input, std::optional<std::uint64_t> output) {
    if (!usage.input) usage.input = input;
    if (!usage.output) usage.output = output;
}

void read_usage(dom::object object, Usage& usage) {
    dom::object said;
    if (object.at_key("usage").get_object().get(said)) return;
    fill(usage, count_of(said, "prompt_tokens"), count_of(said, "completion_tokens"));
    auto input = count_of(said, "input_tokens");
    // Anthropic's `input_tokens` are without these two.
    for (const auto* cached : {"cache_read_input_tokens", "cache_creation_input_tokens"})
        if (input) input = *input + count_of(said, cached).value_or(0);
    fill(usage, input, count_of(said, "output_tokens"));
}

Usage usage_of(dom::object root) {
    Usage usage;
    read_usage(root, usage);
    for (const auto* name : {"response", "message"}) {
        dom::object inner;
        if (!root.at_key(name).get_object().get(inner)) read_usage(inner, usage);
    }
    fill(usage, count_of(root, "prompt_eval_count"), count_of(root, "eval_count"));
    fill(usage, count_of(root, "tokens_evaluated"), count_of(root, "tokens_predicted"));
    return usage;
}

std::uint64_t text_bytes(dom::object object);

std::uint64_t text_bytes_below(dom::element part) {
    std::uint64_t bytes = 0;
    dom::array list;
    dom::object object;
    if (!part.get_array().get(list))
        for (const auto one : list) bytes += text_bytes_below(one);
    return part.get_object().get(object) ? bytes : text_bytes(object);
}

/// Bytes of what was written, wherever it stands in an answer.
std::uint64_t text_bytes(dom::object object) {
    constexpr std::array<std::string_view, 7> kTexts{
        "content", "text", "reasoning_content", "reasoning", "arguments", "response", "thinking"};
    std::uint64_t bytes = 0;
    for (const auto [key, value] : object) {
        if (!value.is_string())
            bytes += text_bytes_below(value);
        else if (std::find(kTexts.begin(), kTexts.end(), key) != kTexts.end())
            bytes += value.get_string_length().value();
    }
    return bytes;
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

/// Ollama and llama.cpp, in their own forms.
bool has_text(dom::object root) {
    dom::object message;
    dom::element text;
    if (!root.at_key("message").get_object().get(message))
        for (const auto* name : {"content", "thinking", "tool_calls"})
            if (!message.at_key(name).get(text) && is_content(text)) return true;
    for (const auto* name : {"response", "thinking", "content"})
        if (!root.at_key(name).get(text) && text.is_string() && is_content(text)) return true;
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

Chunk UsageReader::read_answer(std::string_view text) {
    constexpr std::uint64_t kBytesPerToken = 4;
    if (const auto root = parser_->object(text))
        return {usage_of(*root), text_bytes(*root) / kBytesPerToken};
    Chunk answer;
    for (std::size_t begin = 0; begin < text.size();) {
        const auto end = std::min(text.find('\n', begin), text.size());
        const auto line = read_chunk(text.substr(begin, end - begin));
        if (line.usage != Usage{}) answer.usage = line.usage;
        answer.deltas += line.deltas;
        begin = end + 1;
    }
    return answer;
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
        // Anthropic's first event counts a token before there is one.
        if (type == "message_start") chunk.usage.output.reset();
    } else if (has_text(*root)) {
        ++chunk.deltas;
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

channel::TokenCounts UsageCount::of_part() const {
    return {said_.input.value_or(estimate_), so_far().output};
}

channel::TokenCounts UsageCount::in_all() const {
    return {said_.input.value_or(estimate_), said_.output.value_or(deltas_)};
}

}  // namespace millrace::api::gate
