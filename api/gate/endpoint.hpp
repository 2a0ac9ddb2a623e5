#pragma once

#include <span>
#include <string_view>

namespace millrace::api::gate {

/// A kind of call that the gate understands: by what it is told how much to generate, and whether a
/// stream says what it used only when it is asked to.
struct Endpoint {
    /// How its path ends, in any case. Empty: no known one.
    std::string_view path;
    /// Members that bound what is generated; servers heed one or another, so all of them are set.
    /// None: what is generated cannot be bounded from here.
    std::span<const std::string_view> output_limits;
    /// The member of the body in which those stand; empty: the body itself.
    std::string_view limits_in;
    /// Takes `stream_options.include_usage`.
    bool usage_on_request = false;
    /// A call does nothing but answer: one that was begun and is broken off leaves nothing behind.
    bool only_answers = false;
};

/// OpenAI (chat completions, completions, responses), Anthropic (messages) and Ollama (chat,
/// generate). Of others the one that nothing is known of.
const Endpoint& endpoint_of(std::string_view path);

/// True for a member by which any known server bounds what it generates, on whatever path: one that
/// the endpoint does not have could lead the server past the limit, or past the gate's.
bool is_output_limit(std::string_view member);

}  // namespace millrace::api::gate
