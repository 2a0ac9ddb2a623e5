#pragma once

#include "api/stream/failure.hpp"

#include <string>
#include <variant>

namespace millrace::api::stream {

/// The result of a method as JSON text, or why there is none.
using Reply = std::variant<std::string, Failure>;

}  // namespace millrace::api::stream
