#pragma once

#include "api/rest/routes.hpp"
#include "ledger/audit/audit_query.hpp"

#include <optional>
#include <string>

namespace millrace::api::rest {

/// Who asks, or why it is refused.
struct Admission {
    Principal principal;
    std::optional<HttpResponse> refusal;
    /// Under which name it goes into the record of what auditors asked; nothing for anybody else.
    /// Also there for an auditor that is refused.
    std::optional<ledger::AuditCaller> recorded_as;
};

/// What somebody shows of itself.
struct Credentials {
    /// The whole header.
    std::string authorization;
    std::string remote_address;
};

/// Whether `access` lets in whoever shows `credentials`. Throws pqxx::failure when a key would have
/// to be looked up and cannot be.
Task<Admission> admit(RestContext& context, Access access, Credentials credentials);

}  // namespace millrace::api::rest
