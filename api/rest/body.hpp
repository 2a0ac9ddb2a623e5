#pragma once

#include "api/rest/context.hpp"
#include "api/stream/members.hpp"

#include <functional>
#include <optional>
#include <string_view>

namespace millrace::api::rest {

/// Reads the JSON object of a request's body with `read(stream::Members&)`, as strictly as a frame
/// of the stream. Gives what is wrong with it, if anything. An empty body is an empty object.
std::optional<stream::Failure> read_body(const RestContext& context, std::string_view body,
                                         const std::function<void(stream::Members&)>& read);

}  // namespace millrace::api::rest
