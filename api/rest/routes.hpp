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

/// Who may use a route: a party for what is its own, an operator for the metrics when they are not
/// public, an auditor whose key has the scope channels (`party_or_auditor`), ledger (`auditor`) or
/// export (`auditor_export`). Where anyone may ask and a party more than others
/// (`anyone_or_party`), a token that is shown has to be good.
enum class Access {
    anyone,
    anyone_or_party,
    party,
    party_or_auditor,
    auditor,
    auditor_export,
    operators
};

struct Route {
    std::string_view method;
    /// At most one segment is in braces; a last "{path}" stands for any number of them.
    std::string_view path;
    Access access;
    Task<HttpResponse> (*handle)(RestContext& context, RestRequest request);
};

/// Every route there is.
std::span<const Route> routes();

}  // namespace rest
}  // namespace millrace::api
