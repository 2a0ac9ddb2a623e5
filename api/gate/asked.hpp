#pragma once

#include "api/gate/endpoint.hpp"
#include "api/gate/prompt.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace millrace::api::gate {

/// What the body of a call to a model asks for, as far as it bears on the price.
struct Asked {
    std::string model;
    bool stream = false;
    /// The highest of the endpoint's limits; none where it has none, or the body does not say.
    std::optional<std::uint64_t> output_tokens_max;
    /// `min_tokens`.
    std::uint64_t output_tokens_min = 0;
    /// How often so much may be generated: `n` or `best_of`, times the prompts.
    std::uint64_t choices = 1;
    /// `stream_options.include_usage` and `.continuous_usage_stats`.
    bool wants_usage = false;
    bool wants_usage_always = false;
    Prompt prompt{};
};

/// Why a body cannot be priced.
struct BadBody {
    std::string field;
    std::string message;
};

/// Whatever reads the body behind the gate has to read the same. So every member of the outermost
/// object, and of the one with the limits, stands there once, with a name of ASCII without escapes;
/// one that bears on the price is written in small letters (Go and .NET do not mind its case); and
/// no limit of another endpoint is among them.
std::variant<Asked, BadBody> read_asked(std::string_view body, const Endpoint& endpoint);

/// What is changed in a body on its way to the model server.
struct BodyChange {
    /// Sets `stream_options`.
    bool ask_for_usage = false;
    bool ask_for_usage_always = false;
    /// Sets all limits of the endpoint; 0: none.
    std::uint64_t output_limit = 0;
};
/// `body` is one that `read_asked` took. What is not changed stays, byte by byte.
std::string changed(std::string_view body, const Endpoint& endpoint, const BodyChange& change);

}  // namespace millrace::api::gate
