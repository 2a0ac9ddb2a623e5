#pragma once

#include "api/auth/audit_keys.hpp"
#include "api/auth/tokens.hpp"
#include "api/http.hpp"
#include "api/rest/exports.hpp"
#include "api/rest/recent_stats.hpp"
#include "api/services.hpp"
#include "api/x402/traffic.hpp"
#include "ledger/proof/note.hpp"

#include <atomic>
#include <optional>
#include <string>
#include <vector>

namespace millrace::api {

/// What routes work with; all of it outlives every request.
struct RestContext : Services {
    /// Set on SIGTERM: /readyz says no from then on.
    const std::atomic<bool>& draining;
    rest::RecentStats stats{};
    AuditKeys audit_keys{};
    /// What tree heads are checked with; nullopt: there is no transparency log.
    std::optional<ledger::NoteKey> log_key{};
    rest::Exports exports{};
    x402::Traffic x402{config.x402.in_flight_max};
};

namespace rest {

/// A request whose route is known and whose sender may use it.
struct RestRequest {
    HttpRequest http;
    Principal principal;
    /// What stands in the path at {id}, {seq}.
    std::string segment;
};

}  // namespace rest
}  // namespace millrace::api
