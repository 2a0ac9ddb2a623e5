#pragma once

#include <cstdint>

namespace simdjson::dom {
class object;
}

namespace millrace::api::gate {

/// What a model reads of a call, as far as the body tells it without the model's tokenizer.
struct Prompt {
    /// Of the text, without escapes.
    std::uint64_t text_bytes = 0;
    /// Tokens that are given as numbers.
    std::uint64_t token_ids = 0;
    /// Images, sounds, files: what they come to has nothing to do with their bytes.
    std::uint64_t attachments = 0;
    /// The body says nothing of its length: a part of it stands with the server
    /// (`previous_response_id`, `conversation`, a stored prompt), or the body brings a template.
    bool has_unbounded_part = false;

    /// What is charged where the server does not say: a token for each four bytes of text, rounded
    /// down, and what is given as tokens. Attachments and templates count nothing.
    std::uint64_t tokens_estimate() const { return text_bytes / 4 + token_ids; }
};

Prompt read_prompt(const simdjson::dom::object& body);

}  // namespace millrace::api::gate
