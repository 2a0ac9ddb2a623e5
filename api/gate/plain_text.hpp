#pragma once

#include <string_view>

namespace millrace::api::gate {

/// True for UTF-8 without control characters: what may stand in JSON for the service, in its books
/// and in logs. JSON itself can spell half a surrogate pair, which is none.
bool is_plain_text(std::string_view text);

}  // namespace millrace::api::gate
