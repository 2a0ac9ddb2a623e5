#include "api/rest/routes.hpp"

#include "api/config.hpp"
#include "api/metrics.hpp"
#include "api/rest/handlers.hpp"
#include "api/rest/problems.hpp"
#include "channel/error.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <array>
#include <chrono>
#include <optional>

#include <pqxx/pqxx>

namespace millrace::api {
namespace rest {
namespace {

using channel::Error;

constexpr std::array kRoutes{
    Route{"GET", "/healthz", Access::anyone, get_healthz},
    Route{"GET", "/readyz", Access::anyone, get_readyz},
    Route{"GET", "/metrics", Access::operators, get_metrics},
    Route{"GET", "/openapi.json", Access::anyone, get_openapi},
    Route{"GET", "/asyncapi.json", Access::anyone, get_asyncapi},
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
    Route{"GET", "/v1/ledger/entries", Access::auditor, get_entries},
    Route{"GET", "/v1/ledger/entries/{seq}", Access::auditor, get_entry},
    Route{"GET", "/v1/ledger/trial-balance", Access::auditor, get_trial_balance},
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
    if (segment.find('/') != std::string_view::npos) return std::nullopt;
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

bool permits(Access access, const Principal& principal, bool metrics_public) {
    switch (access) {
        case Access::anyone:
            return true;
        case Access::party:
            return principal.address.has_value();
        case Access::party_or_auditor:
            return principal.address.has_value() || principal.auditor;
        case Access::auditor:
            return principal.auditor;
        case Access::operators:
            return metrics_public || principal.operator_;
    }
    return false;
}

stream::Failure forbidden(Access access) {
    const auto sentence = [access]() -> std::string_view {
        switch (access) {
            case Access::anyone:
                return {};
            case Access::party:
                return "This is for parties: log in with the key of an address.";
            case Access::party_or_auditor:
                return "This is for parties and auditors.";
            case Access::auditor:
                return "This is for auditors.";
            case Access::operators:
                return "This is for operators.";
        }
        return {};
    };
    return {
        stream::Code::refused, channel::reason(Error::forbidden), "Authorization", {}, sentence()};
}

struct Entry {
    Principal principal;
    std::optional<HttpResponse> refusal;
};

Entry enter(const RestContext& context, const Route& route, const HttpRequest& request) {
    const bool open = permits(route.access, {}, context.config.server.metrics_public);
    if (open) return {};
    const auto bearer = bearer_token(request.authorization);
    if (bearer.empty())
        return {{},
                problem(stream::unauthenticated("Authorization",
                                                "Send a token: Authorization: Bearer …"))};
    const auto now =
        std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
    const auto principal = context.tokens.verify(bearer, now);
    if (!principal)
        return {{},
                problem(stream::unauthenticated(
                    "Authorization", "The token is unknown or has expired; log in again."))};
    if (!permits(route.access, *principal, context.config.server.metrics_public))
        return {{}, problem(forbidden(route.access))};
    return {*principal, std::nullopt};
}

HttpResponse method_not_allowed(const std::string& allowed) {
    auto response = api::problem(405, "method_not_allowed", "This path takes: " + allowed + ".");
    response.headers.emplace_back("Allow", allowed);
    return response;
}

constexpr const char* kQueryCanceled = "57014";

HttpResponse database_failed(RestContext& context, const pqxx::failure& error) {
    context.metrics.database_errors.Increment();
    spdlog::error("a read failed: {}", error.what());
    const auto* refused = dynamic_cast<const pqxx::sql_error*>(&error);
    const bool too_long = refused && refused->sqlstate() == kQueryCanceled;
    return problem(stream::Failure{stream::Code::refused,
                                   channel::reason(Error::unavailable),
                                   {},
                                   {},
                                   too_long
                                       ? "This took too long; ask for less, or for an earlier seq."
                                       : "The database cannot be read just now; try again."});
}

/// Exceptions of the layers below end here.
Task<HttpResponse> guarded(RestContext& context, const Route& route, RestRequest request) {
    try {
        co_return co_await route.handle(context, std::move(request));
    } catch (const pqxx::failure& error) {
        co_return database_failed(context, error);
    } catch (const std::exception& error) {
        spdlog::error("{} {}: {}", route.method, route.path, error.what());
        co_return problem(stream::internal_error());
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
    auto entry = rest::enter(context, *found.route, request);
    HttpResponse response;
    if (entry.refusal) {
        response = std::move(*entry.refusal);
    } else {
        // Named, because GCC 12 destroys a temporary aggregate of a co_await twice.
        rest::RestRequest entered{std::move(request), entry.principal, std::move(found.segment)};
        response = co_await rest::guarded(context, *found.route, std::move(entered));
    }
    context.metrics.request(fmt::format("{} {}", found.route->method, found.route->path),
                            response.status < 400 ? "ok" : std::to_string(response.status));
    co_return response;
}

}  // namespace millrace::api
