#include "api/gate/prompt.hpp"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

namespace millrace::api::gate {
namespace {

namespace dom = simdjson::dom;

constexpr std::array<std::string_view, 9> kPrompts{"messages", "prompt",       "input",
                                                   "system",   "instructions", "suffix",
                                                   "context",  "query",        "documents"};
constexpr std::array<std::string_view, 2> kDeclarations{"tools", "functions"};
constexpr std::array<std::string_view, 4> kUnbounded{"previous_response_id", "conversation",
                                                     "chat_template", "template"};
constexpr std::string_view kReference = "item_reference";
constexpr std::array<std::string_view, 12> kAttachments{
    "image_url", "video_url", "audio_url", "input_audio", "image",     "audio",
    "video",     "file",      "file_id",   "file_url",    "file_data", "source"};
/// Not read by the model as they stand.
constexpr std::array<std::string_view, 6> kLabels{"role",    "type",   "id",
                                                  "call_id", "status", "tool_call_id"};

template <class Names>
bool has(const Names& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

/// As deep as the parser lets a body be.
void walk(dom::element part, Prompt& prompt) {
    if (part.is_string()) {
        prompt.text_bytes += part.get_string_length().value();
    } else if (part.is_number()) {
        ++prompt.token_ids;
    } else if (part.is_array()) {
        for (const auto one : dom::array(part)) walk(one, prompt);
    } else if (part.is_object()) {
        for (const auto [key, value] : dom::object(part)) {
            if (key == "images" && value.is_array())
                prompt.attachments += dom::array(value).size();
            else if (has(kAttachments, key) && !value.is_null())
                ++prompt.attachments;
            else if (!has(kLabels, key))
                walk(value, prompt);
            else if (key == "type" && value.is_string() && value.get_string().value() == kReference)
                prompt.has_unbounded_part = true;
        }
    }
}

}  // namespace

Prompt read_prompt(const dom::object& body) {
    Prompt prompt;
    for (const auto [key, value] : body) {
        if (has(kPrompts, key)) walk(value, prompt);
        if (has(kDeclarations, key))
            prompt.text_bytes += std::string(simdjson::minify(value)).size();
        if (key == "images" && value.is_array()) prompt.attachments += dom::array(value).size();
        const bool is_stored = key == "prompt" && value.is_object();
        if (is_stored || (has(kUnbounded, key) && !value.is_null()))
            prompt.has_unbounded_part = true;
    }
    return prompt;
}

}  // namespace millrace::api::gate
