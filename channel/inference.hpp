#pragma once

#include "channel/result.hpp"

#include <compare>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace millrace::channel {

/// Names one inference within its channel, chosen by the payer: 1–64 characters of
/// [A-Za-z0-9._:-] (stream-protocol, Conventions).
class InferenceId {
public:
    static constexpr std::size_t kLengthMax = 64;

    /// `not_an_inference_id` for other text.
    static Result<InferenceId> parse(std::string_view text);

    const std::string& text() const { return text_; }
    friend auto operator<=>(const InferenceId&, const InferenceId&) = default;

private:
    std::string text_;
};

}  // namespace millrace::channel

template <>
struct std::hash<millrace::channel::InferenceId> {
    std::size_t operator()(const millrace::channel::InferenceId& id) const noexcept {
        return std::hash<std::string>{}(id.text());
    }
};
