#include "api/rest/admission.hpp"

#include "api/clock.hpp"
#include "api/config.hpp"
#include "api/metrics.hpp"
#include "api/rest/problems.hpp"
#include "channel/error.hpp"

namespace millrace::api::rest {
namespace {

using channel::Error;
using ledger::AuditScope;

bool opens(const Principal& principal, AuditScope scope) {
    return principal.auditor && principal.auditor->scopes.contains(scope);
}

bool permits(Access access, const Principal& principal, bool metrics_public) {
    switch (access) {
        case Access::anyone:
        case Access::anyone_or_party:
            return true;
        case Access::party:
            return principal.address.has_value();
        case Access::party_or_auditor:
            return principal.address.has_value() || opens(principal, AuditScope::channels);
        case Access::auditor:
            return opens(principal, AuditScope::ledger);
        case Access::auditor_export:
            return opens(principal, AuditScope::export_);
        case Access::operators:
            return metrics_public || principal.operator_;
    }
    return false;
}

std::string_view for_whom(Access access) {
    switch (access) {
        case Access::anyone:
        case Access::anyone_or_party:
            return {};
        case Access::party:
            return "This is for parties: log in with the key of an address.";
        case Access::party_or_auditor:
            return "This is for parties and auditors.";
        case Access::auditor:
        case Access::auditor_export:
            return "This is for auditors.";
        case Access::operators:
            return "This is for operators.";
    }
    return {};
}

/// For an auditor whose key does not open it; empty where none would.
std::string_view scope_wanted(Access access) {
    switch (access) {
        case Access::party_or_auditor:
            return "This takes a key with the scope channels.";
        case Access::auditor:
            return "This takes a key with the scope ledger.";
        case Access::auditor_export:
            return "This takes a key with the scope export.";
        case Access::anyone:
        case Access::anyone_or_party:
        case Access::party:
        case Access::operators:
            return {};
    }
    return {};
}

HttpResponse forbidden(Access access, const Principal& principal) {
    const auto scope = principal.auditor ? scope_wanted(access) : std::string_view{};
    return problem(stream::Failure{stream::Code::refused,
                                   channel::reason(Error::forbidden),
                                   "Authorization",
                                   {},
                                   scope.empty() ? for_whom(access) : scope});
}

HttpResponse unauthenticated(std::string_view sentence) {
    return problem(stream::unauthenticated("Authorization", sentence));
}

HttpResponse refused(KeyRefusal why) {
    switch (why) {
        case KeyRefusal::unknown:
            return unauthenticated("The key is unknown.");
        case KeyRefusal::expired:
            return unauthenticated("The key has expired; ask the operator for another.");
        case KeyRefusal::revoked:
            return unauthenticated("The key was revoked; ask the operator for another.");
        case KeyRefusal::too_many_guesses:
            break;
    }
    return problem(stream::Failure{stream::Code::refused, channel::reason(Error::rate_limited),
                                   "Authorization", std::to_string(Guesses::kFailuresMax),
                                   "Too many keys from there were wrong; wait a minute."});
}

/// Made here, because GCC 12 loses its way in a temporary aggregate of a co_return.
Admission turned_away(HttpResponse refusal, std::optional<ledger::AuditCaller> recorded_as = {}) {
    Admission admission;
    admission.refusal = std::move(refusal);
    admission.recorded_as = std::move(recorded_as);
    return admission;
}

Admission admission(Access access, bool metrics_public, Principal principal) {
    Admission admission;
    if (!permits(access, principal, metrics_public))
        admission.refusal = forbidden(access, principal);
    if (principal.auditor) admission.recorded_as = principal.auditor->caller;
    admission.principal = std::move(principal);
    return admission;
}

Task<Admission> admit_key(RestContext& context, Access access, Credentials credentials) {
    std::string bearer(bearer_token(credentials.authorization));
    const auto verified = co_await context.audit_keys.verify(
        context.database, std::move(bearer), std::move(credentials.remote_address), now());
    if (const auto* principal = std::get_if<Principal>(&verified))
        co_return admission(access, context.config.server.metrics_public, *principal);
    const auto& key = std::get<RefusedKey>(verified);
    context.metrics.logins_failed.Increment();
    co_return turned_away(refused(key.why), key.caller);
}

}  // namespace

Task<Admission> admit(RestContext& context, Access access, Credentials credentials) {
    const bool metrics_public = context.config.server.metrics_public;
    Admission open;
    const auto bearer = bearer_token(credentials.authorization);
    const bool is_shown = access == Access::anyone_or_party && !bearer.empty();
    if (!is_shown && permits(access, open.principal, metrics_public)) co_return open;
    if (bearer.empty())
        co_return turned_away(unauthenticated("Send a token: Authorization: Bearer …"));
    if (audit_key_id(bearer)) co_return co_await admit_key(context, access, std::move(credentials));
    const auto principal = context.tokens.verify(bearer, now());
    if (!principal)
        co_return turned_away(
            unauthenticated("The token is unknown or has expired; log in again."));
    co_return admission(access, metrics_public, *principal);
}

}  // namespace millrace::api::rest
