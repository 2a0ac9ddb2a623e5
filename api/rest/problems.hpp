#pragma once

#include "api/http.hpp"
#include "api/stream/failure.hpp"
#include "channel/step.hpp"

#include <string>
#include <string_view>

namespace millrace::api::rest {

/// application/problem+json (RFC 9457): what the stream's errors have in `data` (reason, field,
/// limit) beside type, title, status and detail.
HttpResponse problem(const stream::Failure& failure);
HttpResponse problem(const channel::Refusal& refusal);

/// A query parameter or path segment that will not do: 400.
HttpResponse bad_parameter(std::string_view field, std::string_view expected);

/// 404 of a thing that is not there.
HttpResponse not_found(std::string_view reason, std::string_view detail);

}  // namespace millrace::api::rest
