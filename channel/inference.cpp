#include "channel/inference.hpp"

#include "channel/error.hpp"

#include <algorithm>

namespace millrace::channel {
namespace {

bool is_allowed(char c) {
    if (c >= '0' && c <= '9') return true;
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return true;
    return c == '.' || c == '_' || c == ':' || c == '-';
}

}  // namespace

Result<InferenceId> InferenceId::parse(std::string_view text) {
    if (text.empty() || text.size() > kLengthMax) return Error::not_an_inference_id;
    if (!std::all_of(text.begin(), text.end(), is_allowed)) return Error::not_an_inference_id;
    InferenceId id;
    id.text_ = text;
    return id;
}

}  // namespace millrace::channel
