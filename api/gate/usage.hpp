#pragma once

#include "channel/price.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

namespace millrace::api::gate {

/// The tokens that a model server says it has read and written; nothing where it does not say.
struct Usage {
    std::optional<std::uint64_t> input;
    std::optional<std::uint64_t> output;

    bool is_complete() const { return input && output; }
    friend bool operator==(const Usage&, const Usage&) = default;
};

/// What one event of a streamed answer says.
struct Chunk {
    Usage usage;
    /// Pieces of content: at least so many tokens.
    std::uint64_t deltas = 0;
    /// Usage and nothing else: the event that `stream_options.include_usage` adds (OpenAI).
    bool is_usage_alone = false;
};

/// Reads answers of model servers as far as they tell what to charge: `usage` with `prompt_tokens`
/// and `completion_tokens`, or `input_tokens` and `output_tokens`, at the top, in `response`
/// (OpenAI responses) or in `message` (Anthropic messages). What is no JSON says nothing.
class UsageReader {
public:
    UsageReader();
    ~UsageReader();

    Usage read_answer(std::string_view json);
    Chunk read_chunk(std::string_view json);

private:
    struct Parser;
    std::unique_ptr<Parser> parser_;
};

/// Adds up what the chunks of one answer say. Counts never go down.
class UsageCount {
public:
    void add(const Chunk& chunk);
    /// Of an answer that was cut off: what the server had said by then, and at least the pieces of
    /// content.
    channel::TokenCounts so_far() const;
    /// Of a whole answer: what the server said; where it did not, as `so_far`.
    channel::TokenCounts in_all() const;
    const Usage& said() const { return said_; }

private:
    Usage said_;
    std::uint64_t deltas_ = 0;
};

}  // namespace millrace::api::gate
