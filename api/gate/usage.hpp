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

    friend bool operator==(const Usage&, const Usage&) = default;
};

/// What one event of a streamed answer says, or a whole answer.
struct Chunk {
    Usage usage;
    /// Pieces of content: at least so many tokens. Of a whole answer, which has no pieces, a token
    /// for each four bytes of its text.
    std::uint64_t deltas = 0;
    /// Usage and nothing else: the event that `stream_options.include_usage` adds (OpenAI).
    bool is_usage_alone = false;
};

/// Reads answers of model servers as far as they tell what to charge: `usage` with `prompt_tokens`
/// and `completion_tokens`, or `input_tokens` (beside what was read from a cache) and
/// `output_tokens`, at the top, in `response` (OpenAI responses) or in `message` (Anthropic
/// messages); `prompt_eval_count` and `eval_count` (Ollama); `tokens_evaluated` and
/// `tokens_predicted` (llama.cpp). What is no JSON says nothing.
class UsageReader {
public:
    UsageReader();
    ~UsageReader();

    /// JSON, or lines of JSON, of which the last has the usage.
    Chunk read_answer(std::string_view text);
    Chunk read_chunk(std::string_view json);

private:
    struct Parser;
    std::unique_ptr<Parser> parser_;
};

/// Adds up what the chunks of one answer say. Counts never go down.
class UsageCount {
public:
    /// `prompt_tokens_estimate` counts where the server does not say what it read.
    explicit UsageCount(std::uint64_t prompt_tokens_estimate) : estimate_(prompt_tokens_estimate) {}

    void add(const Chunk& chunk);
    /// What is certain on the way: no estimate, of which the end may say less.
    channel::TokenCounts so_far() const;
    /// Of an answer that was cut off: what the server had said by then, and at least the pieces of
    /// content.
    channel::TokenCounts of_part() const;
    /// Of a whole answer: what the server said; where it did not, as `of_part`.
    channel::TokenCounts in_all() const;
    const Usage& said() const { return said_; }

private:
    std::uint64_t estimate_;
    Usage said_;
    std::uint64_t deltas_ = 0;
};

}  // namespace millrace::api::gate
