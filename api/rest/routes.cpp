#include "api/rest/routes.hpp"

#include "api/metrics.hpp"
#include "api/rest/admission.hpp"
#include "api/rest/audit_trail.hpp"
#include "api/rest/database_failed.hpp"
#include "api/rest/handlers.hpp"
#include "api/rest/problems.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <array>
#include <exception>
#include <optional>

#include <pqxx/pqxx>

namespace millrace::api {
namespace rest {
namespace {

constexpr std::array kRoutes{
    Route{"GET", "/healthz", Access::anyone, get_healthz},
    Route{"GET", "/readyz", Access::anyone, get_readyz},
    Route{"GET", "/metrics", Access::operators, get_metrics},
    Route{"GET", "/openapi.json", Access::anyone, get_openapi},
    Route{"GET", "/asyncapi.json", Access::anyone, get_asyncapi},
    Route{"GET", "/llms.txt", Access::anyone, get_llms_text},
    Route{"GET", "/v1/networks", Access::anyone, get_networks},
    Route{"POST", "/v1/auth/challenge", Access::anyone, post_challenge},
    Route{"POST", "/v1/auth/login", Access::anyone, post_login},
    Route{"GET", "/v1/channels", Access::party_or_auditor, get_channels},
    Route{"GET", "/v1/channels/{id}", Access::party_or_auditor, get_channel},
    Route{"GET", "/v1/channels/{id}/payments", Access::party_or_auditor, get_payments},
    Route{"POST", "/v1/claims", Access::party, post_claim},
    Route{"GET", "/v1/claims", Access::party, get_claims},
    Route{"GET", "/v1/claims/{id}", Access::party, get_claim},
    Route{"POST", "/v1/claims/{id}/retry", Access::party, post_claim_retry},
    Route{"GET", "/v1/quarantine", Access::party, get_quarantine},
    Route{"POST", "/v1/quarantine/{id}/retry", Access::party, post_quarantine_retry},
    Route{"GET", "/v1/ledger/accounts", Access::auditor, get_accounts},
    Route{"GET", "/v1/ledger/accounts/{id}", Access::auditor, get_account},
    Route{"GET", "/v1/ledger/accounts/{id}/statement", Access::auditor, get_statement},
    Route{"GET", "/v1/ledger/entries", Access::auditor, get_entries},
    Route{"GET", "/v1/ledger/entries/{seq}", Access::auditor, get_entry},
    Route{"GET", "/v1/ledger/trial-balance", Access::auditor, get_trial_balance},
    Route{"GET", "/v1/ledger/reconciliation", Access::auditor, get_reconciliation},
    Route{"GET", "/v1/ledger/export", Access::auditor_export, get_export},
    Route{"GET", "/v1/log/key", Access::anyone, get_log_key},
    Route{"GET", "/v1/log/checkpoint", Access::anyone, get_checkpoint},
    Route{"GET", "/v1/log/proof/inclusion", Access::anyone, get_inclusion_proof},
    Route{"GET", "/v1/log/proof/consistency", Access::anyone, get_consistency_proof},
    Route{"GET", "/v1/log/tile/entries/{path}", Access::auditor_export, get_entry_bundle},
    Route{"GET", "/v1/log/tile/{path}", Access::anyone, get_tile},
    Route{"GET", "/v1/channels/{id}/proof", Access::party_or_auditor, get_payment_proof},
    Route{"GET", "/x402/supported", Access::anyone, get_supported},
    Route{"POST", "/x402/verify", Access::anyone_or_party, post_verify},
    Route{"POST", "/x402/settle", Access::anyone_or_party, post_settle},
};

/// What stands for the braces of `pattern` in `path`; empty when it has none, nothing when the two
/// do not match.
std::optional<std::string_view> match(std::string_view pattern, std::string_view path) {
    const auto open = pattern.find('{');
    if (open == std::string_view::npos)
        return pattern == path ? std::optional(std::string_view{}) : std::nullopt;
    const auto tail = pattern.substr(pattern.find('}') + 1);
    if (path.size() <= open + tail.size() || !path.starts_with(pattern.substr(0, open)) ||
        !path.ends_with(tail))
        return std::nullopt;
    const auto segment = path.substr(open, path.size() - open - tail.size());
    const bool may_be_many = pattern.ends_with("{path}");
    if (!may_be_many && segment.find('/') != std::string_view::npos) return std::nullopt;
    return segment;
}

struct Found {
    const Route* route = nullptr;
    std::string segment;
    /// Methods of the path, for 405.
    std::string allowed;
};

Found find(const HttpRequest& request) {
    Found found;
    for (const auto& route : kRoutes) {
        const auto segment = match(route.path, request.path);
        if (!segment) continue;
        if (route.method == request.method) {
            found.route = &route;
            found.segment = *segment;
            return found;
        }
        if (!found.allowed.empty()) found.allowed += ", ";
        found.allowed += route.method;
    }
    return found;
}

HttpResponse method_not_allowed(const std::string& allowed) {
    auto response = api::problem(405, "method_not_allowed", "This path takes: " + allowed + ".");
    response.headers.emplace_back("Allow", allowed);
    return response;
}

/// What comes of an exception of the layers below: they end here.
HttpResponse failed(RestContext& context, const Route& route, const std::exception_ptr& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const pqxx::failure& error) {
        return database_failed(context, error);
    } catch (const std::exception& error) {
        spdlog::error("{} {}: {}", route.method, route.path, error.what());
        return problem(stream::internal_error());
    }
}

Task<HttpResponse> handled(RestContext& context, const Route& route, RestRequest request) {
    try {
        co_return co_await route.handle(context, std::move(request));
    } catch (const std::exception&) {
        co_return failed(context, route, std::current_exception());
    }
}

/// Lets in who may use the route; what an auditor asked is in the record before it is answered.
Task<HttpResponse> admitted(RestContext& context, const Route& route, HttpRequest request,
                            std::string segment) {
    Asked asked(request);
    Credentials credentials{request.authorization, request.remote_address};
    auto admission = co_await admit(context, route.access, std::move(credentials));
    HttpResponse response;
    if (admission.refusal) {
        response = std::move(*admission.refusal);
    } else {
        // Named, because GCC 12 destroys a temporary aggregate of a co_await twice.
        RestRequest entered{std::move(request), admission.principal, std::move(segment)};
        response = co_await handled(context, route, std::move(entered));
    }
    if (!admission.recorded_as) co_return response;
    co_return co_await recorded(context, *admission.recorded_as, std::move(asked),
                                std::move(response));
}

Task<HttpResponse> answered(RestContext& context, const Route& route, HttpRequest request,
                            std::string segment) {
    try {
        co_return co_await admitted(context, route, std::move(request), std::move(segment));
    } catch (const std::exception&) {
        co_return failed(context, route, std::current_exception());
    }
}

}  // namespace

std::span<const Route> routes() {
    return kRoutes;
}

}  // namespace rest

Task<HttpResponse> route(RestContext& context, HttpRequest request) {
    auto found = rest::find(request);
    if (!found.route) {
        context.metrics.request("unknown", found.allowed.empty() ? "404" : "405");
        co_return found.allowed.empty()
            ? rest::not_found("not_found", "There is no such path; see /openapi.json.")
            : rest::method_not_allowed(found.allowed);
    }
    auto response = co_await rest::answered(context, *found.route, std::move(request),
                                            std::move(found.segment));
    context.metrics.request(fmt::format("{} {}", found.route->method, found.route->path),
                            response.status < 400 ? "ok" : std::to_string(response.status));
    co_return response;
}

}  // namespace millrace::api
