#pragma once

#include "api/rest/context.hpp"
#include "api/task.hpp"

#include <span>
#include <string_view>

namespace millrace::api {

/// Answers a REST request (stream-protocol, REST). Never throws: what cannot be done is a problem
/// (RFC 9457). `context` outlives the task.
Task<HttpResponse> route(RestContext& context, HttpRequest request);

namespace rest {

/// Who may use a route. An auditor sees everything under ledger and channels, a party what is its
/// own, an operator the metrics when they are not public.
enum class Access { anyone, party, party_or_auditor, auditor, operators };

struct Route {
    std::string_view method;
    /// At most one segment is in braces.
    std::string_view path;
    Access access;
    Task<HttpResponse> (*handle)(RestContext& context, RestRequest request);
};

/// Every route there is.
std::span<const Route> routes();

}  // namespace rest
}  // namespace millrace::api
