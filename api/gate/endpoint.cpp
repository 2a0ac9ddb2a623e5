#include "api/gate/endpoint.hpp"

#include <boost/algorithm/string/predicate.hpp>

#include <algorithm>
#include <array>

namespace millrace::api::gate {
namespace {

constexpr std::array<std::string_view, 2> kChat{"max_tokens", "max_completion_tokens"};
constexpr std::array<std::string_view, 1> kMaxTokens{"max_tokens"};
constexpr std::array<std::string_view, 1> kMaxOutputTokens{"max_output_tokens"};
constexpr std::array<std::string_view, 1> kNumPredict{"num_predict"};

/// The first that fits counts.
constexpr std::array<Endpoint, 6> kEndpoints{{
    {"/chat/completions", kChat, {}, true, true},
    {"/completions", kMaxTokens, {}, true, true},
    {"/responses", kMaxOutputTokens, {}, false, false},
    {"/messages", kMaxTokens, {}, false, false},
    {"/api/chat", kNumPredict, "options", false, false},
    {"/api/generate", kNumPredict, "options", false, false},
}};
constexpr Endpoint kUnknown{};

constexpr std::array<std::string_view, 7> kOutputLimits{
    "max_tokens", "max_completion_tokens", "max_output_tokens", "num_predict",
    "n_predict",  "max_new_tokens",        "max_length"};

}  // namespace

const Endpoint& endpoint_of(std::string_view path) {
    const auto* found =
        std::find_if(kEndpoints.begin(), kEndpoints.end(), [&](const Endpoint& endpoint) {
            return boost::algorithm::iends_with(path, endpoint.path);
        });
    return found == kEndpoints.end() ? kUnknown : *found;
}

bool is_output_limit(std::string_view member) {
    return std::find(kOutputLimits.begin(), kOutputLimits.end(), member) != kOutputLimits.end();
}

}  // namespace millrace::api::gate
