#pragma once

#include "api/rest/context.hpp"
#include "ledger/audit/audit_query.hpp"

#include <chrono>
#include <string>

namespace millrace::api::rest {

/// A request as it came in.
struct Asked {
    explicit Asked(const HttpRequest& request);

    ledger::Time at;
    std::chrono::steady_clock::time_point begun;
    std::string remote_address;
    std::string method;
    /// Path and query, escaped again.
    std::string target;
};

/// Records what an auditor asked and what became of it, and gives the response back to be sent;
/// when it cannot be recorded, 503 in its place: nothing is told that is not in the record. A
/// response that is streamed is recorded before it begins.
Task<HttpResponse> recorded(RestContext& context, ledger::AuditCaller caller, Asked asked,
                            HttpResponse response);

}  // namespace millrace::api::rest
