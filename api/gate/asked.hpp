#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace millrace::api::gate {

/// What the body of a call to a model asks for, as far as it bears on the price (OpenAI: chat
/// completions, completions, responses, embeddings; Anthropic: messages).
struct Asked {
    std::string model;
    bool stream = false;
    /// `max_tokens`, `max_completion_tokens`, `max_output_tokens`: the highest.
    std::optional<std::uint64_t> output_tokens_max;
    /// How often so much may be generated: `n` or `best_of`, times the prompts.
    std::uint64_t choices = 1;
    /// `stream_options.include_usage`.
    bool wants_usage = false;
};

/// Why a body cannot be priced.
struct BadBody {
    std::string field;
    std::string message;
};

/// A member that bears on the price may stand in the body once: who reads it behind the gate might
/// take another one.
std::variant<Asked, BadBody> read_asked(std::string_view body);

/// What is changed in a body on its way to the model server.
struct BodyChange {
    /// Sets `stream_options.include_usage`.
    bool ask_for_usage = false;
    /// Adds this member; none where the call said how much may be generated.
    std::string_view output_limit_name;
    std::uint64_t output_limit = 0;
};
/// `body` is one that `read_asked` took.
std::string changed(std::string_view body, const BodyChange& change);

}  // namespace millrace::api::gate
